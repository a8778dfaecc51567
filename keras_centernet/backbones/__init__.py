"""The networks: image -> list of stride-4 maps, one per supervised stack. A new one is a line in `BACKBONES`."""

import dataclasses
import functools
from collections.abc import Callable

from keras_centernet.backbones.mobilenet import build_mobilenet_v2, build_mobilenet_v3
from keras_centernet.backbones.resnet import build_resnet_plain

MOBILE_HEAD_CHANNELS = 48


@dataclasses.dataclass(frozen=True)
class Backbone:
    """One row of the table of networks.

    Attributes:
        build: function (images, weights=None) -> list of stride-4 maps.
        normalization: key of `preprocessing.NORMALIZATIONS`: the statistics its weights want.
        head_channels: width of the heads' hidden convolution.
        multiple_of: what input height and width must be multiples of.
    """

    build: Callable
    normalization: str = "published"
    head_channels: int = 64
    multiple_of: int = 32


def _mobilenet_v3(size: str, minimalistic: bool = False) -> Backbone:
    return Backbone(functools.partial(build_mobilenet_v3, size, minimalistic), "minus_one_to_one", MOBILE_HEAD_CHANNELS)


BACKBONES = {
    "mobilenet_v2": Backbone(build_mobilenet_v2, "minus_one_to_one", MOBILE_HEAD_CHANNELS),
    "mobilenet_v3_small": _mobilenet_v3("Small"),
    "mobilenet_v3_large": _mobilenet_v3("Large"),
    "mobilenet_v3_small_minimalistic": _mobilenet_v3("Small", minimalistic=True),
    "mobilenet_v3_large_minimalistic": _mobilenet_v3("Large", minimalistic=True),
    "resnet18_plain": Backbone(functools.partial(build_resnet_plain, (2, 2, 2, 2))),
}
