"""The rule that rebuilds the reference networks' weights and inputs from names and shapes.

Each tensor is drawn with a seed made of its name, and scaled so that activations keep their size. A network with the
right names has the right weights.
"""

import re
import zlib

import numpy as np

DEFORMABLE = r"((proj|node)_\d+\.conv\.weight|deconv_layers\.\d+\.weight)$"
HEAD = r"^(hm|wh|reg|dep|rot|dim|hps|hm_hp|hp_offset)\."


def make_tensor(seed: int, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Returns the float32 tensor of a name, in PyTorch's layout."""
    rng = _rng(seed, name)
    if name.endswith(("running_var", ".weight")) and len(shape) == 1:
        value = rng.uniform(0.5, 1.5, shape)
        return np.float32(value * 0.3 if re.search(r"bn[23]\.weight$", name) else value)
    if name.endswith("conv_offset_mask.bias"):
        return np.float32(rng.standard_normal(shape) * 0.6)
    if len(shape) == 1:
        return np.float32(rng.standard_normal(shape) * 0.1)
    return np.float32(rng.standard_normal(shape) * _spread(name, shape))


def make_input(seed: int, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Returns a (1, 3, H, W) float32 "normalised image": standard normal numbers."""
    return _rng(seed, name).standard_normal(tuple(shape)).astype("float32")


def torch_shape(variable) -> tuple[int, ...]:
    """Returns the shape of a Keras variable's tensor in PyTorch's layout."""
    shape = tuple(variable.shape)
    return tuple(shape[axis] for axis in (3, 2, 0, 1)) if len(shape) == 4 else shape


def _rng(seed: int, name: str):
    return np.random.default_rng(zlib.crc32(f"{seed}/{name}".encode()))


def _spread(name: str, shape: tuple[int, ...]) -> float:
    fan_in = np.prod(shape[1:])
    if name.endswith("conv_offset_mask.weight"):
        return 0.3 * np.sqrt(1 / fan_in)
    if re.search(r"\.up_\d+\.weight$", name):
        return 0.5
    if re.search(r"deconv_layers\.\d+\.weight$", name) and shape[2] == 4:
        return np.sqrt(1.5 / (4 * shape[0]))
    if re.search(DEFORMABLE, name) and shape[2] == 3:
        return np.sqrt(6 / fan_in)
    return np.sqrt((1.0 if re.search(HEAD, name) else 1.5) / fan_in)
