"""The compiled graphs that detect: one for each of the first few input shapes, then one for all others."""

import keras
from keras import ops

from keras_centernet.decode import decode
from keras_centernet.deformable import without_islands
from keras_centernet.errors import UserError
from keras_centernet.geometry import STRIDE, to_input_frame
from keras_centernet.mirroring import average_mirrored, with_mirrored
from keras_centernet.specs import Tensor

# Input shapes that get a graph of their own, in which every size is known. Pictures at their own resolution
# have a hundred shapes; compiling each would take longer than running it.
COMPILED_SHAPES = 8


class DetectionGraphs:
    """Runs a model's network and decoding, each as a graph that is traced once and kept.

    The first `COMPILED_SHAPES` shapes of a batch have graphs of their own; any further shape runs in one
    graph of open sizes, a little slower and with the same result, and is decoded op by op.

    Args:
        model: `CenterNet`.
    """

    def __init__(self, model: keras.Model):
        self._model = model
        self._shapes, self._graphs = set(), {}

    def maps(self, images: Tensor, flip: bool = False) -> dict:
        """Returns the head maps of a batch, (B, Hf, Wf, channels) by name.

        Args:
            images: (B, H, W, 3) uint8 or float RGB in 0..255.
            flip: whether they are averaged with those of the mirrored images.

        Raises:
            UserError: `flip` for a task where it makes no sense.
        """
        if flip and not self._model.task.flip_and_scale:
            raise UserError(f"flip: expected False for task {self._model.task.name}, which has no flip test; got True.")
        images = ops.convert_to_tensor(images)
        shape = tuple(images.shape)
        if len(self._shapes) < COMPILED_SHAPES:
            self._shapes.add(shape)
        if shape not in self._shapes:
            shape = (None, None, None, 3)
        key = ("maps", shape, keras.backend.standardize_dtype(images.dtype), flip)
        return self._kept(key, self._flipped_maps if flip else self._maps, shape, images.dtype)(images)

    def decoded(self, maps: dict, top_k: int) -> dict:
        """Returns the K best detections that the maps hold, places in input pixels; see `decode`."""

        def decode_maps(maps):
            return to_input_frame(decode(self._model.task, maps, top_k))

        batch, height, width, _ = maps[self._model.task.center_heatmap.name].shape
        if (batch, height * STRIDE, width * STRIDE, 3) not in self._shapes:
            return decode_maps(maps)
        return self._kept(("decoded", batch, height, width, top_k), decode_maps)(maps)

    def _maps(self, images):
        return self._model(images, training=False)

    def _flipped_maps(self, images):
        return average_mirrored(self._model.task, self._model(with_mirrored(images), training=False))

    def _kept(self, key: tuple, function, shape: tuple | None = None, dtype=None):
        """Returns the graph of that key, made of the function where it is the first time."""
        if key not in self._graphs:
            self._graphs[key] = _compile(function, shape, dtype)
        return self._graphs[key]


def _compile(function, shape: tuple | None, dtype):
    if keras.backend.backend() != "tensorflow":
        return function
    import tensorflow as tf

    graph = tf.function(function, autograph=False, input_signature=shape and [tf.TensorSpec(shape, dtype)])
    if shape and None in shape:
        with without_islands():  # XLA would compile each shape that comes
            graph.get_concrete_function()
    return graph
