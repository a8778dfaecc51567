"""The deformable convolution layer: a convolution that learns where to look."""

import keras
from keras import ops

from keras_centernet.method.specs import Tensor
from keras_centernet.networks.layers.deformable import Sampling, deformable_conv, output_side


@keras.saving.register_keras_serializable(package="keras_centernet")
class DeformableConv2D(keras.layers.Layer):
    """Modulated deformable convolution (DCNv2): (B, H, W, C) -> (B, Ho, Wo, filters).

    A plain convolution of the same geometry predicts for every position and tap an offset (dy, dx) and a
    mask logit; the taps then read the image there, bilinearly, scaled by the sigmoid of the logit. Offsets and
    mask logits start at zero: a new layer returns half of what a plain convolution would.

    Pure `keras.ops`: trains on every backend, compiles under XLA with static shapes, converts to TFLite's
    builtin operators, takes any batch and image size, and needs the memory of one tap (see `deformable_conv`).

    Args:
        filters: output channels.
        kernel_size, strides, dilation_rate: number, or pair (vertical, horizontal).
        padding: pixels of zeros on every side, number or pair; "same" keeps the size at stride 1 and
            pads symmetrically also at other strides, as PyTorch does.
        offset_groups: groups of channels that share offsets and masks; must divide the channels.
        use_bias: whether a bias is added.
        kernel_initializer: of the kernel; None: U(+-1 / sqrt(fan in)), as published.
        **kwargs: of `keras.layers.Layer`.

    Source: "Deformable ConvNets v2" (Zhu et al. 2019); `DCN` of the published CenterNet, whose
        `conv_offset_mask` is `offset_kernel` and `offset_bias`: 2 * groups * taps channels of (dy, dx) by
        tap, then groups * taps mask logits.

    Examples:
        >>> DeformableConv2D(16)(keras.Input((8, 6, 4))).shape
        (None, 8, 6, 16)
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, int] = 3,
        strides: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] | str = "same",
        dilation_rate: int | tuple[int, int] = 1,
        offset_groups: int = 1,
        use_bias: bool = True,
        kernel_initializer=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        kernel_hw, dilation = _pair("kernel_size", kernel_size, 1), _pair("dilation_rate", dilation_rate, 1)
        if padding == "same":
            padding = [(d * (k - 1)) // 2 for k, d in zip(kernel_hw, dilation, strict=True)]
        strides, padding = _pair("strides", strides, 1), _pair("padding", padding, 0)
        self.sampling = Sampling(kernel_hw, strides, padding, dilation, int(offset_groups))
        if filters < 1 or offset_groups < 1:
            raise ValueError(
                f"filters and offset_groups: expected positive numbers, got {filters} and {offset_groups}."
            )
        self.filters, self.use_bias = filters, use_bias
        published = keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")
        self.kernel_initializer = keras.initializers.get(kernel_initializer or published)

    def build(self, input_shape):
        """Adds kernel, bias, offset_kernel and offset_bias."""
        channels, groups = input_shape[-1], self.sampling.groups
        if channels % groups:
            raise ValueError(f"offset_groups: expected a divisor of the {channels} input channels, got {groups}.")
        predicted, reach = 3 * groups * self.sampling.taps, (*self.sampling.kernel_hw, channels)
        self.kernel = self.add_weight((*reach, self.filters), self.kernel_initializer, name="kernel")
        self.bias = self.add_weight((self.filters,), "zeros", name="bias") if self.use_bias else None
        self.offset_kernel = self.add_weight((*reach, predicted), "zeros", name="offset_kernel")
        self.offset_bias = self.add_weight((predicted,), "zeros", name="offset_bias")

    def call(self, inputs):
        """Returns the convolved maps."""
        offsets, masks = self.predict_sampling(inputs)
        outputs = deformable_conv(inputs, offsets, masks, self.kernel, self.sampling)
        return outputs + self.bias if self.use_bias else outputs

    def predict_sampling(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Returns (offsets (B, Ho, Wo, 2 G T) in pixels, masks (B, Ho, Wo, G T) in 0..1), T taps, G groups."""
        sampling = self.sampling
        (top, left), channels = sampling.padding, 2 * sampling.groups * sampling.taps
        padded = ops.pad(inputs, [[0, 0], [top, top], [left, left], [0, 0]]) if top or left else inputs
        raw = ops.conv(padded, self.offset_kernel, sampling.strides, "valid", dilation_rate=sampling.dilation)
        raw = raw + self.offset_bias
        return raw[..., :channels], ops.sigmoid(raw[..., channels:])

    def compute_output_shape(self, input_shape):
        """Returns (B, Ho, Wo, filters)."""
        batch, height, width, _ = input_shape
        return batch, output_side(height, self.sampling, 0), output_side(width, self.sampling, 1), self.filters

    def get_config(self):
        """Returns what rebuilds the layer."""
        return super().get_config() | {
            "filters": self.filters,
            "kernel_size": self.sampling.kernel_hw,
            "strides": self.sampling.strides,
            "padding": self.sampling.padding,
            "dilation_rate": self.sampling.dilation,
            "offset_groups": self.sampling.groups,
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


def _pair(name: str, value, at_least: int) -> tuple[int, int]:
    pair = (value, value) if isinstance(value, int) else tuple(value)
    if len(pair) != 2 or any(not isinstance(side, int) or side < at_least for side in pair):
        raise ValueError(f"{name}: expected a whole number of at least {at_least}, or a pair of them, got {value!r}.")
    return pair
