"""Deformable convolution by its definition, one number at a time in NumPy, and cases to compare with it."""

import numpy as np

from keras_centernet.networks.layers.deformable import Sampling, output_side

PUBLISHED = Sampling((3, 3), padding=(1, 1))
# name -> (sampling, channels, output channels)
GEOMETRIES = {
    "as published": (PUBLISHED, 4, 5),
    "multiplied before it is interpolated": (PUBLISHED, 8, 3),
    "stride 2": (Sampling((3, 3), (2, 2), (1, 1)), 3, 4),
    "dilation 2": (Sampling((3, 3), (1, 1), (2, 2), (2, 2)), 3, 4),
    "no padding, other kernel": (Sampling((2, 4), (1, 2)), 3, 4),
    "two groups of offsets": (Sampling((3, 3), padding=(1, 1), groups=2), 4, 4),
    "one tap": (Sampling((1, 1)), 2, 2),
}


def slow_deformable_conv(inputs, offsets, masks, kernel, sampling: Sampling) -> np.ndarray:
    """Returns what `deformable_conv` does, in float64."""
    batch, height, width, channels = inputs.shape
    kernel_height, kernel_width, _, out_channels = kernel.shape
    out_height, out_width = offsets.shape[1:3]
    taps, share = kernel_height * kernel_width, channels // sampling.groups
    output = np.zeros((batch, out_height, out_width, out_channels))

    def pixel(b, y, x, c):
        return inputs[b, y, x, c] if 0 <= y < height and 0 <= x < width else 0.0

    for b, oy, ox, tap, c in np.ndindex(batch, out_height, out_width, taps, channels):
        row, column = divmod(tap, kernel_width)
        place = (c // share) * taps + tap
        y = oy * sampling.strides[0] - sampling.padding[0] + row * sampling.dilation[0] + offsets[b, oy, ox, 2 * place]
        x = ox * sampling.strides[1] - sampling.padding[1] + column * sampling.dilation[1]
        x += offsets[b, oy, ox, 2 * place + 1]
        if not (-1 < y < height and -1 < x < width):
            continue
        top, left = int(np.floor(y)), int(np.floor(x))
        down, right = y - top, x - left
        value = (1 - down) * ((1 - right) * pixel(b, top, left, c) + right * pixel(b, top, left + 1, c))
        value += down * ((1 - right) * pixel(b, top + 1, left, c) + right * pixel(b, top + 1, left + 1, c))
        output[b, oy, ox] += masks[b, oy, ox, place] * value * kernel[row, column, c]
    return output


def random_case(rng, sampling: Sampling, channels: int, out_channels: int, batch=2, height=6, width=5) -> list:
    """Returns random inputs, offsets, masks and kernel, float64."""
    out_hw = output_side(height, sampling, 0), output_side(width, sampling, 1)
    places = sampling.groups * sampling.taps
    return [
        rng.normal(size=(batch, height, width, channels)),
        rng.normal(0, 1.5, size=(batch, *out_hw, 2 * places)),
        rng.uniform(size=(batch, *out_hw, places)),
        rng.normal(size=(*sampling.kernel_hw, channels, out_channels)),
    ]


def slope(arrays: list, which: int, direction: np.ndarray, pull: np.ndarray, sampling: Sampling) -> float:
    """Returns the derivative of sum(outputs * pull) for a move of one of the arrays in a direction."""
    step = 1e-6
    moved = [[a + sign * step * direction if i == which else a for i, a in enumerate(arrays)] for sign in (1, -1)]
    ahead, behind = (np.sum(slow_deformable_conv(*case, sampling) * pull) for case in moved)
    return (ahead - behind) / (2 * step)


def check_gradients(gradients: list, arrays: list, pull: np.ndarray, sampling: Sampling, rng) -> None:
    """Checks that the gradient for each array is the slope of the definition in a random direction."""
    for which, gradient in enumerate(gradients):
        direction = rng.normal(size=arrays[which].shape)
        expected = slope(arrays, which, direction, pull, sampling)
        np.testing.assert_allclose(np.sum(np.asarray(gradient) * direction), expected, rtol=2e-4, atol=2e-3)


def check_published_gradients(gradients: list, expected: list | None) -> None:
    """Checks that the gradients for inputs, offsets, masks and kernel are those of the fixture, if it has them."""
    for gradient, wanted, tolerance in zip(gradients, expected or gradients, (2e-5, 2e-5, 2e-5, 5e-5), strict=True):
        np.testing.assert_allclose(gradient, wanted, atol=tolerance)


def published_case(fixture: dict, case: str) -> tuple:
    """Returns (arguments, gradient of the outputs, outputs, gradients or None) of a case of the fixture, in our layout.

    Offsets of whole pixels lie on the kinks of interpolation: a case with only those has no gradients to compare.
    """

    def nhwc(name):
        return np.ascontiguousarray(fixture[f"{case}_{name}"].transpose(0, 2, 3, 1))

    def kernel(name):
        return fixture[f"{case}_{name}"].transpose(2, 3, 1, 0)

    names = ("x", "offset", "mask")
    outputs = nhwc("y") - fixture[f"{case}_bias"]
    gradients = None
    if f"{case}_grad_x" in fixture:
        gradients = [*(nhwc(f"grad_{name}") for name in names), kernel("grad_weight")]
    return [*(nhwc(name) for name in names), kernel("weight")], nhwc("grad_y"), outputs, gradients
