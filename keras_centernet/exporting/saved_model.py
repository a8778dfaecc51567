"""A SavedModel that runs without this package: images in, boxes in the images' own pixels out."""

import contextlib
import json
import os
import pathlib
import tempfile
from collections.abc import Callable

import cv2
import keras

from keras_centernet.errors import UserError, first_line
from keras_centernet.exporting.agreement import Example, Opened
from keras_centernet.exporting.detector import ExportedDetector
from keras_centernet.exporting.facts import FACTS_FILE, check_runnable, describe
from keras_centernet.files.paths import AnyPath, to_path
from keras_centernet.files.texts import read_text
from keras_centernet.geometry import to_input_frame
from keras_centernet.method.decode import decode
from keras_centernet.networks.layers.deformable import without_xla

LABELS, NOTES = "classes.txt", "detector.json"  # in its folder assets/
BOXES = 'boxes_xyxy: left, top, right, bottom in pixels of the image; of "inputs", of the letterboxed input'
_MOST_BYTES = 1 << 24
CALIBRATED = "_calibrated"  # end of the names of signatures that take a camera


def write_saved_model(model: keras.Model, path: pathlib.Path, top_k: int = 100, xla: bool = False) -> None:
    """Writes the folder of a SavedModel without comparing it with the model; see `exporting.export_saved_model`."""
    import tensorflow as tf

    served = tf.Module()
    served.weights = [variable.value for variable in model.network.variables]
    # Custom gradients would be traced and saved too; nobody trains a served graph.
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    with tempfile.TemporaryDirectory() as folder, contextlib.nullcontext() if xla else without_xla():
        facts = json.dumps(describe(model) | {"boxes": BOXES}, default=str)
        for name, text in ((LABELS, "".join(f"{name}\n" for name in model.classes)), (NOTES, facts)):
            asset = pathlib.Path(folder, name)
            asset.write_text(text, encoding="utf-8")
            setattr(served, asset.stem, tf.saved_model.Asset(str(asset)))
        # Takes less than half the time of `keras.export.ExportArchive`, which traces every signature several times.
        signatures = {
            name: tf.function(function, input_signature=specs, autograph=False).get_concrete_function()
            for name, (function, specs) in build_signatures(model, top_k).items()
        }
        tf.saved_model.save(served, str(path), signatures, options)


def open_saved_model(path: os.PathLike, model: keras.Model) -> Opened:
    """Returns a folder, loaded by `tf.saved_model.load`, to be compared with its model.

    Every image is run twice: as pixels, and as its file or, if it has none that TensorFlow reads, as a PNG.
    """
    import tensorflow as tf

    from keras_centernet.data.in_graph import FINE

    signatures = tf.saved_model.load(os.fspath(path)).signatures
    suffix = CALIBRATED if model.task.needs_camera else ""

    def run(function, example, **inputs):
        if suffix:
            inputs["calibration"] = tf.constant(example.calibration[None], tf.float32)
        return {key: value.numpy()[0] for key, value in function(**inputs).items() if key != "class_names"}

    def of_pixels(example):
        return run(signatures[f"images{suffix}"], example, images=tf.constant(example.image[None]))

    def of_file(example):
        function = signatures[f"serving{suffix}" if suffix else "serving_default"]
        for encode in (_file_of, _png_of):  # TensorFlow reads fewer kinds of files
            found = run(function, example, image_bytes=tf.constant([encode(example)]))
            if found.pop("status") == FINE:
                break
        return found

    def maps(image):
        return {key: value.numpy()[0] for key, value in signatures["raw_heads"](images=image[None]).items()}

    return Opened((of_pixels, of_file), maps, takes_any_size=True)


def load_saved_model(path: AnyPath) -> ExportedDetector:
    """Returns a detector that runs a folder in TensorFlow, on any backend of Keras; it runs whatever the graph says."""
    import tensorflow as tf

    facts = check_runnable(read_saved_model_facts(path), path)
    try:
        loaded = tf.saved_model.load(os.fspath(path))
        loaded.signatures["inputs"].structured_outputs  # noqa: B018
    except Exception as error:  # TensorFlow raises many kinds for damaged or foreign folders
        raise UserError(f"{path}: expected a SavedModel of this package, got {first_line(error)}.") from None

    def run(images):
        found = loaded.signatures["inputs"](images=tf.constant(images))
        return {name: value.numpy() for name, value in found.items() if name != "class_names"}

    return ExportedDetector(path, facts, run)


def read_saved_model_facts(path: AnyPath) -> dict:
    """Returns what a folder says about itself; nothing of it runs. One of an earlier version has only its classes."""
    assets = path / "assets"
    if (assets / NOTES).is_file():
        return FACTS_FILE.parse(read_text(assets / NOTES, _MOST_BYTES), assets / NOTES)
    if (assets / LABELS).is_file():
        return {"classes": read_text(assets / LABELS, _MOST_BYTES).splitlines()}
    raise UserError(f"{path}: expected a SavedModel of this package, got a folder without assets/{NOTES}.")


def _file_of(example: Example) -> bytes:
    return to_path(example.path).read_bytes() if example.path else b""


def _png_of(example: Example) -> bytes:
    return cv2.imencode(".png", cv2.cvtColor(example.image, cv2.COLOR_RGB2BGR))[1].tobytes()


def build_signatures(model: keras.Model, top_k: int) -> dict[str, tuple[Callable, list]]:
    """Returns {name: (function of tensors -> dict of tensors, its `tf.TensorSpec`s)}; see `export_saved_model`."""
    import tensorflow as tf

    network, detect = _build_shared(model, top_k)
    detect_encoded, detect_images = _build_detectors(model, detect)
    encoded = tf.TensorSpec((None,), tf.string, name="image_bytes")  # servers read {"b64": ...} by the ending
    images = tf.TensorSpec((None, None, None, 3), tf.uint8, name="images")
    inputs = tf.TensorSpec((None, *model.input_size, 3), tf.uint8, name="images")
    signatures = {
        "serving_default": (detect_encoded, [encoded]),
        "images": (detect_images, [images]),
        "images_float": (detect_images, [tf.TensorSpec(images.shape, tf.float32, name="images")]),
        "inputs": (lambda images: detect(tf.cast(images, tf.float32)), [inputs]),
        "raw_heads": (lambda images: network(tf.cast(images, tf.float32)), [inputs]),
    }
    if model.task.needs_camera:
        calibration = tf.TensorSpec((None, 3, 4), tf.float32, name="calibration")
        signatures |= {
            f"serving{CALIBRATED}": (detect_encoded, [encoded, calibration]),
            f"images{CALIBRATED}": (detect_images, [images, calibration]),
        }
    return signatures


def _build_shared(model: keras.Model, top_k: int) -> tuple[Callable, Callable]:
    """Returns functions of inputs (B, h, w, 3) float32 -> raw maps, and -> detections in input pixels.

    They are traced once and shared by all signatures, so that the file holds one network.
    """
    import tensorflow as tf

    names = tf.constant(model.classes)
    traced = tf.function(input_signature=[tf.TensorSpec((None, *model.input_size, 3), tf.float32)], autograph=False)

    @traced
    def network(inputs):
        return _never_empty(lambda inputs: model(inputs, training=False), inputs)

    @traced
    def detect(inputs):
        found = to_input_frame(_never_empty(lambda inputs: decode(model.task, network(inputs), top_k), inputs))
        found["classes"] = tf.cast(found["classes"], tf.int32)
        return found | {"class_names": tf.gather(names, found["classes"])}

    return network, detect


def _build_detectors(model: keras.Model, detect: Callable) -> tuple[Callable, Callable]:
    """Returns functions of encoded images, and of images, -> detections in the images' own pixels.

    Both take the images' calibration (B, 3, 4) as an optional second argument; `detect` is that of `_build_shared`.
    """
    import tensorflow as tf

    from keras_centernet.data.in_graph import FINE
    from keras_centernet.exporting.encoded_images import read_encoded_image
    from keras_centernet.exporting.letterbox import letterbox, to_image_frame

    input_hw = model.input_size

    def detect_encoded(image_bytes, *calibration):
        @tf.autograph.experimental.do_not_convert
        def prepare(data):
            image, status = read_encoded_image(data)
            return tf.cast(letterbox(image[None], input_hw)[0], tf.uint8), tf.shape(image)[:2], status

        kinds = tf.TensorSpec((*input_hw, 3), tf.uint8), tf.TensorSpec((2,), tf.int32), tf.TensorSpec((), tf.int32)
        inputs, image_hw, status = tf.map_fn(prepare, image_bytes, fn_output_signature=kinds)
        return _emptied(finish(inputs, image_hw, *calibration), status != FINE) | {"status": status}

    def detect_images(images, *calibration):
        shape = tf.shape(images)
        image_hw = tf.broadcast_to(shape[1:3], (shape[0], 2))
        return finish(letterbox(images, input_hw), image_hw, *calibration)

    def finish(inputs, image_hw, calibration=None):
        found = to_image_frame(detect(tf.cast(inputs, tf.float32)), image_hw, input_hw)
        return found if calibration is None else found | model.task.postprocess(found, calibration)

    return detect_encoded, detect_images


def _never_empty(function: Callable, images) -> dict:
    """Returns a function's result for images (B, h, w, 3); if B is 0, that for one black image, without its row.

    oneDNN's convolutions can fail on an empty batch, though they do not always.
    """
    import tensorflow as tf

    count = tf.shape(images)[0]
    filled = tf.cond(count > 0, lambda: images, lambda: tf.zeros((1, *images.shape[1:]), images.dtype))
    return {key: value[:count] for key, value in function(filled).items()}


def _emptied(found: dict, is_empty) -> dict:
    """Returns (B, N, ...) tensors with zeros and empty texts in the rows of the images that `is_empty` (B,) marks."""
    import tensorflow as tf

    def emptied(values):
        shape = tf.concat([tf.shape(is_empty), tf.ones(len(values.shape) - 1, tf.int32)], axis=0)
        return tf.where(tf.reshape(is_empty, shape), tf.zeros((), values.dtype), values)

    return {key: emptied(values) for key, values in found.items()}
