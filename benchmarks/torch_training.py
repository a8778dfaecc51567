"""A CenterNet's training step in plain PyTorch, to compare its speed; its targets are random and made beforehand."""

from collections.abc import Callable

import torch
from torch.nn import functional

from keras_centernet.geometry import STRIDE

LEARNING_RATE, SIZE_WEIGHT = 1.25e-4, 0.1


def build_step(network: torch.nn.Module, batch: int, input_hw: tuple[int, int], device: str) -> Callable:
    """Returns a function that trains the network on a random batch, in bfloat16 except for the losses.

    Args:
        network: `TorchNetwork` with a detector's three heads.
        batch: images of the batch.
        input_hw: (height, width) of the images.
        device: "cuda" or "cpu".
    """
    torch.backends.cudnn.benchmark = True
    network = network.to(device, memory_format=torch.channels_last).train()
    optimizer = torch.optim.Adam(network.parameters(), LEARNING_RATE, fused=device == "cuda")
    images = torch.randn(batch, 3, *input_hw, device=device).to(memory_format=torch.channels_last)
    with torch.no_grad(), torch.autocast(device, torch.bfloat16):
        targets = [torch.rand_like(maps, dtype=torch.float32) for maps in network(images[:1])]
    targets = [maps.expand(batch, -1, -1, -1) for maps in targets]
    is_center = torch.rand(batch, 1, *(side // STRIDE for side in input_hw), device=device) < 0.01

    def step() -> None:
        with torch.autocast(device, torch.bfloat16):
            outputs = network(images)
        loss = sum(_loss(maps.float(), wanted, is_center) for maps, wanted in zip(outputs, targets, strict=True))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return step


def _loss(maps, targets, is_center):
    """Returns the L1 loss at the centres for maps of two channels, and the focal loss for others, the heatmaps."""
    count = is_center.sum().clamp(min=1)
    if maps.shape[1] == 2:
        return SIZE_WEIGHT * ((maps - targets).abs() * is_center).sum() / count
    found, missed = functional.logsigmoid(maps), functional.logsigmoid(-maps)
    at_centers = (1 - found.exp()) ** 2 * found * is_center
    elsewhere = (1 - targets) ** 4 * found.exp() ** 2 * missed * ~is_center
    return -(at_centers + elsewhere).sum() / count
