"""Learned upsampling of each channel by itself."""

import keras
from keras import ops

from keras_centernet.networks.layers.bilinear import Bilinear


@keras.saving.register_keras_serializable(package="keras_centernet")
class DepthwiseUpsampling2D(keras.layers.Layer):
    """Transposed convolution of each channel alone, kernel 2 f, stride f: (B, H, W, C) -> (B, f H, f W, C).

    Keras has no grouped transposed convolution. Each of the f * f pixels that a cell becomes depends on the cell and
    its 8 neighbours only, so that the layer is a 3x3 depthwise convolution to f * f phases, which are then rearranged.
    Borders fade, because the outside counts as zero, as published.

    Args:
        factor: f, even.
        **kwargs: of `keras.layers.Layer`.

    Source: `nn.ConvTranspose2d(C, C, 2 f, stride=f, padding=f // 2, groups=C, bias=False)` of the
        published DLA-34, with its bilinear start.

    Examples:
        >>> DepthwiseUpsampling2D(2)(keras.ops.ones((1, 3, 5, 8))).shape
        TensorShape([1, 6, 10, 8])
    """

    def __init__(self, factor: int, **kwargs):
        super().__init__(**kwargs)
        if factor < 2 or factor % 2:
            raise ValueError(f"factor: expected an even number of at least 2, got {factor!r}.")
        self.factor = factor

    def build(self, input_shape):
        """Adds the (2 f, 2 f, 1, C) kernel."""
        side = 2 * self.factor
        self.kernel = self.add_weight(shape=(side, side, 1, input_shape[-1]), initializer=Bilinear(), name="kernel")

    def call(self, inputs):
        """Returns the upsampled maps."""
        factor, channels = self.factor, inputs.shape[-1]
        _, height, width, _ = ops.shape(inputs)
        phases = ops.depthwise_conv(inputs, self._phase_kernel(), padding="same")
        phases = ops.reshape(phases, (-1, height, width, channels, factor, factor))
        rows = ops.transpose(phases, (0, 1, 4, 2, 5, 3))  # (B, H, f, W, f, C)
        return ops.reshape(rows, (-1, height * factor, width * factor, channels))

    def compute_output_shape(self, input_shape):
        """Returns (B, f H, f W, C)."""
        batch, height, width, channels = input_shape
        return batch, height and height * self.factor, width and width * self.factor, channels

    def get_config(self):
        """Returns what rebuilds the layer."""
        return super().get_config() | {"factor": self.factor}

    def _phase_kernel(self):
        """(3, 3, C, f * f): which neighbour, through which tap of `kernel`, adds to which phase.

        Phase p of a cell reads tap p + f / 2 - t f for the neighbour at distance t in -1, 0, 1: with f / 2
        zeros on both sides, the blocks of length f of the kernel in reverse order.
        """
        factor, channels = self.factor, self.kernel.shape[-1]
        half = factor // 2
        taps = ops.pad(self.kernel[:, :, 0], [[half, half], [half, half], [0, 0]])
        blocks = ops.reshape(taps, (3, factor, 3, factor, channels))
        blocks = ops.flip(ops.flip(blocks, axis=0), axis=2)  # one by one: LiteRT reverses adjacent axes only
        return ops.reshape(ops.transpose(blocks, (0, 2, 4, 1, 3)), (3, 3, channels, factor * factor))
