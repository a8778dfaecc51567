"""DLA-34, deep layer aggregation: trees of residual blocks, and three ways back up to stride 4."""

from collections.abc import Callable

import keras

from keras_centernet.method.specs import Tensor
from keras_centernet.networks.blocks import basic_block, conv_norm, deformable_norm
from keras_centernet.networks.layers import DepthwiseUpsampling2D

STEM_CHANNELS = (16, 16, 32)  # strides 1, 1 and 2
# Stages of strides 4 to 32: (channels, depth of the tree, whether its input joins the last root).
STAGES = ((64, 1, False), (128, 2, True), (256, 2, True), (512, 1, True))


def build_dla34(images: Tensor) -> list:
    """Returns [(B, H / 4, W / 4, 64) map] of the paper's modified DLA-34 with deformable convolutions.

    Args:
        images: (B, H, W, 3) symbolic tensor of normalised images.

    Source: paper section 5 "DLA" and figure 6; `dla_34` of the published code: a deformable convolution
        before and after every doubling, and another aggregation of the three finest results. The code's
        `level3.project` and `level4.project`, which affect no output, are left out.
    """
    return [_iterative_up(_trees(images), deformable_norm)]


def build_dla34_plain(images: Tensor) -> list:
    """Returns the map of `build_dla34` with plain 3x3 convolutions in place of the deformable ones."""
    return [_iterative_up(_trees(images), _plain_norm)]


def build_dla34_v0(images: Tensor) -> list:
    """Returns [(B, H / 4, W / 4, 64) map] of the original DLA-34 up path: 1x1 convolutions, doubling, concatenation.

    Source: `dlav0_34` of the published code; "Deep Layer Aggregation" (Yu et al. 2018).
    """
    return [_aggregate_all(_trees(images), _project_1x1, _concatenate_and_settle)[0]]


# -- the trees


def _trees(images) -> list:
    """Returns the maps of strides 4, 8, 16 and 32."""
    x = conv_norm(images, STEM_CHANNELS[0], 7, conv="base.base_layer.0", norm="base.base_layer.1")
    for i, channels in enumerate(STEM_CHANNELS[1:]):
        x = conv_norm(x, channels, 3, stride=i + 1, conv=f"base.level{i}.0", norm=f"base.level{i}.1")
    maps = []
    for i, (channels, depth, joins_root) in enumerate(STAGES, start=2):
        x = _tree(x, depth, channels, 2, f"base.level{i}", joins_root)
        maps.append(x)
    return maps


def _tree(x, depth: int, channels: int, stride: int, name: str, joins_root: bool, joining: tuple = ()):
    """Two subtrees (residual blocks at depth 1) whose results meet in a root, with the maps of `joining`."""
    bottom = keras.layers.MaxPooling2D(stride, name=f"{name}.downsample")(x) if stride > 1 else x
    if joins_root:
        joining = (*joining, bottom)
    if depth > 1:
        first = _tree(x, depth - 1, channels, stride, f"{name}.tree1", False)
        return _tree(first, depth - 1, channels, 1, f"{name}.tree2", False, (*joining, first))
    shortcut = bottom
    if x.shape[-1] != channels:
        project = f"{name}.project"
        shortcut = conv_norm(bottom, channels, 1, activation=None, conv=f"{project}.0", norm=f"{project}.1")
    first = basic_block(x, shortcut, channels, stride, f"{name}.tree1")
    second = basic_block(first, first, channels, 1, f"{name}.tree2")
    together = keras.layers.Concatenate(name=f"{name}.root_concat")([second, first, *joining])
    return conv_norm(together, channels, 1, conv=f"{name}.root.conv", norm=f"{name}.root.bn")


# -- the way back up


def _iterative_up(maps: list, conv: Callable):
    """Aggregates all stages, then the three finest results once more; `conv` is the convolution of each step."""

    def project(x, channels, name):
        return conv(x, channels, conv=f"{name}.conv", norm=f"{name}.actf.0")

    def join(before, x, name):
        total = keras.layers.Add(name=f"{name}_sum")([x, before])
        return project(total, x.shape[-1], name)

    results = _aggregate_all(maps, project, join)
    return _aggregate(results, results[0].shape[-1], (2, 4), "ida_up", project, join)[-1]


def _aggregate_all(maps: list, project: Callable, join: Callable) -> list:
    """Returns the results of strides 4, 8 and 16: stage by stage from the coarsest, each joins all coarser ones."""
    results = []
    for step in range(len(maps) - 1):
        start, factors = len(maps) - 2 - step, (2,) * (step + 1)
        channels, name = maps[start].shape[-1], f"dla_up.ida_{step}"
        maps = maps[:start] + _aggregate(maps[start:], channels, factors, name, project, join)
        results.insert(0, maps[-1])
    return results


def _aggregate(maps: list, channels: int, factors: tuple, name: str, project: Callable, join: Callable) -> list:
    """Returns the first map and, for each further map, upsampled, its join with the result before."""
    joined = [maps[0]]
    for i, (x, factor) in enumerate(zip(maps[1:], factors, strict=True), start=1):
        x = DepthwiseUpsampling2D(factor, name=f"{name}.up_{i}")(project(x, channels, f"{name}.proj_{i}"))
        joined.append(join(joined[-1], x, f"{name}.node_{i}"))
    return joined


def _plain_norm(x, channels: int, *, conv: str, norm: str):
    return conv_norm(x, channels, 3, conv=conv, norm=norm)


def _project_1x1(x, channels: int, name: str):
    return conv_norm(x, channels, 1, conv=f"{name}.0", norm=f"{name}.1")


def _concatenate_and_settle(before, x, name: str):
    together = keras.layers.Concatenate(name=f"{name}_concat")([before, x])
    return conv_norm(together, x.shape[-1], 3, conv=f"{name}.0", norm=f"{name}.1")
