"""What Coral's Edge TPU runs: a table of operators and of the limits that a file shows without the compiler.

Source: "TensorFlow models on the Edge TPU" of Coral's documentation, "Supported operations", for compiler 16.0 and
    runtime 14. The limits that depend on size alone ("might not be mapped for large tensors") have no numbers there
    and are not checked.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

INNER_DIMENSIONS = 3
SOFTMAX_ELEMENTS = 16000
DEPTH_MULTIPLE = 4  # of the number of channels, for means over them
NO_ACTIVATION = DEFAULT_WEIGHTS = 0


@dataclasses.dataclass(frozen=True)
class Operand:
    """A tensor as an operator sees it; `values` is None unless it is constant."""

    shape: tuple[int, ...]
    dtype: str
    is_static: bool = True
    values: np.ndarray | None = None
    zero_point: int = 0


@dataclasses.dataclass(frozen=True)
class Node:
    """An operator of a TFLite file; `options` is the schema's object, None if the operator has none."""

    name: str
    version: int
    inputs: tuple[Operand, ...]
    outputs: tuple[Operand, ...]
    options: object = None


@dataclasses.dataclass(frozen=True)
class Operator:
    """One row of the table of operators.

    Attributes:
        newest: the newest version that the compiler is known to take. A newer one is not left to the CPU: the
            compiler refuses the whole file ("Didn't find op for builtin opcode 'CONV_2D' version '6'").
        parameters: positions of inputs that must be constant.
        limit: function of a `Node` that returns which documented limit it exceeds; "" if none.
    """

    newest: int
    parameters: tuple[int, ...] = ()
    limit: Callable[[Node], str] = lambda node: ""


def refusal(node: Node) -> str:
    """Returns why the Edge TPU does not run an operator; "" if there is no known reason."""
    row = OPERATORS.get(node.name)
    if row is None:
        return "not an operator of the Edge TPU"
    if is_too_new(node):
        return f"version {node.version} is newer than {row.newest}: the compiler stops"
    return _tensor_refusal(node, row) or row.limit(node)


def is_too_new(node: Node) -> bool:
    """Returns whether the compiler would refuse a file for the version of this operator, wherever it stands."""
    newest = OPERATORS[node.name].newest if node.name in OPERATORS else OTHER_VERSIONS.get(node.name)
    return newest is not None and node.version > newest


def _tensor_refusal(node: Node, row: Operator) -> str:
    """Returns which general rule is broken: constant parameters, 8-bit tensors of fixed shape, up to 3 dimensions."""
    for position in row.parameters:
        if position < len(node.inputs) and node.inputs[position].values is None:
            return f"input {position} is not constant"
    for operand in (*(operand for operand in node.inputs if operand.values is None), *node.outputs):
        if operand.dtype not in ("int8", "uint8"):
            return f"a {operand.dtype} tensor; 8 bits are needed"
        if not operand.is_static:
            return "a shape that is not fixed"
        if any(side > 1 for side in operand.shape[:-INNER_DIMENSIONS]):
            return f"shape {list(operand.shape)}: only the last {INNER_DIMENSIONS} sides may be larger than 1"
    return ""


def _equal_dilation(node: Node) -> str:
    same = node.options.dilationWFactor == node.options.dilationHFactor
    return "" if same else "dilation differs between x and y"


def _no_activation(node: Node) -> str:
    return "" if node.options.fusedActivationFunction == NO_ACTIVATION else "a fused activation"


def _concatenation(node: Node) -> str:
    constants = [operand for operand in node.inputs if operand.values is not None]
    zeros = all(np.all(operand.values == operand.zero_point) for operand in constants)
    if constants and (len(node.inputs) != 2 or not zeros):
        return "a constant that is not zeros, or one of more than two inputs"
    return _no_activation(node)


def _fully_connected(node: Node) -> str:
    if node.options.weightsFormat != DEFAULT_WEIGHTS:
        return "weights in another format than the default"
    return "" if _is_flat(node.outputs[0]) else "more than one dimension of outputs"


def _softmax(node: Node) -> str:
    fits = _is_flat(node.inputs[0]) and max(node.inputs[0].shape) <= SOFTMAX_ELEMENTS
    return "" if fits else f"more than one dimension or {SOFTMAX_ELEMENTS} elements"


def _prelu(node: Node) -> str:
    return "" if all(side == 1 for side in node.inputs[1].shape[:-1]) else "slopes that differ between cells"


def _not_over_batch(node: Node) -> str:
    return "works on the batch" if 0 in _axes(node) else ""


def _mean(node: Node) -> str:
    channels = len(node.inputs[0].shape) - 1
    if channels in _axes(node) and node.inputs[0].shape[channels] % DEPTH_MULTIPLE:
        return f"a mean over channels whose number is no multiple of {DEPTH_MULTIPLE}"
    return _not_over_batch(node)


def _axes(node: Node) -> list[int]:
    rank = len(node.inputs[0].shape)
    return [int(axis) % rank for axis in node.inputs[1].values.ravel()]


def _pack(node: Node) -> str:
    return "works on the batch" if node.options.axis == 0 else ""


def _pad(node: Node) -> str:
    paddings = node.inputs[1].values.reshape(-1, 2)
    return "works on the batch" if len(paddings) > INNER_DIMENSIONS and paddings[0].any() else ""


def _split(node: Node) -> str:
    rank = len(node.inputs[1].shape)
    return "works on the batch" if int(node.inputs[0].values.ravel()[0]) % rank == 0 else ""


def _strided_slice(node: Node) -> str:
    plain = not (node.options.ellipsisMask or node.options.newAxisMask)
    return "" if plain and np.all(node.inputs[3].values == 1) else "strides other than 1, an ellipsis or a new axis"


def _is_flat(operand: Operand) -> bool:
    return sum(side > 1 for side in operand.shape) <= 1


# Versions: one below those that compiler 16.0 is reported to refuse (CONV_2D, TRANSPOSE_CONV, QUANTIZE; EXP below). For
# the others, the 8-bit versions of the LiteRT kernels of 2020, which a compiler of 2021 has.
WITHOUT_LIMITS = {  # by version
    1: "RELU_N1_TO_1 SQUEEZE",
    2: "ADD L2_NORMALIZATION LOGISTIC QUANTIZE RELU RELU6 RSQRT SPACE_TO_DEPTH SQUARED_DIFFERENCE TANH",
    3: "LSTM MUL SUB",
    4: "MAXIMUM MINIMUM",
}
OPERATORS = {name: Operator(newest) for newest, names in WITHOUT_LIMITS.items() for name in names.split()} | {
    "AVERAGE_POOL_2D": Operator(2, limit=_no_activation),
    "CONCATENATION": Operator(2, limit=_concatenation),
    "CONV_2D": Operator(5, (1, 2), _equal_dilation),
    "DEPTHWISE_CONV_2D": Operator(3, (1, 2), _equal_dilation),
    "EXPAND_DIMS": Operator(1, (1,)),
    "FULLY_CONNECTED": Operator(6, (1, 2), _fully_connected),
    "MAX_POOL_2D": Operator(2, limit=_no_activation),
    "MEAN": Operator(2, (1,), _mean),
    "PACK": Operator(3, limit=_pack),
    "PAD": Operator(2, (1,), _pad),
    "PRELU": Operator(1, (1,), _prelu),
    "REDUCE_MAX": Operator(2, (1,), _not_over_batch),
    "REDUCE_MIN": Operator(2, (1,), _not_over_batch),
    "RESHAPE": Operator(1, (1,)),
    "RESIZE_BILINEAR": Operator(3, (1,)),
    "RESIZE_NEAREST_NEIGHBOR": Operator(3, (1,)),
    "SLICE": Operator(3, (1, 2)),
    "SOFTMAX": Operator(2, limit=_softmax),
    "SPLIT": Operator(3, (0,), _split),
    "STRIDED_SLICE": Operator(4, (1, 2, 3), _strided_slice),
    "SUM": Operator(2, (1,), _not_over_batch),
    "TRANSPOSE": Operator(4, (1,)),
    "TRANSPOSE_CONV": Operator(3, (0, 1, 3)),
}
OTHER_VERSIONS = {"EXP": 1}
