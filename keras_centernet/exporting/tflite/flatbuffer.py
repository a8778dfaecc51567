"""TFLite files as objects that can be changed and written again.

The schema's classes come from `ai_edge_litert`, which also runs the files: TensorFlow ships the same ones, but
importing it takes seconds and only the conversion needs it.
"""

import collections
import os
from collections.abc import Sequence

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from keras_centernet.errors import UserError
from keras_centernet.exporting.tflite.verifier import verify_tflite
from keras_centernet.files.paths import to_path

SIGNATURE = "serve"
FILE_IDENTIFIER = b"TFL3"
BUFFER_ALIGNMENT = 16  # bytes; the schema's `force_align`, which the generated classes ignore
OLD_CODES = 127  # operators above it do not fit the old field and have this number there
_OPERATOR_NAMES = {code: name for name, code in vars(schema.BuiltinOperator).items() if name.isupper()}


def read_content(path: str | os.PathLike) -> bytes:
    """Returns the bytes of a TFLite file; raises a UserError if it is missing or not whole."""
    try:
        content = to_path(path).read_bytes()
    except OSError as error:
        raise UserError(f"{path}: expected a TFLite file, got '{error.strerror}'.") from error
    check_content(content, os.fspath(path))
    return content


def check_content(content: bytes, name: str) -> None:
    """Raises a UserError, which begins with `name`, unless these are the bytes of a whole TFLite file."""
    if content[4:8] != FILE_IDENTIFIER:
        raise UserError(f"{name}: expected a TFLite file, got {len(content)} bytes of something else.")
    verify_tflite(content, name)


def read_flatbuffer(content: bytes) -> schema.ModelT:
    """Returns the file's content as objects; their arrays are views of `content`, not copies."""
    return schema.ModelT.InitFromPackedBuf(content)


def write_flatbuffer(model: schema.ModelT) -> bytes:
    """Returns the bytes of a model of `read_flatbuffer`, with every buffer aligned to 16 bytes."""
    model.buffers = [_AlignedBuffer(buffer.data, buffer.offset, buffer.size) for buffer in model.buffers]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), FILE_IDENTIFIER)
    return bytes(builder.Output())


def count_operators(model: schema.ModelT) -> dict[str, int]:
    """Returns {name: how often} of all operators in the order of their first use; custom ones by their own names."""
    return dict(collections.Counter(operator_names(model)))


def operator_names(model: schema.ModelT) -> list[str]:
    """Returns the name of every operator in the order in which they run; custom ones by their own names."""
    codes = [(_builtin_code(code), code) for code in model.operatorCodes]
    names = [to_text(code.customCode) if number == _CUSTOM else _OPERATOR_NAMES[number] for number, code in codes]
    return [names[operator.opcodeIndex] for operator in model.subgraphs[0].operators]


def custom_operators(model: schema.ModelT) -> list[str]:
    """Returns the names of operators that are not built into every runtime: "Flex..." are TensorFlow's."""
    return [to_text(code.customCode) for code in model.operatorCodes if _builtin_code(code) == _CUSTOM]


def outputs_by_name(model: schema.ModelT) -> dict[str, int]:
    """Returns {name of an output in the signature: index of its tensor}; without a signature, the tensors' names."""
    return _by_name(model, "outputs")


def inputs_by_name(model: schema.ModelT) -> dict[str, int]:
    """Returns the same for the inputs."""
    return _by_name(model, "inputs")


def set_interface(model: schema.ModelT, inputs: dict[str, int], outputs: dict[str, int]) -> None:
    """Makes these tensors, by these names and in this order, the graph's inputs and outputs and its signature.

    The converter's own order is not the one in which a function returned its outputs, and its tensors are
    called "StatefulPartitionedCall:1".
    """
    graph = model.subgraphs[0]
    graph.inputs, graph.outputs = list(inputs.values()), list(outputs.values())
    for name, index in (inputs | outputs).items():
        graph.tensors[index].name = name
    signature = schema.SignatureDefT(signatureKey=SIGNATURE, subgraphIndex=0)
    signature.inputs = [schema.TensorMapT(name, index) for name, index in inputs.items()]
    signature.outputs = [schema.TensorMapT(name, index) for name, index in outputs.items()]
    model.signatureDefs = [signature]


def add_tensor(
    model: schema.ModelT,
    name: str,
    shape: Sequence[int] | np.ndarray,
    tensor_type: int,
    quantization: schema.QuantizationParametersT | None = None,
) -> int:
    """Returns the index of a new tensor that an operator will fill."""
    shape, tensors = np.array(shape, np.int32), model.subgraphs[0].tensors
    tensor = schema.TensorT(shape=shape, type=tensor_type, name=name, quantization=quantization, hasRank=True)
    tensors.append(tensor)  # buffer 0 is the empty one
    return len(tensors) - 1


def add_operator_code(model: schema.ModelT, builtin_code: int, version: int = 1) -> int:
    """Adds a builtin operator to the model's table of operators; returns its index there."""
    model.operatorCodes.append(schema.OperatorCodeT(min(builtin_code, OLD_CODES), None, version, builtin_code))
    return len(model.operatorCodes) - 1


def append_graph(model: schema.ModelT, tail: schema.ModelT, feeds: dict[str, int]) -> dict[str, int]:
    """Puts the operators of `tail` after those of `model`; returns {output of the tail: index of its tensor}.

    `feeds` is {input of the tail: index of the tensor in `model` that it takes}; the caller sets the model's outputs.
    """
    head_graph, tail_graph = model.subgraphs[0], tail.subgraphs[0]
    codes, buffers = len(model.operatorCodes), len(model.buffers)
    indices = {index: feeds[name] for name, index in inputs_by_name(tail).items()} | {-1: -1}  # -1: an input left out
    for index, tensor in enumerate(tail_graph.tensors):
        if index not in indices:
            indices[index] = len(head_graph.tensors)
            tensor.buffer = tensor.buffer and tensor.buffer + buffers
            head_graph.tensors.append(tensor)
    for operator in tail_graph.operators:
        operator.opcodeIndex += codes
        operator.inputs = [indices[index] for index in operator.inputs]
        operator.outputs = [indices[index] for index in operator.outputs]
        head_graph.operators.append(operator)
    model.operatorCodes += tail.operatorCodes
    model.buffers += tail.buffers
    return {name: indices[index] for name, index in outputs_by_name(tail).items()}


class _AlignedBuffer(schema.BufferT):
    def Pack(self, builder):
        if self.data is None:
            return super().Pack(builder)
        data = np.asarray(self.data, np.uint8).tobytes()
        builder.StartVector(1, len(data), BUFFER_ALIGNMENT)
        head = builder.head = builder.Head() - len(data)
        builder.Bytes[head : head + len(data)] = data
        vector = builder.EndVector()
        schema.BufferStart(builder)
        schema.BufferAddData(builder, vector)
        return schema.BufferEnd(builder)


_CUSTOM = schema.BuiltinOperator.CUSTOM
# {number of a tensor's type: NumPy's name of it}
_DTYPES = {code: name.lower() for name, code in vars(schema.TensorType).items() if name.lower() in np.sctypeDict}


def read_constant(model: schema.ModelT, tensor: schema.TensorT) -> np.ndarray | None:
    """Returns the values of a constant tensor, None for a computed one; 4-bit and text tensors as bytes."""
    data = model.buffers[tensor.buffer].data
    if data is None:
        return None
    return np.frombuffer(np.asarray(data, np.uint8).tobytes(), _DTYPES.get(tensor.type, np.uint8))


def _builtin_code(code) -> int:
    return max(code.builtinCode, code.deprecatedBuiltinCode)  # old files have the old field only


def _by_name(model, side: str) -> dict[str, int]:
    if model.signatureDefs:
        return {to_text(entry.name): int(entry.tensorIndex) for entry in getattr(model.signatureDefs[0], side)}
    graph = model.subgraphs[0]
    return {to_text(graph.tensors[index].name): int(index) for index in getattr(graph, side)}


def to_text(name: bytes | str) -> str:
    """Returns a name as text: names read from a file are bytes."""
    return name.decode() if isinstance(name, bytes) else name
