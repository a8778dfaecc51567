"""Turns a function that TensorFlow has traced into one that holds the current weights as constants.

Kernels are then brought into the processor's layout once instead of at each call, and batch normalisation is folded
into the convolution before it.
"""

import collections

import numpy as np

MOST_BYTES = 2**25  # of weights: a frozen graph takes ten times as much memory, for each batch shape
# Convolution -> how the (C,) factors of its output are spread over its kernel.
_SPREADS = {
    "Conv2D": lambda factors, kernel: factors,
    "DepthwiseConv2dNative": lambda factors, kernel: factors.reshape(kernel.shape[2:]),
    "Conv2DBackpropInput": lambda factors, kernel: factors[:, None],  # the transposed one: (h, w, C, inputs)
}


class CannotFreeze(Exception):
    """A traced function cannot be frozen and has to stay as it is."""


class Frozen:
    """A traced function of one tensor that holds its weights as constants.

    `is_current` tells whether the weights still have these values. Results differ from those of the function by
    rounding (1e-6 of the largest number of a map), because normalisation is folded into kernels.

    Args:
        traced: `tf.ConcreteFunction`.

    Raises:
        CannotFreeze: the function does more with its variables than read them, calls other functions (such as those
            that XLA compiles), or its weights are too large or not in this processor's memory.
    """

    def __init__(self, traced):
        import tensorflow as tf

        self._read = tf.function(_reader(traced), autograph=False).get_concrete_function()
        self._held = self._read()  # keeps its memory from being reused, so that addresses stay unique
        self._addresses = _addresses(self._held)
        graph_def = _with_constants(traced, [np.asarray(value) for value in self._held])
        fold_batch_normalization(graph_def)
        (entry, *_), outputs = traced.inputs, [tensor.name for tensor in traced.outputs]

        def run(inputs):
            found = tf.graph_util.import_graph_def(graph_def, {entry.name: inputs}, outputs, name="")
            return tf.nest.pack_sequence_as(traced.structured_outputs, found)

        spec = tf.TensorSpec(entry.shape, entry.dtype)
        self._run = tf.function(run, [spec], autograph=False).get_concrete_function()
        graph_def.Clear()  # the graph has a copy

    def is_current(self) -> bool:
        """Whether no weight has changed since the function was frozen, from Python or by a graph.

        Assigning to a variable gives it a new buffer. An update in place, as optimizers make it, first copies the
        buffer if something else refers to it, as this object does. So a changed weight has a changed address.
        """
        return _addresses(self._read()) == self._addresses

    def __call__(self, inputs):
        """Returns what the function would return with the weights at the time of freezing."""
        return self._run(inputs)


def fold_batch_normalization(graph_def) -> int:
    """Folds batch normalisations in a `tf.compat.v1.GraphDef` into the convolutions before them; returns how many.

    Only if both have constant weights and nothing else reads the convolution. The kernel is scaled, and the
    normalisation becomes the addition of a bias.
    """
    nodes = {node.name: node for node in graph_def.node}
    readers = collections.Counter(_name(entry) for node in graph_def.node for entry in node.input)
    folded = 0
    for node in list(graph_def.node):
        if not node.op.startswith("FusedBatchNorm") or node.attr["is_training"].b:
            continue
        convolution = nodes[_name(node.input[0])]
        weights = [nodes[_name(entry)] for entry in (*convolution.input[1:2], *node.input[1:5])]
        if (
            convolution.op not in _SPREADS
            or readers[convolution.name] > 1
            or any(weight.op != "Const" for weight in weights)
        ):
            continue
        _fold(graph_def, convolution, node, *(_value(weight) for weight in weights))
        folded += 1
    return folded


def _fold(graph_def, convolution, node, kernel, gamma, beta, mean, variance) -> None:
    with np.errstate(invalid="ignore", divide="ignore"):  # broken weights: NaN, as before
        factors = gamma / np.sqrt(variance.astype(np.float64) + node.attr["epsilon"].f)
    scaled, bias = kernel * _SPREADS[convolution.op](factors, kernel), beta - mean * factors
    name, attributes = node.name, {key: node.attr[key].SerializeToString() for key in ("T", "data_format")}
    for constant, values in {f"{name}/kernel": scaled, f"{name}/bias": bias}.items():
        _make_constant(graph_def.node.add(name=constant), values.astype(kernel.dtype))
    convolution.input[1] = f"{name}/kernel"
    node.Clear()
    node.name, node.op = name, "BiasAdd"
    node.input.extend([convolution.name, f"{name}/bias"])
    for key, value in attributes.items():
        node.attr[key].ParseFromString(value)


def _reader(traced):
    """Returns a function that reads the variables that a traced function captures, in the order of the captures."""
    import tensorflow as tf

    variables = {id(variable.handle): variable for variable in traced.variables}
    captured = [variables.get(id(handle)) for handle in traced.captured_inputs]
    if any(variable is None or "device:CPU" not in variable.device for variable in captured):
        raise CannotFreeze("it uses more than variables of this processor")
    if sum(variable.shape.num_elements() * variable.dtype.size for variable in captured) > MOST_BYTES:
        raise CannotFreeze("its weights are too large")
    return lambda: [tf.raw_ops.ReadVariableOp(resource=one.handle, dtype=one.dtype) for one in captured]


def _with_constants(traced, values: list[np.ndarray]):
    """Returns the `tf.compat.v1.GraphDef` of a traced function, with values in place of what it captures."""
    graph_def = traced.graph.as_graph_def()
    resources = traced.inputs[len(traced.inputs) - len(values) :]
    values = {tensor.op.name: value for tensor, value in zip(resources, values, strict=True)}
    if graph_def.library.function:
        raise CannotFreeze("it has functions inside")
    kept = []
    for node in graph_def.node:
        sources = [_name(entry) for entry in node.input if _name(entry) in values]
        if sources and node.op != "ReadVariableOp":
            raise CannotFreeze("it does more with variables than to read them")
        if sources:
            _make_constant(node, values[sources[0]])
        if node.name not in values:
            kept.append(node)
    constant = type(graph_def)(versions=graph_def.versions)
    constant.node.extend(kept)
    return constant


def _make_constant(node, values: np.ndarray) -> None:
    import tensorflow as tf

    name = node.name
    node.Clear()
    node.name, node.op = name, "Const"
    node.attr["dtype"].type = tf.as_dtype(values.dtype).as_datatype_enum
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(values))


def _value(node) -> np.ndarray:
    import tensorflow as tf

    return tf.make_ndarray(node.attr["value"].tensor)


def _name(entry: str) -> str:
    """Returns the name of the node that an input ("name", "name:1" or "^name") comes from."""
    return entry.partition(":")[0].removeprefix("^")


def _addresses(tensors: list) -> list[int]:
    return [np.asarray(tensor).__array_interface__["data"][0] for tensor in tensors]
