"""A SavedModel that runs where this package is not: pictures in, boxes in their own pixels out."""

import contextlib
import os
from collections.abc import Callable

import cv2
import keras
import numpy as np

from keras_centernet.errors import UserError
from keras_centernet.exporting.agreement import compare_with_detect, milliseconds
from keras_centernet.files.atomic import folder_for, move
from keras_centernet.files.paths import AnyPath, size_bytes, to_path
from keras_centernet.networks.layers.deformable import without_xla

LABELS = "classes.txt"


def export_saved_model(model: keras.Model, path: str | os.PathLike, top_k: int = 100, xla: bool = False) -> AnyPath:
    """Writes a folder that `tf.saved_model.load` and TensorFlow Serving load; returns its path.

    Its signatures, all for any batch size B:

    - "serving_default": "image_bytes" (B,) strings, see `encoded_pictures.decode_picture`; every picture has its
      own size.
    - "images": "images" (B, H, W, 3) uint8 RGB of any size; "images_float" the same as float32 in 0..255.
    - "inputs": "images" (B, h, w, 3) uint8 RGB, already letterboxed to the model's input size.
    - "serving_calibrated" and "images_calibrated", for tasks that need a camera: the first two with "calibration"
      (B, 3, 4) float32 in addition.

    All give "boxes_xyxy" (B, N, 4) float32, "scores" (B, N) float32, descending, "classes" (B, N) int32,
    "class_names" (B, N) strings and what else the task decodes by its own names, always N rows: thresholds are
    the client's. Places are in original pixels, boxes clipped to the image, as `model.detect` gives them; those
    of "inputs" are in input pixels as `model.detect_batch` gives them. With a calibration there are also
    the extras of `Detections`, such as "locations". The folder's assets/classes.txt holds the names of the classes.

    Args:
        model: `CenterNet`.
        path: folder to write; an existing one is refused.
        top_k: N.
        xla: whether deformable convolutions stay compiled by XLA: faster, but only in runtimes that have it.

    Raises:
        UserError: there is something already, or the folder cannot be written.
    """
    path = to_path(path)
    if path.exists():
        raise UserError(f"{path}: expected a new folder to export to, there is something already. Remove it.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with folder_for(path.parent) as folder:
            beside, labels = folder / "part", folder / LABELS
            labels.write_text("".join(f"{name}\n" for name in model.classes), encoding="utf-8")
            with contextlib.nullcontext() if xla else without_xla():
                _save(model, beside, labels, top_k)
            move(beside, path)
    except OSError as error:
        raise UserError(f"{path}: expected a place to write to: {error.strerror or error}.") from error
    return path


def verify_saved_model(model: keras.Model, path: str | os.PathLike, images: list, threshold: float = 0.1) -> dict:
    """Returns how far a SavedModel's detections are from the model's, on pictures of any size.

    The folder is loaded with `tf.saved_model.load` and asked twice for every picture: for its pixels, and for its
    file, or, where it has none, for a PNG of it.

    Args:
        model: `CenterNet` that the folder was made from.
        path: folder of `export_saved_model`.
        images: as `model.detect` takes them.
        threshold: lowest score that is compared.

    Returns:
        {"size_bytes": of the folder, "agreement": see `comparing.compare_with_detect`, "latency_ms": median of one
        request with the first picture's file, without any network between}.

    Raises:
        UserError: the two disagree.
    """
    import tensorflow as tf

    signatures = tf.saved_model.load(os.fspath(path)).signatures
    is_calibrated = model.task.needs_camera
    encoded = signatures["serving_calibrated" if is_calibrated else "serving_default"]
    pixels = signatures["images_calibrated" if is_calibrated else "images"]
    requests = []

    def run(function, calibration, **inputs):
        if is_calibrated:
            inputs["calibration"] = tf.constant(calibration[None], tf.float32)
        requests.append((function, inputs))
        rows = {key: value.numpy()[0] for key, value in function(**inputs).items() if key != "class_names"}
        has_area = np.all(rows["boxes_xyxy"][:, 2:] > rows["boxes_xyxy"][:, :2], axis=1)  # as `model.detect` does
        return {key: value[has_area] for key, value in rows.items()}

    runs = (
        lambda found, camera: run(encoded, camera, image_bytes=tf.constant([_file_of(found)])),
        lambda found, camera: run(pixels, camera, images=tf.constant(found.image[None])),
    )
    top_k = encoded.structured_outputs["scores"].shape[1]
    agreement = compare_with_detect(model, images, runs, threshold, top_k, path)
    function, inputs = requests[0]
    return {
        "size_bytes": size_bytes(path),
        "agreement": agreement,
        "latency_ms": milliseconds(lambda: [value.numpy() for value in function(**inputs).values()]),
    }


def _file_of(found) -> bytes:
    """Returns the encoded picture of `Detections`: its file, else a PNG."""
    if found.path:
        return to_path(found.path).read_bytes()
    return cv2.imencode(".png", cv2.cvtColor(found.image, cv2.COLOR_RGB2BGR))[1].tobytes()


def _save(model, path, labels, top_k: int) -> None:
    """Less than half the time of `keras.export.ExportArchive`, which traces every signature several times."""
    import tensorflow as tf

    served = tf.Module()
    served.weights = [variable.value for variable in model.network.variables]
    served.labels = tf.saved_model.Asset(str(labels))
    signatures = {
        name: tf.function(function, input_signature=specs, autograph=False).get_concrete_function()
        for name, (function, specs) in build_signatures(model, top_k).items()
    }
    # Custom gradients would be traced and saved too; nobody trains a served graph.
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    tf.saved_model.save(served, str(path), signatures, options)


def build_signatures(model: keras.Model, top_k: int) -> dict[str, tuple[Callable, list]]:
    """Returns {name: (function of tensors -> dict of tensors, its `tf.TensorSpec`s)}, see `export_saved_model`."""
    import tensorflow as tf

    from keras_centernet.exporting.encoded_images import decode_picture
    from keras_centernet.exporting.letterbox import letterbox, to_image_frame

    input_hw = model.input_size
    names = tf.constant(model.classes)

    # Traced once and shared by all signatures, so that the file holds one network.
    @tf.function(input_signature=[tf.TensorSpec((None, *input_hw, 3), tf.float32)], autograph=False)
    def detect(inputs):
        found = model.decoded(inputs, top_k)
        found["classes"] = tf.cast(found["classes"], tf.int32)
        return found | {"class_names": tf.gather(names, found["classes"])}

    def detect_encoded(image_bytes, *calibration):
        @tf.autograph.experimental.do_not_convert
        def prepare(data):
            image = decode_picture(data)
            return tf.cast(letterbox(image[None], input_hw)[0], tf.uint8), tf.shape(image)[:2]

        kinds = tf.TensorSpec((*input_hw, 3), tf.uint8), tf.TensorSpec((2,), tf.int32)
        inputs, image_hw = tf.map_fn(prepare, image_bytes, fn_output_signature=kinds)
        return finish(inputs, image_hw, *calibration)

    def detect_images(images, *calibration):
        shape = tf.shape(images)
        image_hw = tf.broadcast_to(shape[1:3], (shape[0], 2))
        return finish(letterbox(images, input_hw), image_hw, *calibration)

    def finish(inputs, image_hw, calibration=None):
        found = to_image_frame(detect(tf.cast(inputs, tf.float32)), image_hw, input_hw)
        return found if calibration is None else found | model.task.postprocess(found, calibration)

    encoded = tf.TensorSpec((None,), tf.string, name="image_bytes")  # servers read {"b64": ...} by the ending
    images = tf.TensorSpec((None, None, None, 3), tf.uint8, name="images")
    signatures = {
        "serving_default": (detect_encoded, [encoded]),
        "images": (detect_images, [images]),
        "images_float": (detect_images, [tf.TensorSpec(images.shape, tf.float32, name="images")]),
        "inputs": (
            lambda images: detect(tf.cast(images, tf.float32)),
            [tf.TensorSpec((None, *input_hw, 3), tf.uint8, name="images")],
        ),
    }
    if model.task.needs_camera:
        calibration = tf.TensorSpec((None, 3, 4), tf.float32, name="calibration")
        signatures |= {
            "serving_calibrated": (detect_encoded, [encoded, calibration]),
            "images_calibrated": (detect_images, [images, calibration]),
        }
    return signatures
