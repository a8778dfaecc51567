"""What `Detections` can be turned into: plain values, rows of files, and the values of other libraries."""

import os
from collections.abc import Sequence

import numpy as np

from keras_centernet.errors import UserError
from keras_centernet.files.atomic import write_text
from keras_centernet.geometry import xyxy_to_xywh
from keras_centernet.packages import import_package

TRACK_IDS = "track_ids"  # the extra that holds the identities of tracked objects


def to_dict(found) -> dict:
    """Returns the object that `Detections.to_json` writes, as plain Python values."""
    size = None if found.image is None else {"width": found.image.shape[1], "height": found.image.shape[0]}
    columns = {
        "box_xyxy": plain(found.boxes_xyxy),
        "score": plain(found.scores),
        "class_index": plain(found.classes),
        "class_name": list(found.class_names),
        **{name: plain(rows) for name, rows in found.extras.items()},
    }
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return {"path": found.path, "image_size": size, "detections": rows}


def to_pandas(found):
    """Returns the data frame of `Detections.to_pandas`."""
    pandas = import_package("to_pandas", "pandas")
    corners = zip(("x1", "y1", "x2", "y2"), found.boxes_xyxy.T, strict=True)
    columns = {"score": found.scores, "class_index": found.classes, "class_name": list(found.class_names)}
    extras = {name: rows if rows.ndim == 1 else list(rows) for name, rows in found.extras.items()}
    return pandas.DataFrame({"path": [found.path] * len(found), **dict(corners), **columns, **extras})


def to_supervision(found):
    """Returns the `supervision.Detections` of `Detections.to_supervision`."""
    supervision = import_package("to_supervision", "supervision")
    extras = {name: rows for name, rows in found.extras.items() if name != TRACK_IDS}
    return supervision.Detections(
        xyxy=found.boxes_xyxy.copy(),
        confidence=found.scores.copy(),
        class_id=found.classes.astype(int),
        tracker_id=found.extras.get(TRACK_IDS),
        data={"class_name": np.array(found.class_names, str), **extras},
    )


def to_yolo(found) -> str:
    """Returns the lines of `Detections.save_txt`."""
    size_wh = np.float64(_image_of(found, "save_txt").shape[1::-1])
    corners = found.boxes_xyxy.astype(np.float64).reshape(-1, 2, 2) / size_wh
    rows = np.concatenate([corners.mean(axis=1), corners[:, 1] - corners[:, 0]], axis=1)
    return "".join(
        f"{index} {' '.join(f'{value:.6f}' for value in row)} {score:.6f}\n"
        for index, row, score in zip(found.classes, rows, found.scores, strict=True)
    )


def save_yolo(found, path: str | os.PathLike) -> None:
    """Writes the lines of `to_yolo`."""
    write_text(path, to_yolo(found))


def crop(found) -> list[np.ndarray]:
    """Returns the images of `Detections.crops`."""
    image = _image_of(found, "crops")
    height, width = image.shape[:2]
    first = np.floor(found.boxes_xyxy[:, :2]).clip(0, [width - 1, height - 1]).astype(int)
    end = np.ceil(found.boxes_xyxy[:, 2:]).astype(int).clip(first + 1, [width, height])  # at least one pixel
    return [image[y1:y2, x1:x2].copy() for (x1, y1), (x2, y2) in zip(first, end, strict=True)]


def coco_rows(
    image_id: int | str,
    boxes_xyxy: np.ndarray,
    scores: np.ndarray,
    classes: np.ndarray,
    category_ids: Sequence[int | str] | None = None,
) -> list[dict]:
    """Returns the rows of one image in a COCO results file; see `Detections.to_coco`."""
    return [
        {
            "image_id": _plain_id(image_id),
            "category_id": int(index) + 1 if category_ids is None else _plain_id(category_ids[index]),
            "bbox": box,
            "score": float(score),
        }
        for box, score, index in zip(xyxy_to_xywh(boxes_xyxy).tolist(), scores, classes, strict=True)
    ]


def plain(values: np.ndarray) -> list:
    """Returns nested lists; float32 becomes the shortest decimal that reads back as the same float32."""
    values = np.asarray(values)
    return values.astype(str).astype(np.float64).tolist() if values.dtype == np.float32 else values.tolist()


def _plain_id(value):
    """Returns an id as a value that JSON can hold."""
    return value.item() if isinstance(value, np.generic) else value


def _image_of(found, what: str) -> np.ndarray:
    if found.image is None:
        raise UserError(f"{what}: expected detections with their image, got image=None; set `.image` first.")
    return found.image
