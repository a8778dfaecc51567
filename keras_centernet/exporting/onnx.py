"""An ONNX file with the decoding in the graph, for ONNX Runtime and whatever else reads it."""

import functools
import importlib.util
import json
import os
import pathlib

import keras

from keras_centernet.errors import UserError, first_line, shown
from keras_centernet.exporting.agreement import Opened
from keras_centernet.exporting.detector import ExportedDetector
from keras_centernet.exporting.facts import check_facts, describe
from keras_centernet.files.paths import AnyPath
from keras_centernet.files.texts import read_content
from keras_centernet.geometry import to_input_frame
from keras_centernet.method.decode import decode
from keras_centernet.networks.layers.deformable import without_xla

IMAGES = "images"  # name of the input


def write_onnx(model: keras.Model, path: pathlib.Path, top_k: int = 100) -> None:
    """Writes an ONNX file without comparing it with the model; see `exporting.export_onnx`."""
    require("tf2onnx", "onnx", "onnxruntime")
    path.write_bytes(_convert(model, top_k))


def open_onnx(path: os.PathLike, model) -> Opened:
    """Returns a file in ONNX Runtime, to be compared with its model."""
    require("onnx", "onnxruntime")
    import onnx
    import onnxruntime

    heads = [head.name for head in model.task.heads]
    session = onnxruntime.InferenceSession(os.fspath(path), providers=["CPUExecutionProvider"])

    @functools.cache
    def open_heads():
        inside = onnx.load(os.fspath(path))
        inside.graph.output.extend(onnx.ValueInfoProto(name=name) for name in heads)
        return onnxruntime.InferenceSession(inside.SerializeToString(), providers=["CPUExecutionProvider"])

    def run(session, names, image):
        values = session.run(names, {IMAGES: image[None]})
        return {name: value[0] for name, value in zip(names, values, strict=True)}

    rows = [output.name for output in session.get_outputs()]
    return Opened((lambda example: run(session, rows, example.image),), lambda image: run(open_heads(), heads, image))


def load_onnx(path: AnyPath) -> ExportedDetector:
    """Returns a file in ONNX Runtime, on a GPU where its package for that is installed."""
    require("onnxruntime")
    import onnxruntime

    try:
        providers = onnxruntime.get_available_providers()
        session = onnxruntime.InferenceSession(read_content(path), providers=providers)
    except UserError:
        raise
    except Exception as error:  # many kinds of its own
        problem = f"ONNX Runtime says: {first_line(error)}"
        raise UserError(f"{path}: expected an ONNX file that can be run; {problem}.") from None
    facts = {name: _from_text(name, text) for name, text in session.get_modelmeta().custom_metadata_map.items()}
    facts = check_facts(facts, path)
    inputs = [(one.name, one.type, list(one.shape[1:])) for one in session.get_inputs()]
    expected = [(IMAGES, "tensor(uint8)", [*facts["input_hw"], 3])]
    if inputs != expected:
        raise UserError(f"{path}: expected the input {expected[0]}, got {shown(inputs)}; export the model anew.")
    names = [output.name for output in session.get_outputs()]

    def run(images):
        return dict(zip(names, session.run(names, {IMAGES: images}), strict=True))

    return ExportedDetector(path, facts, run)


def require(*packages: str) -> None:
    """Raises a UserError that says how to install the packages, unless all of them are installed."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        expected = f"expected the packages {', '.join(packages)}, {', '.join(missing)} cannot be imported"
        raise UserError(f"ONNX: {expected}. Install them: pip install 'keras_centernet[onnx]'.")


def _convert(model, top_k: int) -> bytes:
    import onnx
    import tensorflow as tf
    import tf2onnx

    signature = [tf.TensorSpec((None, *model.input_size, 3), tf.uint8, name=IMAGES)]

    @tf.function(input_signature=signature, autograph=False)
    def detect(images):
        maps = model(images, training=False)
        found = to_input_frame(decode(model.task, maps, top_k))
        return maps | found | {"classes": tf.cast(found["classes"], tf.int32)}

    with without_xla():
        converted, _ = tf2onnx.convert.from_function(detect, signature)
    onnx.helper.set_model_props(converted, {name: _to_text(value) for name, value in _facts(model).items()})
    # The raw heads keep their names inside, where `open_onnx` finds them, but clients do not get them.
    heads = {head.name for head in model.task.heads}
    outputs = [output for output in converted.graph.output if output.name not in heads]
    del converted.graph.output[:]
    converted.graph.output.extend(outputs)
    for value in (*converted.graph.input, *converted.graph.output):  # any number of images
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    return converted.SerializeToString()


def _facts(model) -> dict:
    """Returns the metadata of the file."""
    return describe(model) | {"boxes": "boxes_xyxy: left, top, right, bottom in pixels of the letterboxed input"}


def _from_text(name: str, text: str):
    """Returns the value that `_to_text` made a text of; a text that was one, or is none of ours, as it is."""
    if name not in ("task_options", "classes", "input_hw"):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _to_text(value) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)
