"""Networks of keras.applications with a light path back up to stride 4. A new one is an `Application`."""

import dataclasses
from collections.abc import Callable, Mapping

import keras

from keras_centernet.errors import UserError, first_line
from keras_centernet.method.specs import Tensor
from keras_centernet.networks.layers import BatchNormalization
from keras_centernet.networks.up_path import up_path

NESTED_NAME = "backbone"  # the layer that holds the network of keras.applications


@dataclasses.dataclass(frozen=True)
class Application:
    """A network of keras.applications without its top, and the layers at which the path back up taps it.

    Its batch normalisation gets the published momentum and epsilon, see `BatchNormalization`.

    Attributes:
        function: name of the function in keras.applications that builds it.
        taps: names of the layers whose outputs have strides 32, 16, 8 and 4.
        normalization: key of `NORMALIZATIONS` for the images that it takes.
        options: further arguments of that function, such as {"include_preprocessing": False}.
        path: function of the taps' maps, coarsest first -> the map of stride 4.
    """

    function: str
    taps: tuple[str, str, str, str]
    normalization: str = "minus_one_to_one"
    options: Mapping = dataclasses.field(default_factory=dict)
    path: Callable = up_path

    def build(self, images: Tensor) -> list:
        """Returns [(B, H / 4, W / 4, D) map] of symbolic images (B, H, W, 3)."""
        base = self._create(None, tuple(images.shape[1:]))
        network = keras.models.clone_model(base, clone_function=_with_published_batch_norm)
        taps = [network.get_layer(name).output for name in self.taps]
        return [self.path(list(keras.Model(network.inputs, taps, name=NESTED_NAME)(images)))]

    def load_imagenet(self, network: keras.Model) -> None:
        """Downloads the ImageNet weights into a network that contains what `build` returned.

        Variances are shifted by the difference of the epsilons, so that outputs stay equal.

        Raises:
            UserError: the weights could not be downloaded.
        """
        try:
            base = self._create("imagenet", (None, None, 3))
        except Exception as error:
            raise UserError(
                f"The ImageNet weights of {self.function} could not be downloaded ({first_line(error)}): "
                "connect this machine to the internet once, or train with backbone_weights=None."
            ) from error
        _copy_weights(base, network.get_layer(NESTED_NAME))

    def _create(self, weights: str | None, input_shape: tuple) -> keras.Model:
        create = getattr(keras.applications, self.function)
        return create(include_top=False, input_shape=input_shape, weights=weights, **self.options)


def _with_published_batch_norm(layer):
    if isinstance(layer, keras.layers.BatchNormalization):
        return BatchNormalization(name=layer.name)
    return layer.__class__.from_config(layer.get_config())


def _copy_weights(base, network) -> None:
    for layer in (layer for layer in network.layers if layer.weights):  # it has no layers after the taps
        source = base.get_layer(layer.name)
        layer.set_weights(source.get_weights())
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_variance.assign(source.moving_variance + source.epsilon - layer.epsilon)
