"""The table of networks, and backbones that are given as values.

A backbone turns normalised images into a list of stride-4 maps, one per supervised stack. A new network is one file
and one row of `BACKBONES`.
"""

import dataclasses
import functools
from collections.abc import Callable

from keras_centernet.errors import UserError, look_up
from keras_centernet.networks import mobilenet
from keras_centernet.networks.blocks import dense_norm, separable_norm
from keras_centernet.networks.dla import build_dla34, build_dla34_plain, build_dla34_v0
from keras_centernet.networks.heads import build_heads, build_shared_heads
from keras_centernet.networks.hourglass import build_hourglass
from keras_centernet.networks.keras_applications import NESTED_NAME, Application
from keras_centernet.networks.own import build_from, own_multiple, to_model
from keras_centernet.networks.resnet import build_resnet

EDGE_TPU_SIDE = 320  # it has 8 MB of memory; from about 352 on its compiler reports "large activation tensors"
LIGHT_HEAD_CHANNELS = 48
# Exports in which networks of common operators were run; "edgetpu" needs the operators of Coral's list, too.
_ALL = ("float32", "float16", "dynamic", "int8", "saved_model", "onnx")
_DEFORMABLE = ("float32", "float16", "dynamic", "saved_model", "onnx")  # int8 was tried: the converter fails


@dataclasses.dataclass(frozen=True)
class Backbone:
    """One row of the table of networks.

    Attributes:
        build: function of symbolic images -> list of stride-4 maps.
        normalization: key of `normalization.NORMALIZATIONS`: the statistics that its weights expect.
        build_heads: function of (map, task, channels, prefix of the layers' names) -> head maps.
        head_channels: width of the heads' hidden convolution.
        multiple_of: number of which input height and width must be multiples.
        deformable: whether it has deformable convolutions; its `_plain` sibling has none.
        backbone_layers: name of the nested model, or prefixes of the names of the layers, that ImageNet weights fill
            and that `freeze="backbone"` selects; empty: there are no such layers.
        takes_imagenet_file: whether ImageNet weights come from a file (see `weights.imagenet`).
        load_imagenet: function of the built network that downloads ImageNet weights into it, or None.
        exports: keys of `exporting.table.EXPORTS`: what the network was exported to and run in, see
            `benchmarks/exports.py`.
        edge_tpu_side: largest input side with which the network suits Coral's Edge TPU, which supports all its
            operators and has memory for its maps up to that side. None: it does not suit the Edge TPU.
        parameters: trained parameters of a detector of 80 classes; None: not counted.
        gflop: of that detector for an image of 512x512, two per multiply-add; None: not counted.
    """

    build: Callable
    normalization: str = "published"
    build_heads: Callable = build_heads
    head_channels: int = 64
    multiple_of: int = 32
    deformable: bool = False
    backbone_layers: tuple[str, ...] = ()
    takes_imagenet_file: bool = False
    load_imagenet: Callable | None = None
    exports: tuple[str, ...] = ("float32",)
    edge_tpu_side: int | None = None
    parameters: int | None = None
    gflop: float | None = None


def find_backbone(backbone: str | Callable) -> tuple[str, Backbone]:
    """Returns the name and the row of a backbone, see `CenterNet`.

    Raises:
        UserError: the key is unknown, or the value of another kind.
    """
    if isinstance(backbone, str):
        return backbone, look_up(BACKBONES, backbone, "backbone")
    if not callable(backbone):
        known = ", ".join(BACKBONES)
        raise UserError(f"backbone: expected one of {known}, a Keras model or a function of images, got {backbone!r}.")
    model = to_model(backbone)
    name = model.name if model is backbone else getattr(backbone, "__name__", "own_backbone")
    return name, Backbone(
        functools.partial(build_from, model),
        normalization="imagenet",
        head_channels=LIGHT_HEAD_CHANNELS,
        multiple_of=own_multiple(model),
        backbone_layers=(model.name,),
        exports=(),
    )


def _application(row: Application, edge_tpu_side: int | None = None, **options) -> Backbone:
    return Backbone(
        row.build,
        normalization=row.normalization,
        head_channels=LIGHT_HEAD_CHANNELS,
        backbone_layers=(NESTED_NAME,),
        load_imagenet=row.load_imagenet,
        edge_tpu_side=edge_tpu_side,
        **options,
    )


def _mobile(row: Application, hide: Callable, **options) -> Backbone:
    build = functools.partial(build_shared_heads, hide=hide)
    return _application(row, EDGE_TPU_SIDE, build_heads=build, exports=(*_ALL, "edgetpu"), **options)


def _resnet(depth: int, deformable: bool, **options) -> Backbone:
    return Backbone(
        functools.partial(build_resnet, depth, deformable),
        deformable=deformable,
        backbone_layers=("conv1", "bn1", "layer"),
        takes_imagenet_file=True,
        **options,
    )


def _dla(build: Callable, **options) -> Backbone:
    return Backbone(build, head_channels=256, backbone_layers=("base.",), takes_imagenet_file=True, **options)


def _hourglass(stacks: int, **options) -> Backbone:
    return Backbone(functools.partial(build_hourglass, stacks), head_channels=256, multiple_of=128, **options)


BACKBONES = {
    "dla34": _dla(build_dla34, deformable=True, parameters=19_634_164, gflop=66.1),
    "dla34_v0": _dla(build_dla34_v0, parameters=17_919_748, gflop=62.1),
    "dla34_plain": _dla(build_dla34_plain, exports=_ALL, parameters=18_994_436, gflop=61.4),
    "hourglass104": _hourglass(2, exports=(), parameters=191_284_008, gflop=585.4),
    "hourglass52": _hourglass(1, parameters=95_454_676, gflop=287.5),
    "resnet18": _resnet(18, deformable=True, exports=_DEFORMABLE, parameters=14_437_349, gflop=26.6),
    "resnet34": _resnet(34, deformable=True, parameters=24_545_509, gflop=45.9),
    "resnet50": _resnet(50, deformable=True, parameters=30_681_061, gflop=52.4),
    "resnet101": _resnet(101, deformable=True, parameters=49_673_189, gflop=91.2),
    "resnet152": _resnet(152, deformable=True, parameters=65_316_837, gflop=130.0),
    "resnet18_plain": _resnet(18, deformable=False, exports=_ALL, parameters=15_820_372, gflop=45.4),
    "resnet34_plain": _resnet(34, deformable=False, parameters=25_928_532, gflop=64.8),
    "resnet50_plain": _resnet(50, deformable=False, parameters=34_443_348, gflop=72.4),
    "resnet101_plain": _resnet(101, deformable=False, parameters=53_435_476, gflop=111.2),
    "resnet152_plain": _resnet(152, deformable=False, parameters=69_079_124, gflop=150.0),
    "mobilenet_v2": _application(
        mobilenet.MOBILENET_V2, EDGE_TPU_SIDE, exports=(*_ALL, "edgetpu"), parameters=2_888_996, gflop=7.5
    ),
    "mobilenet_v3_small": _application(mobilenet.MOBILENET_V3_SMALL, parameters=1_354_436, gflop=4.5),
    "mobilenet_v3_large": _application(mobilenet.MOBILENET_V3_LARGE, parameters=3_314_004, gflop=6.1),
    "mobilenet_v3_small_minimalistic": _application(
        mobilenet.MOBILENET_V3_SMALL_MINIMALISTIC,
        EDGE_TPU_SIDE,
        exports=(*_ALL, "edgetpu"),
        parameters=856_316,
        gflop=4.4,
    ),
    "mobilenet_v3_large_minimalistic": _application(
        mobilenet.MOBILENET_V3_LARGE_MINIMALISTIC,
        EDGE_TPU_SIDE,
        exports=("float32", "int8", "edgetpu"),
        parameters=1_755_260,
        gflop=6.0,
    ),
    "mobile_nano": _mobile(mobilenet.MOBILE_NANO, separable_norm, parameters=486_860, gflop=1.1),
    "mobile_small": _mobile(mobilenet.MOBILE_SMALL, dense_norm, parameters=933_156, gflop=2.2),
    "mobile_medium": _mobile(mobilenet.MOBILE_MEDIUM, dense_norm, parameters=1_403_708, gflop=3.3),
}
