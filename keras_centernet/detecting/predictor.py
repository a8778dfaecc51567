"""Images of any kind and size -> `Detections`, by compiled graphs of a model that are traced once and kept."""

import functools

import keras
import numpy as np
from keras import ops

from keras_centernet.detecting.graphs.compiling import compile_function
from keras_centernet.detecting.stream import detect
from keras_centernet.errors import UserError
from keras_centernet.geometry import STRIDE, to_input_frame
from keras_centernet.limits import COUNT
from keras_centernet.method.decode import decode
from keras_centernet.method.flip_test import average_mirrored, with_mirrored
from keras_centernet.method.specs import Tensor

# How many input shapes get a graph of their own, in which every size is known. Images at their own resolution can have
# a hundred shapes; compiling a graph for each would take longer than running it.
COMPILED_SHAPES = 8


class Predictor:
    """Detects with a model: network and decoding are graphs that are traced once and kept.

    The first `COMPILED_SHAPES` batch shapes have graphs of their own. All further shapes share one graph of open sizes,
    which is a little slower and gives the same result, and are decoded operation by operation.
    """

    def __init__(self, model: keras.Model):
        self._model = model
        self._shapes, self._graphs = set(), {}

    @property
    def graphs(self) -> dict:
        """The graphs built so far, by what they compute, their shapes and their options."""
        return dict(self._graphs)

    def detect(self, source, calibration=None, threshold=None, top_k=100, batch_size=8, stream=False, track=False):
        """Returns one `Detections` per image; see `CenterNet.detect`."""
        detect_batch = functools.partial(self.detect_batch, top_k=COUNT.check("top_k", top_k))
        return detect(self._model, detect_batch, source, calibration, threshold, batch_size, stream, track)

    def detect_batch(self, images, top_k: int = 100, flip: bool = False) -> dict:
        """Returns the decoded detections of inputs; see `CenterNet.detect_batch`."""
        return self.decoded(self.maps(images, flip), COUNT.check("top_k", top_k))

    def maps(self, images: Tensor, flip: bool = False, exact: bool = False) -> dict:
        """Returns the head maps of a batch, (B, Hf, Wf, channels) by name; see `CenterNet.detect_batch`.

        Args:
            images, flip: of `CenterNet.detect_batch`.
            exact: whether the same images always give the same bits, as metrics need. Else a graph is frozen after some
                calls, which changes the last bits, see `compiling`.

        Raises:
            UserError: `flip` for a task where it makes no sense.
        """
        if flip and not self._model.task.flip_and_scale:
            raise UserError(f"flip: expected False for task {self._model.task.name}, which has no flip test; got True.")
        images = ops.convert_to_tensor(images if keras.ops.is_tensor(images) else np.asarray(images))
        shape = tuple(images.shape)
        if len(self._shapes) < COMPILED_SHAPES:
            self._shapes.add(shape)
        if shape not in self._shapes:
            shape = (None, None, None, 3)
        key = ("maps", shape, keras.backend.standardize_dtype(images.dtype), flip, exact)

        def to_maps(images):
            model = self._model
            if flip:
                return average_mirrored(model.task, model(with_mirrored(images), training=False))
            return model(images, training=False)

        return self._kept(key, to_maps, shape, images.dtype, freeze=not exact)(images)

    def decoded(self, maps: dict, top_k: int) -> dict:
        """Returns the K best detections of head maps, positions in input pixels; see `decode`."""

        def decode_maps(maps):
            return to_input_frame(decode(self._model.task, maps, top_k))

        batch, height, width, _ = maps[self._model.task.center_heatmap.name].shape
        if (batch, height * STRIDE, width * STRIDE, 3) not in self._shapes:
            return decode_maps(maps)
        return self._kept(("decoded", batch, height, width, top_k), decode_maps)(maps)

    def _kept(self, key: tuple, function, *options, **more):
        """Returns the graph of that key; the first time, `compile_function` makes it of the function and options."""
        if key not in self._graphs:
            self._graphs[key] = compile_function(self._model, function, *options, **more)
        return self._graphs[key]
