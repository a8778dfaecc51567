"""Convolutional heads: from a stride-4 feature map to one raw map per `HeadSpec`."""

from collections.abc import Callable

import keras

from keras_centernet.method.specs import HeadSpec, Task, Tensor
from keras_centernet.networks.blocks import separable_norm

LAST_LAYER_SPREAD = 0.01  # small: every map starts near its bias


def build_heads(features: Tensor, task: Task, channels: int, prefix: str = "") -> dict:
    """Returns {head name: (B, Hf, Wf, channels of the head) float32 raw map} of a feature map (B, Hf, Wf, D).

    Each head is a 3x3 convolution to `channels`, ReLU and a 1x1 convolution with bias; the last one computes in
    float32 also under mixed precision, because sizes and offsets need it. The layers' names begin with `prefix`.

    Source: paper section 3; head initialisation of the published `resdcn` (small normal weights,
        heatmap bias -2.19; there 0.001 for regressions and PyTorch's default for heatmaps).
    """
    return {head.name: _build_head(features, head, channels, prefix) for head in task.heads}


def _build_head(features, head: HeadSpec, channels: int, prefix: str):
    name = f"{prefix}{head.name}"
    hidden = keras.layers.Conv2D(
        channels, 3, padding="same", activation="relu", kernel_initializer="he_normal", name=f"{name}_hidden"
    )
    return _last_layer(head, name)(hidden(features))


def build_shared_heads(
    features: Tensor, task: Task, channels: int, prefix: str = "", hide: Callable = separable_norm
) -> dict:
    """Returns what `build_heads` returns, with one hidden convolution for all heads.

    At stride 4 a 3x3 convolution for each head costs a phone as much as the lower part of its network. `hide` is
    a function (map, channels, name) of `blocks`.
    """
    hidden = hide(features, channels, f"{prefix}heads_hidden")
    return {head.name: _last_layer(head, f"{prefix}{head.name}")(hidden) for head in task.heads}


def _last_layer(head: HeadSpec, name: str):
    return keras.layers.Conv2D(
        head.channels,
        1,
        kernel_initializer=keras.initializers.RandomNormal(stddev=LAST_LAYER_SPREAD),
        bias_initializer=keras.initializers.Constant(head.bias),
        dtype="float32",
        name=name,
    )
