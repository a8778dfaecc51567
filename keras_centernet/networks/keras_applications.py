"""MobileNet V2 and V3 of keras.applications with a light path back up to stride 4."""

import keras

from keras_centernet.errors import UserError
from keras_centernet.method.specs import Tensor
from keras_centernet.networks.layers import BatchNormalization
from keras_centernet.networks.up_path import up_path

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


NESTED_NAME = "backbone"


def build_mobilenet(kind: str, images: Tensor, minimalistic: bool = False) -> list:
    """Returns [(B, H / 4, W / 4, 48) map] of a keras.applications network on images in -1..1.

    Its batch normalisation gets the published momentum 0.9 and epsilon 1e-5 (applications: 0.999 and
    1e-3, too slow for short trainings).

    Args:
        kind: key of `TAPS`.
        images: (B, H, W, 3) symbolic tensor.
        minimalistic: MobileNetV3 with ReLU only, 3x3 kernels and no squeeze-and-excite: what the Edge TPU takes.
    """
    base = _application(kind, None, minimalistic, tuple(images.shape[1:]))
    network = keras.models.clone_model(base, clone_function=_with_published_batch_norm)
    taps = [network.get_layer(name).output for name in TAPS[kind]]
    backbone = keras.Model(network.inputs, taps, name=NESTED_NAME)
    return [up_path(list(backbone(images)))]


def load_imagenet(kind: str, network: keras.Model, minimalistic: bool = False) -> None:
    """Downloads the ImageNet weights of keras.applications into a network that `build_mobilenet` is part of.

    Variances are shifted by the difference of the epsilons, so that outputs stay equal.

    Raises:
        UserError: the weights could not be downloaded.
    """
    try:
        base = _application(kind, "imagenet", minimalistic)
    except Exception as error:
        raise UserError(
            f"The ImageNet weights of {kind} could not be downloaded ({_first_line(error)}): connect this machine "
            "to the internet once, or train with backbone_weights=None."
        ) from error
    _copy_weights(base, network.get_layer(NESTED_NAME))


def _application(kind: str, weights: str | None, minimalistic: bool, input_shape=(None, None, 3)):
    options = {} if kind == "MobileNetV2" else {"include_preprocessing": False, "minimalistic": minimalistic}
    application = getattr(keras.applications, kind)
    return application(include_top=False, input_shape=input_shape, weights=weights, **options)


def _with_published_batch_norm(layer):
    if isinstance(layer, keras.layers.BatchNormalization):
        return BatchNormalization(name=layer.name)
    return layer.__class__.from_config(layer.get_config())


def _copy_weights(base, network) -> None:
    for layer in (layer for layer in network.layers if layer.weights):  # the taps leave out the last layers of `base`
        source = base.get_layer(layer.name)
        layer.set_weights(source.get_weights())
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_variance.assign(source.moving_variance + source.epsilon - layer.epsilon)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
