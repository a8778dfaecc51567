"""Whether a TFLite file would run on Coral's Edge TPU, as far as that can be told without its compiler."""

import collections
import dataclasses
import math
import os

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from keras_centernet.exporting.edgetpu.operators import Node, Operand, is_too_new, refusal
from keras_centernet.exporting.tflite import flatbuffer
from keras_centernet.exporting.tflite.appending import COMPILED

# {operator that multiplies: positions of its data and its weights among the inputs}
MULTIPLIERS = {"CONV_2D": (0, 1), "DEPTHWISE_CONV_2D": (0, 1), "TRANSPOSE_CONV": (2, 1), "FULLY_CONNECTED": (0, 1)}
MAPPED, BEHIND = "yes", "no: after an unsupported operator"
LINE = "{:26} {:>7} {:>5}  {}"
LEFT_OUT = Operand((), "none", values=np.empty(0))  # an optional input that an operator does not have
_BYTES = (schema.TensorType.INT8, schema.TensorType.UINT8)
_TYPES = {code: name.lower() for name, code in vars(schema.TensorType).items() if isinstance(code, int)}


@dataclasses.dataclass(frozen=True)
class OperatorCheck:
    """One operator of a file.

    Attributes:
        refused: why the Edge TPU does not run it; "" if there is no known reason.
        stops: whether the compiler would refuse the whole file because of this operator's version.
        is_mapped: whether it and all operators before it are supported: only the first part is compiled.
        is_network: whether the raw heads need it; the others decode.
        multiply_adds: for one image.
    """

    name: str
    version: int
    refused: str
    stops: bool
    is_mapped: bool
    is_network: bool
    multiply_adds: int

    @property
    def verdict(self) -> str:
        """The operator's entry in the table."""
        if self.is_mapped:
            return MAPPED
        return f"no: {self.refused}" if self.refused else BEHIND


@dataclasses.dataclass(frozen=True)
class EdgeTPUReport:
    """What `check_edgetpu` found, in the order in which the operators run; `str` makes a table of it."""

    operators: tuple[OperatorCheck, ...]

    @property
    def ok(self) -> bool:
        """Whether everything up to the raw heads maps, and nothing in the file stops the compiler."""
        network = [row for row in self.operators if row.is_network]
        return bool(network) and all(row.is_mapped for row in network) and not any(row.stops for row in self.operators)

    @property
    def mapped(self) -> int:
        """Number of operators in the first part, which is what the Edge TPU runs; 1 for a compiled file."""
        return sum(row.is_mapped for row in self.operators)

    @property
    def is_compiled(self) -> bool:
        """Whether edgetpu_compiler wrote the file; the operators inside its own are not visible any more."""
        return any(row.name == COMPILED for row in self.operators)

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of the whole file for one image, without those in a compiled operator."""
        return sum(row.multiply_adds for row in self.operators)

    @property
    def share(self) -> float | None:
        """Share of the multiply-adds in the first part; None for a compiled file."""
        if self.is_compiled or not self.multiply_adds:
            return None
        return sum(row.multiply_adds for row in self.operators if row.is_mapped) / self.multiply_adds

    def to_dict(self) -> dict:
        """Returns the totals and the rows of the table, for JSON."""
        names = ("operator", "version", "count", "edge_tpu")
        return {
            "ok": self.ok,
            "operators": len(self.operators),
            "mapped": self.mapped,
            "share_of_multiply_adds": self.share,
            "multiply_adds": self.multiply_adds,
            "table": [dict(zip(names, row, strict=True)) for row in self._rows()],
        }

    def __str__(self) -> str:
        rows = [("operator", "version", "count", "Edge TPU"), *self._rows()]
        share = "" if self.share is None else f", {self.share:.1%} of {self.multiply_adds / 1e9:.2f} G multiply-adds"
        how = "compiled; not run" if self.is_compiled else "read from the file; not compiled"
        end = f"everything up to the raw heads maps: {'yes' if self.ok else 'no'} ({how})"
        first_part = f"first part: {self.mapped} of {len(self.operators)} operators{share}"
        return "\n".join([*(LINE.format(*row) for row in rows), first_part, end])

    def _rows(self) -> list[tuple]:
        """Returns equal operators as one row (name, version, count, verdict), in the order of their first use."""
        found = collections.Counter((row.name, row.version, row.verdict) for row in self.operators)
        return [(name, version, count, verdict) for (name, version, verdict), count in found.items()]


def check_edgetpu(path: str | os.PathLike | bytes) -> EdgeTPUReport:
    """Returns which operators of a TFLite file the Edge TPU would run, according to Coral's documentation.

    The compiler makes one part: "as soon as an unsupported operation occurs, that operation and everything after it
    executes on the CPU". It may leave more there because of size limits that no file shows.

    Args:
        path: file, or its content; with or without decoding, compiled or not. Anything else raises a UserError.
    """
    content = path if isinstance(path, bytes) else flatbuffer.read_content(path)
    model = flatbuffer.read_flatbuffer(content)
    nodes = _nodes(model)
    if any(node.name == COMPILED for node in nodes):
        return EdgeTPUReport(tuple(_check_compiled(node) for node in nodes))
    refusals = [refusal(node) for node in nodes]
    first_part = next((i for i, reason in enumerate(refusals) if reason), len(nodes))
    needed = _network_operators(model, nodes)
    checks = (
        OperatorCheck(
            node.name, node.version, reason, is_too_new(node), i < first_part, i in needed, _multiply_adds(node)
        )
        for i, (node, reason) in enumerate(zip(nodes, refusals, strict=True))
    )
    return EdgeTPUReport(tuple(checks))


def _check_compiled(node: Node) -> OperatorCheck:
    """Returns the check of an operator of a compiled file; one with weights should not be left outside, on the CPU."""
    is_inside = node.name == COMPILED
    reason = "" if is_inside else "outside the compiled operator"
    is_network = is_inside or node.name in MULTIPLIERS
    return OperatorCheck(node.name, node.version, reason, False, is_inside, is_network, _multiply_adds(node))


def _nodes(model) -> list[Node]:
    operands = [_operand(model, tensor) for tensor in model.subgraphs[0].tensors]
    names = flatbuffer.operator_names(model)

    def several(indices):
        return tuple(operands[index] if index >= 0 else LEFT_OUT for index in indices)

    versions = [code.version for code in model.operatorCodes]
    return [
        Node(name, versions[op.opcodeIndex], several(op.inputs), several(op.outputs), op.builtinOptions)
        for name, op in zip(names, model.subgraphs[0].operators, strict=True)
    ]


def _operand(model, tensor) -> Operand:
    shape = tuple(int(side) for side in (tensor.shape if tensor.shape is not None else ()))
    signature = tensor.shapeSignature if tensor.shapeSignature is not None else shape
    zero_points = tensor.quantization.zeroPoint if tensor.quantization else None
    zero_point = int(zero_points[0]) if zero_points is not None and len(zero_points) else 0
    is_static = all(side > 0 for side in (*shape, *signature))
    return Operand(shape, _TYPES[tensor.type], is_static, flatbuffer.read_constant(model, tensor), zero_point)


def _network_operators(model, nodes: list[Node]) -> set[int]:
    """Returns the indices of operators with weights, of those that give the raw heads, and of all that these need."""
    graph = model.subgraphs[0]
    producer = {int(index): i for i, op in enumerate(graph.operators) for index in op.outputs}
    ends = [int(index) for index in graph.outputs if graph.tensors[index].type in _BYTES]
    for node, op in zip(nodes, graph.operators, strict=True):
        ends += [int(index) for index in op.inputs] if node.name == "DEQUANTIZE" else []
        ends += [int(index) for index in op.outputs] if node.name in MULTIPLIERS else []
    needed, waiting = set(), [producer[index] for index in ends if index in producer]
    while waiting:
        i = waiting.pop()
        if i not in needed:
            needed.add(i)
            waiting += [producer[index] for index in graph.operators[i].inputs if index in producer]
    return needed


def _multiply_adds(node: Node) -> int:
    """Returns weights times cells: a kernel is applied at each cell of the output or, if transposed, of the input."""
    if node.name not in MULTIPLIERS:
        return 0
    data, weights = (node.inputs[position].shape for position in MULTIPLIERS[node.name])
    cells = (math.prod(shape[1:-1]) for shape in (data, node.outputs[0].shape))
    return math.prod(weights) * min(cells)
