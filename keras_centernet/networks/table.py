"""The networks: image -> list of stride-4 maps, one per supervised stack. A new one is a line in `BACKBONES`."""

import dataclasses
import functools
from collections.abc import Callable

from keras_centernet.networks.dla import build_dla34, build_dla34_plain, build_dla34_v0
from keras_centernet.networks.hourglass import build_hourglass
from keras_centernet.networks.keras_applications import build_mobilenet, load_imagenet
from keras_centernet.networks.resnet import build_resnet

EDGE_TPU_SIDE = 320  # 8 MB of memory; from about 352 on its compiler speaks of "large activation tensors"


@dataclasses.dataclass(frozen=True)
class Backbone:
    """One row of the table of networks.

    Attributes:
        build: function of symbolic images -> list of stride-4 maps.
        normalization: key of `preprocessing.NORMALIZATIONS`: the statistics its weights want.
        head_channels: width of the heads' hidden convolution.
        multiple_of: what input height and width must be multiples of.
        deformable: whether it has deformable convolutions; its `_plain` sibling has none.
        load_imagenet: function of the built network that downloads ImageNet weights into it, or None.
        imagenet_file: for networks that take ImageNet weights from a file: beginnings of the names of the
            tensors that such a file holds (see `weights.imagenet`).
        exports: what the network was exported to and run from.
        edge_tpu_side: largest side of an input with which the network is for Coral's Edge TPU: all its operators
            are Coral's, and its maps fit the memory. None: it is not.
    """

    build: Callable
    normalization: str = "published"
    head_channels: int = 64
    multiple_of: int = 32
    deformable: bool = False
    load_imagenet: Callable | None = None
    imagenet_file: tuple[str, ...] = ()
    exports: tuple[str, ...] = ("TFLite float32",)
    edge_tpu_side: int | None = None


def _mobilenet(kind: str, edge_tpu_side: int | None = None, **options) -> Backbone:
    return Backbone(
        functools.partial(build_mobilenet, kind, **options),
        normalization="minus_one_to_one",
        head_channels=48,
        load_imagenet=functools.partial(load_imagenet, kind, **options),
        edge_tpu_side=edge_tpu_side,
    )


def _resnet(depth: int, deformable: bool) -> Backbone:
    return Backbone(
        functools.partial(build_resnet, depth, deformable),
        deformable=deformable,
        imagenet_file=("conv1", "bn1", "layer"),
    )


def _dla(build: Callable, deformable: bool = False) -> Backbone:
    return Backbone(build, head_channels=256, deformable=deformable, imagenet_file=("base.",))


def _hourglass(stacks: int, **options) -> Backbone:
    return Backbone(functools.partial(build_hourglass, stacks), head_channels=256, multiple_of=128, **options)


BACKBONES = {
    "dla34": _dla(build_dla34, deformable=True),
    "dla34_v0": _dla(build_dla34_v0),
    "dla34_plain": _dla(build_dla34_plain),
    "hourglass104": _hourglass(2, exports=()),
    "hourglass52": _hourglass(1),
    "resnet18": _resnet(18, deformable=True),
    "resnet34": _resnet(34, deformable=True),
    "resnet50": _resnet(50, deformable=True),
    "resnet101": _resnet(101, deformable=True),
    "resnet152": _resnet(152, deformable=True),
    "resnet18_plain": _resnet(18, deformable=False),
    "resnet34_plain": _resnet(34, deformable=False),
    "resnet50_plain": _resnet(50, deformable=False),
    "resnet101_plain": _resnet(101, deformable=False),
    "resnet152_plain": _resnet(152, deformable=False),
    "mobilenet_v2": _mobilenet("MobileNetV2", EDGE_TPU_SIDE),
    "mobilenet_v3_small": _mobilenet("MobileNetV3Small"),
    "mobilenet_v3_large": _mobilenet("MobileNetV3Large"),
    "mobilenet_v3_small_minimalistic": _mobilenet("MobileNetV3Small", EDGE_TPU_SIDE, minimalistic=True),
    "mobilenet_v3_large_minimalistic": _mobilenet("MobileNetV3Large", EDGE_TPU_SIDE, minimalistic=True),
}
