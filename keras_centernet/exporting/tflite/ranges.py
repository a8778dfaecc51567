"""The range of values that 8 bits cover, for every tensor of a network."""

import os
from collections.abc import Iterable

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from keras_centernet.errors import UserError
from keras_centernet.exporting.tflite import flatbuffer

LEAST_LIMIT = 1e-30  # smaller values are zero
BINS = 4096  # of a histogram: a range that is 16 times too wide still has 256 of them
OUTLIERS = 1e-5  # share of a tensor's values that are cut at each end: they would make the steps of all others coarser


def set_ranges(content: bytes, inputs: Iterable[list[np.ndarray]]) -> bytes:
    """Returns a calibrated file whose ranges are measured on the images here, instead of by the converter.

    The converter reads tensors after an image has run through: if a sum has overwritten one of its terms, it takes
    the range of the sum for that of the term. It also uses the most extreme values of all images, which makes the
    steps of the linear bottlenecks of a MobileNet two to four times coarser than necessary. Here each tensor is
    measured in its own memory, and the most extreme values are cut off. Outputs keep their whole range, because the
    highest peaks of a heatmap are rare.

    Args:
        content: what the converter gives when it only calibrates: floats, with a range for every tensor to quantise.
        inputs: lists of the network's one input, (1, H, W, 3) float32 in 0..255.

    Raises:
        UserError: a value is NaN or infinite.
    """
    graph = flatbuffer.read_flatbuffer(content)
    subgraph = graph.subgraphs[0]
    computed = [int(index) for operator in subgraph.operators for index in operator.outputs]
    histograms = {index: Histogram() for index in computed if _is_calibrated(subgraph.tensors[index])}
    _run(content, inputs, histograms)
    outputs = set(map(int, subgraph.outputs))
    for index, histogram in histograms.items():
        lowest, highest = histogram.range(0.0 if index in outputs else OUTLIERS)
        quantization = subgraph.tensors[index].quantization
        quantization.min, quantization.max = np.float32([min(lowest, 0)]), np.float32([max(highest, 0)])
    return flatbuffer.write_flatbuffer(graph)


class Histogram:
    """Counts values in bins that widen as values grow, so that one pass is enough.

    Attributes:
        lowest, highest: of all values so far.
    """

    def __init__(self):
        self.lowest, self.highest = np.inf, -np.inf
        self._limit = 0.0  # bins lie between -limit and limit
        self._counts = np.zeros(BINS, np.int64)

    def add(self, values: np.ndarray) -> None:
        """Counts the values of an array; raises a UserError unless they are finite."""
        self.lowest, self.highest = np.minimum(self.lowest, values.min()), np.maximum(self.highest, values.max())
        if not np.isfinite(self.highest - self.lowest):
            found = "calibration: expected finite values inside the network, got NaN or infinity"
            raise UserError(f"{found}. Its weights are probably broken; take an earlier checkpoint.")
        self._reach(max(-self.lowest, self.highest))
        bins = ((values.ravel() + self._limit) * (BINS / 2 / self._limit)).astype(np.int32)
        self._counts += np.bincount(np.minimum(bins, BINS - 1), minlength=BINS)

    def range(self, outliers: float) -> tuple[float, float]:
        """Returns (lowest, highest) without this share of the values at each end, to the width of a bin."""
        total, edges = self._counts.sum(), np.linspace(-self._limit, self._limit, BINS + 1)
        below, above = self._counts.cumsum(), self._counts[::-1].cumsum()[::-1]
        inner = np.flatnonzero(np.minimum(below, above) > outliers * total)
        return max(float(self.lowest), edges[inner[0]]), min(float(self.highest), edges[inner[-1] + 1])

    def _reach(self, limit: float) -> None:
        """Doubles the limit until it is high enough: each time two bins become one."""
        self._limit = self._limit or np.exp2(np.ceil(np.log2(max(limit, LEAST_LIMIT) if limit else 1.0)))
        while self._limit < limit:
            inner, self._limit = self._counts.reshape(-1, 2).sum(axis=1), 2 * self._limit
            self._counts = np.pad(inner, BINS // 4)


def _is_calibrated(tensor) -> bool:
    return tensor.quantization is not None and tensor.quantization.min is not None and len(tensor.quantization.min) == 1


def _run(content: bytes, inputs: Iterable[list[np.ndarray]], histograms: dict[int, Histogram]) -> None:
    interpreter = Interpreter(
        model_content=content,
        num_threads=os.cpu_count(),
        experimental_preserve_all_tensors=True,  # no tensor takes another's memory
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,  # they hide inner tensors
    )
    interpreter.allocate_tensors()
    (detail,) = interpreter.get_input_details()
    for (images,) in inputs:
        interpreter.set_tensor(detail["index"], images)
        interpreter.invoke()
        for index, histogram in histograms.items():
            histogram.add(interpreter.get_tensor(index))
