"""MobileNet V2 and V3: the networks of phones and boards."""

from keras_centernet.networks.keras_applications import Application

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
