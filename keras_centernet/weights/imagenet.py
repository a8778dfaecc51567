"""ImageNet classifiers -> the lower part of our networks, to start a training from."""

import os

import keras

from keras_centernet.errors import UserError
from keras_centernet.method.specs import Task
from keras_centernet.networks.table import Backbone
from keras_centernet.weights.checkpoint import read_checkpoint
from keras_centernet.weights.fill import fill
from keras_centernet.weights.published import published_variables, to_keras_layout

DOWNLOADED = "imagenet"


def load_imagenet(network: keras.Model, row: Backbone, task: Task, source: str | os.PathLike) -> None:
    """Fills the lower part of a network with weights that were trained on ImageNet.

    Args:
        network: of `build_network`.
        row: of its backbone.
        task: whose heads it has; they and the upsampling path keep their random start.
        source: "imagenet" (downloaded by keras.applications, for the MobileNets), or a file: torchvision's
            ResNets, or DLA-34 as its authors (`dla34-ba72cf86.pth`) or timm name its tensors.

    Raises:
        UserError: the network takes ImageNet weights only in the other way, or not at all, or the file does not fit.
    """
    source = os.fspath(source)
    if source == DOWNLOADED and row.load_imagenet:
        row.load_imagenet(network)
    elif source != DOWNLOADED and row.takes_imagenet_file:
        _load_file(network, task, row.backbone_layers, source)
    else:
        raise UserError(f"backbone_weights of {network.name}: expected {_ways(row)}, got {source!r}.")


def _load_file(network, task: Task, beginnings: tuple[str, ...], path: str) -> None:
    published = published_variables(network, task)
    variables = {name: variable for name, variable in published.items() if name.startswith(beginnings)}
    # A beginning that ends in a dot is the module that holds the whole classifier; the classifier's file omits it.
    inside = beginnings[0] if beginnings[0].endswith(".") else ""
    arrays = {
        name if name.startswith(beginnings) else inside + name: to_keras_layout(array)
        for name, array in read_checkpoint(path).items()
    }
    fill(variables, arrays, path)


def _ways(row: Backbone) -> str:
    if row.load_imagenet:
        return f"None or {DOWNLOADED!r}"
    if row.takes_imagenet_file:
        return "None or the path of a PyTorch checkpoint of the classifier (torchvision's, timm's)"
    return "None (there is no classifier of that kind)"
