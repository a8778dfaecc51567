"""The initial kernel of learned upsampling: plain bilinear interpolation."""

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="keras_centernet")
class Bilinear(keras.initializers.Initializer):
    """Fills a transposed convolution of kernel 2 f and stride f so that it interpolates bilinearly.

    Dense kernels (k, k, out, in) map each channel to itself; depthwise ones (k, k, 1, C) are equal for all channels.

    Source: `fill_up_weights` of the published code. Deliberate difference for dense kernels: there only
        output channel 0 is filled, from every input channel, and the rest stays random.
    """

    def __call__(self, shape, dtype=None):
        """Returns the kernel."""
        height, width, out_channels, in_channels = shape
        taps = np.outer(_profile(height), _profile(width))[:, :, None, None]
        channels = np.ones((1, in_channels)) if out_channels == 1 else np.eye(out_channels, in_channels)
        return ops.cast(taps * channels, dtype or keras.config.floatx())


def _profile(size: int) -> np.ndarray:
    """(size,) weights of one direction; for size 4: 0.25, 0.75, 0.75, 0.25."""
    factor = (size + 1) // 2
    center = (2 * factor - 1 - factor % 2) / (2 * factor)
    return 1 - np.abs(np.arange(size) / factor - center)
