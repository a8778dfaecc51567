"""Checks that a TFLite file is whole before the runtime, which trusts it, reads it."""

import math

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from keras_centernet.errors import UserError, first_line
from keras_centernet.exporting.tflite.structure import read_structure

_MOST_BYTES = 1 << 31  # of a tensor
_TEXTS = schema.TensorType.STRING
# {number of a tensor's type: bits of a value}
_BITS = {
    code: np.dtype(name.lower()).itemsize * 8
    for name, code in vars(schema.TensorType).items()
    if name.lower() in np.sctypeDict
} | {schema.TensorType.INT4: 4}
_Operator = schema.BuiltinOperator
_OPERATORS = {code for name, code in vars(_Operator).items() if name.isupper()}
# {operator: how many of its first inputs cannot be left out}; other operators need all inputs
_NEEDED = {
    _Operator.CONV_2D: 2,
    _Operator.CONV_3D: 2,
    _Operator.DEPTHWISE_CONV_2D: 2,
    _Operator.FULLY_CONNECTED: 2,
    _Operator.TRANSPOSE_CONV: 3,
    _Operator.CUSTOM: 0,
    _Operator.LSTM: 1,
    _Operator.UNIDIRECTIONAL_SEQUENCE_LSTM: 1,
    _Operator.BIDIRECTIONAL_SEQUENCE_LSTM: 1,
    _Operator.SVDF: 3,
}
_CALLS = {
    _Operator.WHILE: (0, 1),
    _Operator.IF: (0, 1),
    _Operator.CALL: (0,),
    _Operator.CALL_ONCE: (0,),
}  # {operator: fields of its options that name a graph}


def verify_tflite(content: bytes, name: str) -> None:
    """Raises a UserError unless a file's tables, tensors, operators and graphs refer only to what exists.

    The meaning of an operator's options is not checked here; the runtime checks it when it prepares a graph.

    Args:
        content: of the file.
        name: of the file, for messages.
    """
    try:
        model = read_structure(content)
        _check_model(model)
    except (ValueError, IndexError, KeyError) as error:
        raise UserError(f"{name}: expected a whole TFLite file, got {first_line(error)}; export it anew.") from None


def _check_model(model: dict) -> None:
    graphs, buffers, codes = (model.get(slot, []) for slot in (2, 4, 1))
    _expect(graphs, "no graph")
    for buffer in buffers:
        _expect(not buffer.get(1) and not buffer.get(2), "a buffer outside its tables")
    for code in codes:
        number = max(code.get(0, 0), code.get(3, 0))
        _expect(number in _OPERATORS, f"an operator of number {number}")
    for entry in model.get(6, []):
        _expect_index(entry.get(1, 0), buffers, "buffer of metadata")
    for graph in graphs:
        _check_graph(graph, buffers, codes)
    _check_calls(graphs, codes)
    for signature in model.get(7, []):
        _expect_index(signature.get(4, 0), graphs, "graph of a signature")
        graph = graphs[signature.get(4, 0)]
        for slot in (0, 1):
            ends = graph.get(slot + 1, np.zeros(0, np.int32)).tolist()
            for entry in signature.get(slot, []):
                _expect(entry.get(1, 0) in ends and entry.get(0), "a signature of other tensors than its graph's")


def _code_of(operator: dict, codes: list) -> int:
    code = codes[operator.get(0, 0)]
    return max(code.get(0, 0), code.get(3, 0))  # old files have the old field only


def _check_graph(graph: dict, buffers: list, codes: list) -> None:
    """Raises unless every tensor is an input, a constant, a variable or computed before it is used."""
    tensors, none = graph.get(0, []), np.zeros(0, np.int32)
    for tensor in tensors:
        _check_tensor(tensor, buffers)
    given = graph.get(1, none).tolist()
    known = {i for i, tensor in enumerate(tensors) if 0 in buffers[tensor.get(2, 0)] or tensor.get(5)}
    _expect(len(set(given)) == len(given) and not known.intersection(given), "inputs that are constants or given twice")
    known |= set(given)
    for index in given:
        _expect_index(index, tensors, "tensor of an input")
    for operator in graph.get(3, []):
        _expect_index(operator.get(0, 0), codes, "operator")
        inputs, outputs, inner = (operator.get(slot, none).tolist() for slot in (1, 2, 8))
        needed = _NEEDED.get(_code_of(operator, codes), len(inputs))
        _expect(-1 not in inputs[:needed], "an operator without its inputs")
        _expect(not operator.get(9) and not operator.get(10), "options outside its tables")
        _expect(known.issuperset(set(inputs) - {-1}), "an operator before its inputs are computed")
        for index in (*outputs, *(set(inner) - {-1})):
            _expect_index(index, tensors, "tensor of an operator")
        _expect(known.isdisjoint(outputs) and len(set(outputs)) == len(outputs), "a tensor that is computed twice")
        known |= set(outputs)
    _expect(known.issuperset(graph.get(2, none).tolist()), "an output that nothing computes")


def _check_tensor(tensor: dict, buffers: list) -> None:
    _expect_index(tensor.get(2, 0), buffers, "buffer of a tensor")
    shape, kind, data = tensor.get(0, np.zeros(0, np.int32)).tolist(), tensor.get(1, 0), buffers[tensor.get(2, 0)]
    _expect(not tensor.get(10), "a tensor in another file")
    _expect(kind in _BITS or kind == _TEXTS, f"a tensor of type {kind}")
    _expect(all(side >= 0 for side in shape), f"a tensor of shape {shape}")
    size = -(-math.prod(shape) * _BITS.get(kind, 8) // 8)
    _expect(size <= _MOST_BYTES, f"a tensor of {size} bytes")
    held = len(data.get(0, ()))
    _expect(not held or kind == _TEXTS or held == size, f"a tensor of {size} bytes whose buffer has {held}")
    _check_quantization(tensor.get(4, {}), shape)


def _check_quantization(quantization: dict, shape: list[int]) -> None:
    scales, zeros = quantization.get(2, np.zeros(0, np.float32)), quantization.get(3, np.zeros(0, np.int64))
    _expect(np.all(np.isfinite(scales)) and np.all(scales >= 0), "scales that are negative or not finite")
    _expect(len(zeros) in (0, len(scales)), f"{len(zeros)} zero points of {len(scales)} scales")
    if len(scales) > 1:
        axis = quantization.get(6, 0)
        _expect_index(axis, shape, "axis of scales")
        _expect(shape[axis] == len(scales), f"{len(scales)} scales of {shape[axis]} channels")


def _check_calls(graphs: list, codes: list) -> None:
    """Raises if a graph calls one that does not exist or, directly or through others, itself."""
    calls = []
    for graph in graphs:
        called = set()
        for operator in graph.get(3, []):
            slots = _CALLS.get(_code_of(operator, codes), ())
            called |= {operator.get(4, {}).get(slot, 0) for slot in slots}
        for index in called:
            _expect_index(index, graphs, "graph that is called")
        calls.append(called)
    left = set(range(len(graphs)))
    while done := {i for i in left if left.isdisjoint(calls[i])}:
        left -= done
    _expect(not left, "a graph that calls itself")


def _expect_index(index: int, of: list, what: str) -> None:
    _expect(0 <= index < len(of), f"{what} {index} of {len(of)}")


def _expect(is_right, found: str) -> None:
    if not is_right:
        raise ValueError(found)
