"""Appends the decoding, in floats, to a TFLite file of raw heads, whatever the network computes in."""

import os

import keras
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from keras_centernet.errors import UserError
from keras_centernet.exporting.facts import describe
from keras_centernet.exporting.tflite import flatbuffer
from keras_centernet.exporting.tflite.conversion import check_builtin, convert
from keras_centernet.exporting.tflite.metadata import IMAGES, add_metadata
from keras_centernet.exporting.tflite.serving import OUTPUTS, ROUNDED, part_heatmaps, serve_maps

BOXES_OUTPUT, BOXES = "location", "location: ymin, xmin, ymax, xmax as fractions of the letterboxed input"
RAW_HEADS = "raw heads: sizes and offsets in cells of 4 pixels of the letterboxed input"
COMPILED = "edgetpu-custom-op"  # what edgetpu_compiler makes of the whole network
# What an 8-bit input must represent: the image's own values, which the converter shifts by 128 for int8.
BYTE_SCALE, BYTE_ZERO_POINTS = 1.0, {schema.TensorType.UINT8: 0, schema.TensorType.INT8: -128}
_QUANTIZED = (schema.TensorType.INT8, schema.TensorType.UINT8)


def append_decode(raw: bytes | str | os.PathLike, model: keras.Model, top_k: int = 100) -> bytes:
    """Returns a TFLite file of raw heads with the decoding appended; its outputs are those of `serving.serve_maps`.

    A graph quantised as a whole would have its decoding quantised too, and give garbage. Here every 8-bit head is
    dequantised by its own scale, after the last operator of the network. The network's operators are left alone, so
    edgetpu_compiler may have rewritten the file before. Ties in rounded heatmaps are broken (see `peaks.part_ties`).
    An int8 input becomes uint8.

    Args:
        raw: a file (or its path) of `export_tflite(..., raw_heads=True)` or `raw_heads="int8"`, compiled or not.
        model: `CenterNet` that it was made from; a UserError is raised if the outputs are not its heads.
        top_k: number of detections in the output.
    """
    content = raw if isinstance(raw, bytes) else flatbuffer.read_content(raw)
    if isinstance(raw, bytes):
        flatbuffer.check_content(content, "append_decode")
    graph = flatbuffer.read_flatbuffer(content)
    heads = find_heads(graph, model)
    take_bytes(graph)
    maps = {name: dequantize(graph, name, index) for name, index in heads.items()}
    rounded = [name for name, index in heads.items() if index != maps[name]]
    tail = flatbuffer.read_flatbuffer(_convert_decoding(model, graph, maps, rounded, top_k))
    outputs = flatbuffer.append_graph(graph, tail, maps)
    more = [name for name in outputs if name not in OUTPUTS]
    return finish(graph, {name: outputs[name] for name in (*OUTPUTS, *more)}, model)


def finish(graph: schema.ModelT, outputs: dict[str, int], model: keras.Model) -> bytes:
    """Returns the file with these outputs in this order, and metadata; raises a UserError for custom operators."""
    check_input(graph)
    flatbuffer.set_interface(graph, {IMAGES: int(graph.subgraphs[0].inputs[0])}, outputs)
    content = flatbuffer.write_flatbuffer(graph)
    check_builtin(content, model.backbone_name, allowed=(COMPILED,))
    notes = describe(model) | {"boxes": BOXES if BOXES_OUTPUT in outputs else RAW_HEADS}
    return add_metadata(content, f"CenterNet {model.backbone_name}", model.classes, notes)


def take_bytes(graph: schema.ModelT) -> None:
    """Makes an int8 input uint8, like images, by prepending an operator that shifts the values."""
    check_input(graph)
    subgraph = graph.subgraphs[0]
    (index,) = subgraph.inputs
    image = subgraph.tensors[index]
    if image.type != schema.TensorType.INT8:
        return
    zero_point = np.array([BYTE_ZERO_POINTS[schema.TensorType.UINT8]], np.int64)
    quantization = schema.QuantizationParametersT(scale=np.float32([BYTE_SCALE]), zeroPoint=zero_point)
    image.name = "shifted_images"
    new = flatbuffer.add_tensor(graph, IMAGES, image.shape, schema.TensorType.UINT8, quantization)
    code = flatbuffer.add_operator_code(graph, schema.BuiltinOperator.QUANTIZE)
    subgraph.operators.insert(0, schema.OperatorT(code, [new], [int(index)]))
    subgraph.inputs = [new]


def check_input(graph: schema.ModelT) -> None:
    """Raises a UserError unless an 8-bit input holds the image's values 0..255 exactly."""
    subgraph = graph.subgraphs[0]
    image = subgraph.tensors[subgraph.inputs[0]]
    if image.type not in _QUANTIZED:
        return
    found = float(image.quantization.scale[0]), int(image.quantization.zeroPoint[0])
    expected = BYTE_SCALE, BYTE_ZERO_POINTS[image.type]
    if found != expected:
        reason = "calibrate with images that reach 0 and 255."
        raise UserError(f"TFLite: expected an input quantised by (scale, zero point) {expected}, got {found}: {reason}")


def dequantize(graph: schema.ModelT, name: str, index: int) -> int:
    """Returns the index of a float tensor called `name` with the values of tensor `index`, itself if it is float."""
    tensor = graph.subgraphs[0].tensors[index]
    if tensor.type not in _QUANTIZED:
        tensor.name = name
        return index
    tensor.name = f"{name}{ROUNDED}"
    new = flatbuffer.add_tensor(graph, name, tensor.shape, schema.TensorType.FLOAT32)
    code = flatbuffer.add_operator_code(graph, schema.BuiltinOperator.DEQUANTIZE, version=2)
    graph.subgraphs[0].operators.append(schema.OperatorT(code, [index], [new]))
    return new


def find_heads(graph: schema.ModelT, model: keras.Model) -> dict[str, int]:
    """Returns {head: index of its tensor} in the task's order; raises a UserError for other names or depths."""
    outputs = flatbuffer.outputs_by_name(graph)
    depths = {name: int(graph.subgraphs[0].tensors[index].shape[-1]) for name, index in outputs.items()}
    expected = {head.name: head.channels for head in model.task.heads}
    if depths != expected:
        raise UserError(f"append_decode: expected outputs of these names and channels, {expected}; got {depths}.")
    return {name: outputs[name] for name in expected}


def _convert_decoding(model, graph, maps: dict, rounded: list[str], top_k: int) -> bytes:
    shapes = {name: tuple(graph.subgraphs[0].tensors[index].shape.tolist()) for name, index in maps.items()}

    def decoding(*values):
        given = dict(zip(shapes, values, strict=True))
        return serve_maps(model.task, part_heatmaps(model.task, given, rounded), top_k)

    return convert(decoding, shapes, backbone=model.backbone_name)
