"""An ONNX file with the decoding in the graph, for ONNX Runtime and whatever else reads it."""

import importlib.util
import json
import os
import pathlib
import tempfile

import keras
import numpy as np

from keras_centernet.data.formats.shapes import build_shapes
from keras_centernet.errors import UserError
from keras_centernet.exporting.agreement import compare_with_detect, milliseconds
from keras_centernet.files.atomic import local_copy, write_whole
from keras_centernet.files.paths import AnyPath, size_bytes, to_path
from keras_centernet.geometry import letterbox, to_image_frame, warp
from keras_centernet.networks.layers.deformable import without_xla

CHECKED_IMAGES = 2


def export_onnx(model: keras.Model, path: str | os.PathLike, top_k: int = 100) -> AnyPath:
    """Writes an ONNX detector for one image at a time; returns its path.

    Input: "images" (1, H, W, 3) uint8 RGB, letterboxed to the model's input size (`geometry.letterbox` and `warp`);
    normalisation is in the graph. Outputs: "boxes_xyxy" (1, N, 4) float32 in input pixels, "scores" (1, N) float32,
    descending, "classes" (1, N) int32 and what else the task decodes, as `model.detect_batch` gives them. The
    names of the classes are the file's metadata "classes", as JSON.

    Before the file gets its name it is run in ONNX Runtime on pictures of the "shapes" data set and compared
    with `model.detect`.

    Args:
        model: `CenterNet`.
        path: file to write; replaced only once the new one is complete.
        top_k: N.

    Raises:
        UserError: a package is missing, the file cannot be written, or ONNX Runtime finds something else in it.
    """
    require("tf2onnx", "onnx", "onnxruntime")
    content = _convert(model, top_k)
    examples = build_shapes(split="test", size=CHECKED_IMAGES).examples()
    with tempfile.TemporaryDirectory() as folder:
        checked = pathlib.Path(folder, to_path(path).name)
        checked.write_bytes(content)
        verify_onnx(model, checked, [example["image"].numpy() for example in examples], threshold=0.0)
    return write_whole(path, lambda beside: beside.write_bytes(content))


def verify_onnx(model: keras.Model, path: str | os.PathLike, images: list, threshold: float = 0.1) -> dict:
    """Returns how far an ONNX file's detections are from the model's, on pictures of any size.

    Args:
        model: `CenterNet` that the file was made from.
        path: file of `export_onnx`.
        images: as `model.detect` takes them; letterboxed here, as a client does.
        threshold: lowest score that is compared.

    Returns:
        {"size_bytes": of the file, "agreement": see `comparing.compare_with_detect`, "latency_ms": median of one
        run, without letterboxing}.

    Raises:
        UserError: ONNX Runtime is missing, or the two disagree.
    """
    require("onnxruntime")
    import onnxruntime

    with local_copy(path) as local:
        session = onnxruntime.InferenceSession(os.fspath(local), providers=["CPUExecutionProvider"])
    outputs = session.get_outputs()
    names = [output.name for output in outputs]
    top_k = outputs[names.index("scores")].shape[1]
    inputs = []

    def run(found, calibration):
        height, width = found.image.shape[:2]
        image_to_input = letterbox((height, width), model.input_size)
        inputs.append(warp(found.image, image_to_input, model.input_size)[None])
        values = session.run(names, {"images": inputs[-1]})
        rows = {name: value[0] for name, value in zip(names, values, strict=True)}
        rows = to_image_frame(rows, image_to_input)
        rows["boxes_xyxy"] = np.clip(rows["boxes_xyxy"], 0, [width, height, width, height])
        has_area = np.all(rows["boxes_xyxy"][:, 2:] > rows["boxes_xyxy"][:, :2], axis=1)
        rows = {key: value[has_area] for key, value in rows.items()}
        return rows | model.task.postprocess(rows, calibration)

    agreement = compare_with_detect(model, images, [run], threshold, top_k, path)
    return {
        "size_bytes": size_bytes(path),
        "agreement": agreement,
        "latency_ms": milliseconds(lambda: session.run(names, {"images": inputs[0]})),
    }


def require(*packages: str) -> None:
    """Raises a UserError that says how to install the packages unless all are there."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(
            f"ONNX: expected the packages {', '.join(packages)}, {', '.join(missing)} cannot be imported. "
            "Install them: pip install 'keras_centernet[onnx]'."
        )


def _convert(model, top_k: int) -> bytes:
    import onnx
    import tensorflow as tf
    import tf2onnx

    signature = [tf.TensorSpec((1, *model.input_size, 3), tf.uint8, name="images")]

    @tf.function(input_signature=signature, autograph=False)
    def detect(images):
        found = model.decoded(images, top_k)
        return found | {"classes": tf.cast(found["classes"], tf.int32)}

    with without_xla():
        graph, _ = tf2onnx.convert.from_function(detect, signature)
    onnx.helper.set_model_props(graph, {"classes": json.dumps(list(model.classes))})
    return graph.SerializeToString()
