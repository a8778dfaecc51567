"""An ONNX file with the decoding in the graph, for ONNX Runtime and whatever else reads it."""

import functools
import json
import os
import pathlib

import keras

from keras_centernet.errors import UserError, first_line, shown
from keras_centernet.exporting.agreement import Opened
from keras_centernet.exporting.detector import ExportedDetector
from keras_centernet.exporting.facts import FACTS, check_runnable, describe, from_text
from keras_centernet.files.paths import AnyPath
from keras_centernet.files.texts import read_content
from keras_centernet.geometry import to_input_frame
from keras_centernet.method.decode import decode
from keras_centernet.networks.layers.deformable import without_xla
from keras_centernet.packages import check_installed

WHAT = "ONNX"  # what needs packages, in messages
IMAGES = "images"  # name of the input
BOXES = "boxes_xyxy: left, top, right, bottom in pixels of the letterboxed input"


def write_onnx(model: keras.Model, path: pathlib.Path, top_k: int = 100) -> None:
    """Writes an ONNX file without comparing it with the model; see `exporting.export_onnx`."""
    check_onnx_packages()
    path.write_bytes(_convert(model, top_k))


def check_onnx_packages() -> None:
    """Raises a UserError unless all that `write_onnx` needs is installed."""
    check_installed(WHAT, "tf2onnx", "onnx", "onnxruntime")


def open_onnx(path: os.PathLike, model: keras.Model) -> Opened:
    """Returns a file in ONNX Runtime, to be compared with its model."""
    check_installed(WHAT, "onnx", "onnxruntime")
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
    """Returns a detector that runs a file in ONNX Runtime, on a GPU if its GPU package is installed."""
    check_installed(WHAT, "onnxruntime")
    import onnxruntime

    try:
        providers = onnxruntime.get_available_providers()
        session = onnxruntime.InferenceSession(read_content(path), providers=providers)
    except UserError:
        raise
    except Exception as error:  # many kinds of its own
        problem = f"ONNX Runtime says: {first_line(error)}"
        raise UserError(f"{path}: expected an ONNX file that can be run; {problem}.") from None
    texts = session.get_modelmeta().custom_metadata_map
    facts = check_runnable({name: from_text(name, text, path) for name, text in texts.items() if name in FACTS}, path)
    inputs = [(one.name, one.type, list(one.shape[1:])) for one in session.get_inputs()]
    expected = [(IMAGES, "tensor(uint8)", [*facts["input_hw"], 3])]
    if inputs != expected:
        raise UserError(f"{path}: expected the input {expected[0]}, got {shown(inputs)}; export the model anew.")
    names = [output.name for output in session.get_outputs()]

    def run(images):
        return dict(zip(names, session.run(names, {IMAGES: images}), strict=True))

    return ExportedDetector(path, facts, run)


def read_onnx_facts(path: os.PathLike) -> dict:
    """Returns what a file says about itself, unchecked; nothing of it runs."""
    check_installed(WHAT, "onnx")
    import onnx

    try:
        properties = onnx.load(os.fspath(path), load_external_data=False).metadata_props
    except Exception as error:  # of protobuf, and the operating system's
        raise UserError(f"{path}: expected an ONNX file, could not be read: {first_line(error)}.") from None
    return {entry.key: from_text(entry.key, entry.value, path) for entry in properties if entry.key in FACTS}


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
    facts = describe(model) | {"boxes": BOXES}
    onnx.helper.set_model_props(converted, {name: _to_text(value) for name, value in facts.items()})
    # The raw heads keep their names inside, where `open_onnx` finds them, but clients do not get them.
    heads = {head.name for head in model.task.heads}
    outputs = [output for output in converted.graph.output if output.name not in heads]
    del converted.graph.output[:]
    converted.graph.output.extend(outputs)
    for value in (*converted.graph.input, *converted.graph.output):  # any number of images
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    return converted.SerializeToString()


def _to_text(value) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)
