"""One image and its objects -> one serialized record."""

import hashlib
import os
from collections.abc import Sequence

import cv2
import numpy as np
import tensorflow as tf

from keras_centernet.data.images import JPEG_START, PNG_START, decode_image
from keras_centernet.data.records import keys
from keras_centernet.data.records.image_ids import TEXT_ERRORS, text_of_own
from keras_centernet.data.source import Source

_QUALITY = 95


def encode_record(source: Source, labels: tuple[int, ...], example: dict, name: str, data: bytes) -> bytes:
    """Returns the serialized `tf.train.Example` of one example.

    Args:
        source: of the example.
        labels: numbers of its classes in the label map.
        example: as arrays, see `source.py`.
        name: of the image's file.
        data: its content; b"" if there is none.

    Raises:
        UserError: the file is damaged.
    """
    encoded, format = _encode_image(example["image"], name, data)
    height, width = example["image"].shape[:2]
    fractions = np.float64(example["boxes_xyxy"]) / [width, height, width, height]
    values = {
        keys.ENCODED: [encoded],
        keys.FORMAT: [format.encode()],
        keys.HEIGHT: np.array([height]),
        keys.WIDTH: np.array([width]),
        keys.FILENAME: [os.path.basename(name).encode(errors=TEXT_ERRORS)],
        keys.SOURCE_ID: [_source_id(source, int(example["image_id"])).encode(errors=TEXT_ERRORS)],
        keys.SHA256: [hashlib.sha256(encoded).hexdigest().encode()],
        **{key: np.float32(column) for key, column in zip(keys.CORNERS, fractions.T, strict=True)},
        keys.LABEL: np.array(labels, np.int64)[example["classes"]],
        keys.TEXT: [source.classes[index].encode() for index in example["classes"]],
        keys.IS_CROWD: np.int64(example["is_crowd"]),
        keys.IS_DIFFICULT: np.int64(example["is_difficult"]),
        keys.AREA: example["areas"],
    }
    for field, spec in source.fields.items():
        if keys.are_keypoints(spec):
            values |= _keypoints(example[field], (width, height), source.task_options["skeleton"]["names"])
        else:
            column = example[field]
            values[keys.key_of(field, spec)] = np.array(column, object if spec.dtype == "string" else None).ravel()
    features = {key: _feature(column) for key, column in values.items()}
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def _source_id(source: Source, image_id: int) -> str:
    own = (source.own_image_ids or {}).get(image_id)
    return str(image_id) if own is None else text_of_own(own)


def _encode_image(image: np.ndarray, name: str, data: bytes) -> tuple[bytes, str]:
    """Returns (file content, "jpeg" or "png") of an upright image; the file's own bytes if they decode to it."""
    format = "jpeg" if data.startswith(JPEG_START) else "png"
    if data:
        stored = decode_image(data, name, upright=False)
        if data.startswith((JPEG_START, PNG_START)) and np.array_equal(stored, image):
            return data, format
    options = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY] if format == "jpeg" else []
    return cv2.imencode(f".{format}", image[..., ::-1], options)[1].tobytes(), format


def _keypoints(keypoints_xyv: np.ndarray, size_wh: tuple[int, int], names: Sequence[str]) -> dict:
    x, y, marks = keypoints_xyv.reshape(-1, 3).T
    return {
        keys.KEYPOINT_X: np.float32(np.float64(x) / size_wh[0]),
        keys.KEYPOINT_Y: np.float32(np.float64(y) / size_wh[1]),
        keys.KEYPOINT_VISIBILITY: np.int64(marks),
        keys.KEYPOINT_TEXT: [name.encode() for name in names] * len(keypoints_xyv),
        keys.KEYPOINT_COUNT: (keypoints_xyv[..., 2] > 0).sum(axis=1),
    }


def _feature(values: list[bytes] | np.ndarray) -> tf.train.Feature:
    kind = values.dtype.kind if isinstance(values, np.ndarray) else "O"
    if kind == "O":  # texts
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=list(values)))
    if kind in "fV":  # V: bfloat16
        return tf.train.Feature(float_list=tf.train.FloatList(value=np.float32(values)))
    return tf.train.Feature(int64_list=tf.train.Int64List(value=np.int64(values)))
