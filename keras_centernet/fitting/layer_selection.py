"""Parts of a network by name: the backbone, or layers that match a pattern; for freezing and slower training."""

import fnmatch
from collections.abc import Iterator, Sequence

import keras

from keras_centernet.errors import UserError
from keras_centernet.networks.table import BACKBONES

BACKBONE = "backbone"


def freeze(network: keras.Model, parts: Sequence[str]) -> None:
    """Makes the layers of these parts keep their weights, and all others trainable.

    Frozen batch normalisation neither uses nor moves the statistics of batches.

    Args:
        network: of `build_network`.
        parts: "backbone" or patterns, see `layers_of`.

    Raises:
        UserError: a part has no layers, or nothing is left to train.
    """
    chosen = layers_of(network, parts)
    for layer in _all_layers(network):
        layer.trainable = True
    for layer in chosen:
        layer.trainable = False
    if not network.trainable_variables:
        raise UserError(f"freeze: expected parts that leave something to train, got all of it: {', '.join(parts)}.")


def layers_of(network: keras.Model, parts: Sequence[str]) -> list[keras.layers.Layer]:
    """Returns the layers of a network that belong to one of the parts.

    Args:
        network: of `build_network`.
        parts: "backbone", the part that ImageNet weights fill, or patterns of layers' names with *, ? and [...],
            also of those inside of nested models.

    Raises:
        UserError: a part has no layers.
    """
    found = []
    for part in parts:
        layers = [layer for layer in _all_layers(network) if _belongs(layer.name, part, network.name)]
        if not layers:
            raise UserError(_explain(network, part))
        found += layers
    return found


def backbone_paths(network: keras.Model) -> tuple[str, ...]:
    """Returns the paths (`variable.path`) of the trainable variables of the backbone."""
    layers = layers_of(network, (BACKBONE,))
    return tuple(dict.fromkeys(variable.path for layer in layers for variable in layer.trainable_variables))


def _belongs(name: str, part: str, backbone: str) -> bool:
    if part == BACKBONE and (beginnings := BACKBONES[backbone].imagenet_file):
        return name.startswith(beginnings)
    return fnmatch.fnmatchcase(name, part)


def _all_layers(network: keras.Model) -> Iterator[keras.layers.Layer]:
    for layer in network.layers:
        yield layer
        if isinstance(layer, keras.Model):
            yield from _all_layers(layer)


def _explain(network: keras.Model, part: str) -> str:
    if part == BACKBONE:
        return f"freeze: {network.name} has no part that ImageNet weights fill; name its layers by patterns."
    names = [layer.name for layer in _all_layers(network) if layer.weights]
    return f"freeze: expected a pattern of layers of {network.name} ({', '.join(names[:3])}, ...), got {part!r}."
