"""Checks that the PyTorch modules of the benchmarks compute what our networks do. Run in a process of its own:

KERAS_BACKEND=torch python tests/helpers/torch_siblings.py NAME...
"""

import sys
import types

import keras
import numpy as np
import torch

from benchmarks.torch_network import TorchNetwork
from keras_centernet.networks.build import build_network
from keras_centernet.networks.layers.deformable import Sampling, deformable_conv
from keras_centernet.tasks import TASKS

SIDE = 64


def stand_in(images, offset, weight, bias, stride, padding, dilation, mask):
    """Does what torchvision's `deform_conv2d` documents: (B, C, H, W), offsets (dy, dx) of each tap of each group."""
    nhwc = (values.permute(0, 2, 3, 1) for values in (images, offset, mask))
    taps = weight.shape[2] * weight.shape[3]
    sampling = Sampling(tuple(weight.shape[2:]), stride, padding, dilation, mask.shape[1] // taps)
    return deformable_conv(*nhwc, weight.permute(2, 3, 1, 0), sampling).permute(0, 3, 1, 2) + bias[:, None, None]


def main(*names: str) -> None:
    """Compares the maps that networks with random weights give for random images."""
    sys.modules["torchvision"] = types.ModuleType("torchvision")
    sys.modules["torchvision.ops"] = types.ModuleType("torchvision.ops")
    sys.modules["torchvision.ops"].deform_conv2d = stand_in
    random = np.random.default_rng(0)
    for name in names:
        ours = build_network(name, TASKS["detection"].build(("cat", "dog")), (SIDE, SIDE))
        for variable in ours.variables:  # also the offsets, which start at zero
            variable.assign(keras.ops.convert_to_numpy(variable) + random.normal(0, 0.01, variable.shape))
        theirs = TorchNetwork(ours).eval()
        assert len(list(theirs.parameters())) == len(ours.trainable_variables)
        images = random.normal(size=(2, SIDE, SIDE, 3)).astype("float32")
        with torch.no_grad():
            maps = theirs(torch.tensor(images.transpose(0, 3, 1, 2).copy()))
            expected = keras.tree.flatten(ours(images, training=False))
        for received, wanted in zip(maps, expected, strict=True):
            scale = wanted.abs().max()
            assert scale > 1e-3
            assert (received.permute(0, 2, 3, 1) - wanted).abs().max() < 1e-4 * scale, name


if __name__ == "__main__":
    main(*sys.argv[1:])
