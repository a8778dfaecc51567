"""The authors' checkpoints -> the variables of our networks.

Layers are named as the published modules, so a tensor's name is its layer's name and the word that
`TENSORS` has for the variable. Only the heads are named after what they predict; `HeadSpec.published_name`
is their name in a checkpoint.
"""

from collections.abc import Mapping

import keras
import numpy as np

from keras_centernet.errors import UserError
from keras_centernet.method.specs import Task
from keras_centernet.networks.build import count_stacks, stack_prefixes
from keras_centernet.networks.resnet import DEPTHS
from keras_centernet.weights.fill import fill

# What a layer's variable is called in PyTorch.
TENSORS = {
    "kernel": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
    "offset_kernel": "conv_offset_mask.weight",
    "offset_bias": "conv_offset_mask.bias",
}
COUNTER = "num_batches_tracked"  # of PyTorch's batch normalisation; unused


def fill_from_published(
    model: keras.Model, tensors: Mapping[str, np.ndarray], path: str, heads_may_lack: bool = False
) -> list[str]:
    """Fills a model from a published checkpoint; returns the names of the tensors that it did not use.

    A checkpoint of another number of classes fills all but the last layer of the heatmap; a printed line says so. If
    something else does not fit, nothing changes.

    Args:
        model: `CenterNet` of the checkpoint's architecture and task.
        tensors: what `read_checkpoint` returned.
        path: of the file, for messages.
        heads_may_lack: whether heads without any tensor in the checkpoint keep their random start; a line names them.

    Raises:
        UserError: the architecture differs, or a tensor is missing, has another shape or is not finite; it is named.
    """
    variables = published_variables(model.network, model.task, is_nested(tensors))
    known = recognise_backbone(tensors)
    if known and known != model.network.name:
        raise UserError(f"{path} holds a {known}, expected a {model.network.name}. Use CenterNet({known!r}).")
    arrays = {name: to_keras_layout(array) for name, array in tensors.items()}
    last_layers = [name for name in _last_of_heatmap(model, tensors) if name in arrays]
    anew = [name for name in last_layers if _is_of_other_classes(arrays[name], variables[name])]
    lacking = _lacking_heads(model.task, tensors) if heads_may_lack else {}
    new = [name for name in variables if name in anew or name.split(".")[0] in lacking]
    fill({name: variable for name, variable in variables.items() if name not in new}, arrays, path)
    if anew:
        heatmap = model.task.center_heatmap
        theirs = arrays[anew[0]].shape[-1]
        print(f"{path} has {theirs} classes, not {heatmap.channels}: the last layer of {heatmap.name} starts anew.")
    if lacking:
        print(f"{path} has no {', '.join(lacking.values())}: starts anew.")
    new_heads = [head.name for head in model.task.heads if not head.published_name]
    if new_heads:
        print(f"{path}: published checkpoints have no {', '.join(new_heads)}: starts anew.")
    return sorted(name for name in tensors if name not in variables and not name.endswith(COUNTER))


def published_variables(network: keras.Model, task: Task, nested: bool = False) -> dict[str, keras.Variable]:
    """Returns the network's variables by their names in a published checkpoint (`nested`: see `is_nested`).

    Heads that no checkpoint has (without a `published_name`) are left out.
    """
    heads = _head_layers(task, count_stacks(network), nested)
    variables = {}
    for variable in network.variables:
        layer, kind = variable.path.rsplit("/", 1)
        module = heads.get(layer, layer)
        if module:
            variables[f"{module}.{TENSORS[kind]}"] = variable
    return variables


def to_keras_layout(array: np.ndarray) -> np.ndarray:
    """Returns a PyTorch tensor in Keras' order of axes: (out, in, kh, kw) becomes (kh, kw, in, out).

    This is right for transposed convolutions too: (in, out, kh, kw) becomes (kh, kw, out, in).
    """
    return array.transpose(2, 3, 1, 0) if array.ndim == 4 else array


def is_nested(tensors: Mapping[str, np.ndarray]) -> bool:
    """Whether a checkpoint names its heads by stack (`hm.0.1.weight`, the hourglass) or not (`hm.2.weight`)."""
    return any(name.endswith(".0.0.conv.weight") for name in tensors)


def recognise_backbone(tensors: Mapping[str, np.ndarray]) -> str | None:
    """Returns the key in `BACKBONES` of the network that a checkpoint belongs to, or None."""
    names, rows = set(tensors), FINGERPRINTS.items()
    return next((key for key, (has, lacks) in rows if names.issuperset(has) and names.isdisjoint(lacks)), None)


def _head_layers(task: Task, stacks: int, nested: bool) -> dict[str, str]:
    """Returns {our layer: published module, or ""} of every head's two convolutions in every stack."""
    layers = {}
    for stack, prefix in enumerate(stack_prefixes(stacks)):
        for head in task.heads:
            name = head.published_name
            hidden, last = (f"{name}.{stack}.0.conv", f"{name}.{stack}.1") if nested else (f"{name}.0", f"{name}.2")
            hidden, last = (hidden, last) if name else ("", "")
            layers |= {f"{prefix}{head.name}_hidden": hidden, f"{prefix}{head.name}": last}
    return layers


def _last_of_heatmap(model, tensors) -> list[str]:
    nested, stacks = is_nested(tensors), count_stacks(model.network)
    heatmap = model.task.center_heatmap.name
    modules = _head_layers(model.task, stacks, nested)
    return [f"{modules[f'{p}{heatmap}']}.{kind}" for p in stack_prefixes(stacks) for kind in ("weight", "bias")]


def _is_of_other_classes(array: np.ndarray, variable: keras.Variable) -> bool:
    """Whether a last layer of the heatmap differs only in its number of classes."""
    ours, theirs = tuple(variable.shape), tuple(array.shape)
    return len(ours) == len(theirs) and ours[:-1] == theirs[:-1] and ours != theirs


def _lacking_heads(task: Task, tensors) -> dict[str, str]:
    """Returns {published name: ours} of the published heads of which a checkpoint has no tensor at all."""
    modules = {name.split(".")[0] for name in tensors}
    named = {head.published_name: head.name for head in task.heads if head.published_name}
    return {published: name for published, name in named.items() if published not in modules}


def _resnet_fingerprint(depth: int, deformable: bool) -> tuple[list[str], list[str]]:
    blocks, bottleneck = DEPTHS[depth]
    has = ["deconv_layers.0.weight", f"layer3.{blocks[2] - 1}.conv1.weight"]
    lacks = [f"layer3.{blocks[2]}.conv1.weight"]
    (has if bottleneck else lacks).append("layer1.0.conv3.weight")
    (has if deformable else lacks).append("deconv_layers.0.conv_offset_mask.weight")
    return has, lacks


# Tensors that a checkpoint of a network has, and that it lacks.
FINGERPRINTS = {
    "dla34": (["ida_up.node_2.conv.conv_offset_mask.weight"], []),
    "dla34_plain": (["ida_up.node_2.conv.weight"], ["ida_up.node_2.conv.conv_offset_mask.weight"]),
    "dla34_v0": (["dla_up.ida_2.node_3.0.weight"], []),
    "hourglass104": (["cnvs.1.conv.weight"], ["cnvs.2.conv.weight"]),
    "hourglass52": (["cnvs.0.conv.weight"], ["cnvs.1.conv.weight"]),
    **{f"resnet{depth}": _resnet_fingerprint(depth, True) for depth in DEPTHS},
    **{f"resnet{depth}_plain": _resnet_fingerprint(depth, False) for depth in DEPTHS},
}
