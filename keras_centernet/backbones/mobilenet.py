"""MobileNet V2 and V3 of keras.applications with a light path back up to stride 4."""

import functools

import keras

from keras_centernet.backbones.up_path import up_path
from keras_centernet.errors import UserError
from keras_centernet.layers import BatchNormalization
from keras_centernet.specs import Tensor

# Layers of keras.applications whose outputs have strides 32, 16, 8 and 4.
TAPS = {
    "MobileNetV2": ("out_relu", "block_13_expand_relu", "block_6_expand_relu", "block_3_expand_relu"),
    "MobileNetV3Small": (
        "expanded_conv_10_add",
        "expanded_conv_7_add",
        "expanded_conv_2_add",
        "expanded_conv_project_bn",
    ),
    "MobileNetV3Large": (
        "expanded_conv_14_add",
        "expanded_conv_11_add",
        "expanded_conv_5_add",
        "expanded_conv_2_add",
    ),
}


def build_mobilenet_v2(images: Tensor, weights: str | None = None) -> list:
    """Returns [(B, H / 4, W / 4, 48) map] of MobileNetV2 on images in -1..1; see `_build`."""
    return _build("MobileNetV2", images, weights)


def build_mobilenet_v3(size: str, minimalistic: bool, images: Tensor, weights: str | None = None) -> list:
    """Returns [(B, H / 4, W / 4, 48) map] of MobileNetV3 on images in -1..1; see `_build`.

    Args:
        size: "Small" or "Large".
        minimalistic: the form with ReLU only, 3x3 kernels and no squeeze-and-excite: what the Edge TPU takes.
        images: (B, H, W, 3) symbolic tensor.
        weights: None or "imagenet".
    """
    return _build(f"MobileNetV3{size}", images, weights, include_preprocessing=False, minimalistic=minimalistic)


def _build(kind: str, images, weights: str | None, **options) -> list:
    """Taps a keras.applications network and walks back up.

    Its batch normalisation gets the published momentum 0.9 and epsilon 1e-5 (applications: 0.999 and
    1e-3, too slow for short trainings); pretrained variances are shifted so that outputs stay equal.
    """
    application = getattr(keras.applications, kind)
    build = functools.partial(application, include_top=False, input_shape=(None, None, 3), **options)
    if weights not in (None, "imagenet"):
        raise UserError(f"backbone_weights of {kind}: expected None or 'imagenet', got {weights!r}.")
    try:
        base = build(weights=weights)
    except Exception as error:
        if weights is None:
            raise
        raise UserError(
            f"The ImageNet weights of {kind} could not be downloaded ({_first_line(error)}): connect this machine "
            "to the internet once, or train with backbone_weights=None."
        ) from error
    network = keras.models.clone_model(base, clone_function=_with_published_batch_norm)
    if weights:
        _copy_weights(base, network)
    taps = [network.get_layer(name).output for name in TAPS[kind]]
    backbone = keras.Model(network.inputs, taps, name="backbone")
    return [up_path(list(backbone(images)))]


def _with_published_batch_norm(layer):
    if isinstance(layer, keras.layers.BatchNormalization):
        return BatchNormalization(name=layer.name)
    return layer.__class__.from_config(layer.get_config())


def _copy_weights(base, network) -> None:
    network.set_weights(base.get_weights())
    for source, layer in zip(base.layers, network.layers, strict=True):
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_variance.assign(source.moving_variance + source.epsilon - layer.epsilon)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
