"""MobileNet V2 and V3: the networks of phones and boards."""

import dataclasses
import functools

from keras_centernet.networks.keras_applications import Application
from keras_centernet.networks.light_path import light_path

MOBILENET_V2 = Application(
    "MobileNetV2", ("out_relu", "block_13_expand_relu", "block_6_expand_relu", "block_3_expand_relu")
)
_SMALL = ("expanded_conv_10_add", "expanded_conv_7_add", "expanded_conv_2_add", "expanded_conv_project_bn")
_LARGE = ("expanded_conv_14_add", "expanded_conv_11_add", "expanded_conv_5_add", "expanded_conv_2_add")
_USUAL = {"include_preprocessing": False, "minimalistic": False}
_MINIMALISTIC = _USUAL | {"minimalistic": True}  # ReLU only, 3x3 kernels, no squeeze-and-excite: for the Edge TPU
MOBILENET_V3_SMALL = Application("MobileNetV3Small", _SMALL, options=_USUAL)
MOBILENET_V3_LARGE = Application("MobileNetV3Large", _LARGE, options=_USUAL)
MOBILENET_V3_SMALL_MINIMALISTIC = Application("MobileNetV3Small", _SMALL, options=_MINIMALISTIC)
MOBILENET_V3_LARGE_MINIMALISTIC = Application("MobileNetV3Large", _LARGE, options=_MINIMALISTIC)


# The family for phones, boards and CPUs. Minimalistic forms begin with narrow maps: at 320 pixels the large one takes
# 0.7 of the time of MobileNetV2 in ONNX Runtime, OpenVINO and LiteRT, with the same accuracy on ImageNet.
_LIGHT = {"path": functools.partial(light_path, channels=(96, 64, 48))}
MOBILE_NANO = dataclasses.replace(MOBILENET_V3_SMALL_MINIMALISTIC, **_LIGHT)
MOBILE_SMALL = Application(
    "MobileNetV2", ("out_relu", "block_12_add", "block_5_add", "block_2_add"), options={"alpha": 0.5}, **_LIGHT
)
MOBILE_MEDIUM = dataclasses.replace(MOBILENET_V3_LARGE_MINIMALISTIC, **_LIGHT)
