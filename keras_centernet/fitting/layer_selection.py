"""Selects layers of a network, the backbone's or by patterns of names, to freeze them or change learning rates."""

import fnmatch
from collections.abc import Iterator, Sequence

import keras

from keras_centernet.errors import UserError
from keras_centernet.networks.build import count_stacks, stack_prefixes
from keras_centernet.networks.layers.deformable_conv import DeformableConv2D

BACKBONE = "backbone"


def freeze(network: keras.Model, selection: Sequence[str], backbone_layers: tuple[str, ...]) -> None:
    """Freezes the selected layers, and makes all others trainable.

    Frozen batch normalisation neither uses nor moves the statistics of batches. Arguments as in `select_layers`.

    Raises:
        UserError: nothing matches, or nothing is left to train.
    """
    chosen = select_layers(network, selection, backbone_layers)
    for layer in _all_layers(network):
        layer.trainable = True
    for layer in chosen:
        layer.trainable = False
    if not network.trainable_variables:
        raise UserError(
            f"freeze: expected a selection that leaves something to train, got all of it: {', '.join(selection)}."
        )


def select_layers(
    network: keras.Model, selection: Sequence[str], backbone_layers: tuple[str, ...]
) -> list[keras.layers.Layer]:
    """Returns the layers of a network that match an entry of the selection.

    Args:
        network: of `build_network`.
        selection: entries: "backbone" for the layers that ImageNet weights fill, or a pattern of layer names with *, ?
            and [...]; layers inside nested models are included.
        backbone_layers: of the network's `Backbone`.

    Raises:
        UserError: an entry matches nothing.
    """
    found = []
    for entry in selection:
        if entry == BACKBONE and backbone_layers:
            layers = _backbone_of(network, backbone_layers)
        else:
            layers = [layer for layer in _all_layers(network) if fnmatch.fnmatchcase(layer.name, entry)]
        if not layers:
            raise UserError(_explain(network, entry))
        found += layers
    return found


def _backbone_of(network: keras.Model, backbone_layers: tuple[str, ...]) -> list[keras.layers.Layer]:
    """Returns the nested model of exactly such a name or, if there is none, the layers whose names begin like this."""
    nested = [layer for layer in network.layers if isinstance(layer, keras.Model) and layer.name in backbone_layers]
    return nested or [layer for layer in _all_layers(network) if layer.name.startswith(backbone_layers)]


def backbone_paths(network: keras.Model, backbone_layers: tuple[str, ...]) -> tuple[str, ...]:
    """Returns the paths (`variable.path`) of the trainable variables of the backbone."""
    layers = select_layers(network, (BACKBONE,), backbone_layers)
    return tuple(dict.fromkeys(variable.path for layer in layers for variable in layer.trainable_variables))


def last_layer_paths(network: keras.Model, head: str) -> tuple[str, ...]:
    """Returns the paths of the trainable variables of a head's last convolutions, one in each stack."""
    layers = [network.get_layer(f"{prefix}{head}") for prefix in stack_prefixes(count_stacks(network))]
    return tuple(variable.path for layer in layers for variable in layer.trainable_variables)


def sampling_paths(network: keras.Model) -> tuple[str, ...]:
    """Returns the paths of the variables of deformable convolutions that predict offsets and masks; () if none."""
    layers = [layer for layer in _all_layers(network) if isinstance(layer, DeformableConv2D)]
    return tuple(variable.path for layer in layers for variable in (layer.offset_kernel, layer.offset_bias))


def _all_layers(network: keras.Model) -> Iterator[keras.layers.Layer]:
    for layer in network.layers:
        yield layer
        if isinstance(layer, keras.Model):
            yield from _all_layers(layer)


def _explain(network: keras.Model, entry: str) -> str:
    if entry == BACKBONE:
        return f"freeze: {network.name} has no layers that ImageNet weights fill; select its layers by patterns."
    names = [layer.name for layer in _all_layers(network) if layer.weights]
    return f"freeze: expected a pattern of layers of {network.name} ({', '.join(names[:3])}, ...), got {entry!r}."
