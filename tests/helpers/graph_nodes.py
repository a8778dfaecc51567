"""The nodes of a graph, with those of its functions."""

import tensorflow as tf

CALLS_TO_PYTHON = {"PyFunc", "PyFuncStateless", "EagerPyFunc"}


def nodes_of(graph_def: tf.compat.v1.GraphDef) -> list:
    """Returns all nodes."""
    return [*graph_def.node, *(node for function in graph_def.library.function for node in function.node_def)]


def operations_of(dataset: tf.data.Dataset) -> set[str]:
    """Returns the names of the operations that make the elements of a data set."""
    graph_def = tf.compat.v1.GraphDef.FromString(dataset._as_serialized_graph().numpy())
    return {node.op for node in nodes_of(graph_def)}
