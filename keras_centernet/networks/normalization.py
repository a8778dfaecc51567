"""Normalisation of images on the device, and colour augmentation folded into it.

Brightness, contrast, saturation and lighting are linear in an image's colours: composed into one 3x3 matrix and one
bias per image, together with the normalisation, they cost no more than the normalisation alone.
"""

import numpy as np
from keras import ops

from keras_centernet.method.draws import normal
from keras_centernet.method.specs import Tensor

# (mean, standard deviation) of RGB in 0..1, and whether the network wants BGR.
NORMALIZATIONS = {
    # As published for COCO: statistics listed in BGR order and BGR input; listed here in RGB order.
    "published": ((0.47026115, 0.44719302, 0.40789654), (0.27809835, 0.27408164, 0.28863828), True),
    # As published for Pascal VOC and KITTI: the usual numbers of R, G, B, applied to B, G, R.
    "published_voc_kitti": ((0.406, 0.456, 0.485), (0.225, 0.224, 0.229), True),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), False),
    "minus_one_to_one": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5), False),
}

JITTER = 0.4  # As published: factors of brightness, contrast and saturation are 1 + U(-0.4, 0.4)
LIGHTING = 0.1  # As published: standard deviation along the principal colour axes
GRAY_RGB = (0.299, 0.587, 0.114)
PCA_VALUES = (0.2141788, 0.01817699, 0.00341571)
# Rows are R, G, B: the published rows are B, G, R.
PCA_VECTORS = (
    (-0.56089297, 0.71832671, 0.41158938),
    (-0.5832747, 0.00994535, -0.81221408),
    (-0.58752847, -0.69563484, 0.41340352),
)
RANDOM_NUMBERS = 7  # for the changes of one image: three factors, their order, three amounts of lighting
_ORDERS = ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))


def normalize(images: Tensor, normalization: str, dtype: str = "float32") -> Tensor:
    """Returns the images that a backbone takes, (B, H, W, 3) in `dtype`, BGR if the weights expect it.

    Args:
        images: (B, H, W, 3) RGB in 0..255, uint8 or float.
        normalization: key of `NORMALIZATIONS`.
        dtype: that the network computes in.
    """
    mean, deviation, to_bgr = NORMALIZATIONS[normalization]
    if len(set(mean)) == len(set(deviation)) == 1:  # scalars: vectors of three cost ONNX Runtime 6 ms more at 320 px
        mean, deviation = mean[0], deviation[0]
    scale = 1 / (255 * np.asarray(deviation, np.float32))
    shift = -np.asarray(mean, np.float32) / np.asarray(deviation, np.float32)
    images = ops.cast(images, "float32") * _constant(scale) + _constant(shift)
    return _to_input(images, to_bgr, dtype)


def augment_and_normalize(images: Tensor, normalization: str, numbers: Tensor, dtype: str = "float32") -> Tensor:
    """Returns normalised images after the published colour augmentation, drawn separately for each image.

    Brightness, contrast and saturation by 1 + U(-0.4, 0.4) in random order, then lighting along the
    principal colour axes; grey values and their mean come from the unchanged image; nothing is clipped.
    `numbers` are (B, RANDOM_NUMBERS) uniform random numbers between 0 and 1; other arguments as in `normalize`.

    Source: `color_aug` of the published code.
    """
    mean, deviation, to_bgr = NORMALIZATIONS[normalization]
    images = ops.cast(images, "float32") / 255
    gray_mean = ops.sum(ops.mean(images, axis=(1, 2)) * _constant(GRAY_RGB), axis=-1)
    factors = 1 + JITTER * (2 * numbers[:, :3] - 1)
    rows = ops.cast(ops.floor(numbers[:, 3] * len(_ORDERS)), "int32")
    order = ops.take(ops.convert_to_tensor(_ORDERS, "int32"), rows, axis=0)
    axes = LIGHTING * normal(numbers[:, 4:])
    matrix, bias = compose_colors(factors, order, axes, gray_mean)
    deviation = _constant(deviation)
    matrix = matrix / deviation[:, None]
    bias = (bias - _constant(mean)) / deviation
    # Three multiply-adds over the image: faster on CPUs than a matrix product of depth 3.
    columns = [images[..., i : i + 1] * matrix[:, None, None, :, i] for i in range(3)]
    return _to_input(columns[0] + columns[1] + columns[2] + bias[:, None, None, :], to_bgr, dtype)


def compose_colors(factors: Tensor, order: Tensor, axes: Tensor, gray_mean: Tensor) -> tuple[Tensor, Tensor]:
    """Returns one colour change per image as (matrix (B, 3, 3), bias (B, 3)): out = matrix @ rgb + bias.

    Args:
        factors: (B, 3) of brightness, contrast and saturation.
        order: (B, 3) int32, a permutation of 0, 1, 2: which of them comes first, second and third.
        axes: (B, 3) amounts of lighting along the principal colour axes.
        gray_mean: (B,) mean grey value of each unchanged image in 0..1.
    """
    batch = ops.shape(gray_mean)[0]
    gray = ops.broadcast_to(ops.convert_to_tensor([GRAY_RGB] * 3, "float32"), (batch, 3, 3))
    matrix = ops.broadcast_to(ops.eye(3, dtype="float32"), (batch, 3, 3))
    bias = ops.zeros((batch, 3))
    for step in range(3):
        kind = order[:, step]
        factor = ops.sum(factors * ops.one_hot(kind, 3, dtype="float32"), axis=-1)
        # The rest goes to the mean grey (contrast) or to the grey image (saturation).
        to_mean = ops.where(ops.equal(kind, 1), (1 - factor) * gray_mean, 0.0)
        to_gray = ops.where(ops.equal(kind, 2), 1 - factor, 0.0)
        matrix = factor[:, None, None] * matrix + to_gray[:, None, None] * gray
        bias = factor[:, None] * bias + to_mean[:, None]
    lighting = ops.matmul(axes * _constant(PCA_VALUES), _constant(np.transpose(PCA_VECTORS)))
    return matrix, bias + lighting


def _constant(values):
    """Returns a float32 tensor, because PyTorch warns where its tensors meet NumPy's arrays."""
    return ops.convert_to_tensor(np.asarray(values, np.float32))


def _to_input(images, to_bgr: bool, dtype: str):
    return ops.cast(ops.flip(images, axis=-1) if to_bgr else images, dtype)


def without_normalization(images: np.ndarray, normalization: str) -> np.ndarray:
    """Returns the RGB (B, H, W, 3) in 0..255, float32, that `normalize` turned into `images`; both as NumPy arrays."""
    mean, deviation, to_bgr = NORMALIZATIONS[normalization]
    rgb = images[..., ::-1] if to_bgr else images
    return 255 * (rgb.astype(np.float32) * np.float32(deviation) + np.float32(mean))
