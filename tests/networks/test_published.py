"""The paper's networks, compared with outputs of the published implementation for the heads of three tasks."""

import json

import numpy as np
import pytest

from keras_centernet.method.specs import HeadSpec, Task
from keras_centernet.networks.build import build_network
from keras_centernet.networks.cost import count_parameters
from keras_centernet.networks.layers.deformable import without_xla
from keras_centernet.weights.fill import fill
from keras_centernet.weights.published import published_variables, to_keras_layout
from tests.conftest import FIXTURES
from tests.helpers.published_weights import make_input, make_tensor, torch_shape

pytestmark = pytest.mark.usefixtures("release_models")
REFERENCE = json.loads((FIXTURES / "networks.json").read_text())
NAMES = {
    "dla_34": "dla34",
    "dlav0_34": "dla34_v0",
    "resdcn_18": "resnet18",
    "resdcn_101": "resnet101",
    "res_18": "resnet18_plain",
    "res_101": "resnet101_plain",
    "hourglass": "hourglass104",
}
# Tensors of the published checkpoints that no output depends on and that our networks do not have.
DEAD = {
    "dla_34": {"level3.project": 64 * 128 + 2 * 128, "level4.project": 128 * 256 + 2 * 256},
    "dlav0_34": {"level3.project": 64 * 128 + 2 * 128, "level4.project": 128 * 256 + 2 * 256, "fc": 513_000},
}


def published_network(run: dict):
    heads = tuple(HeadSpec(h, c, "centers", None, None, published_name=h) for h, c in run["heads"].items())
    task = Task(run["task"], ("thing",), heads, None)
    network = build_network(NAMES[run["arch"]], task)
    variables = published_variables(network, task, nested=run["arch"] == "hourglass")
    tensors = {name: make_tensor(REFERENCE["seed"], name, torch_shape(v)) for name, v in variables.items()}
    fill(variables, {name: to_keras_layout(tensor) for name, tensor in tensors.items()}, "reference")
    return network


# These architectures are small enough for the daily tests, one run of each.
EVERY_DAY = ("dla_34", "dlav0_34", "resdcn_18", "res_18")


def _mark(run: dict):
    if run["task"] != "ctdet" and run["arch"] in ("hourglass", "res_101", "resdcn_101"):  # only the heads differ
        return pytest.mark.exhaustive
    return () if run["task"] == "ctdet" and run["arch"] in EVERY_DAY else pytest.mark.slow


CASES = [
    pytest.param(
        run,
        id=run["name"],
        marks=_mark(run),
    )
    for run in REFERENCE["runs"]
]


@pytest.mark.parametrize("run", CASES)
def test_heads_and_parameter_counts_equal_the_published_implementation(run, fixture):
    reference, seed = fixture("networks"), REFERENCE["seed"]
    image = make_input(seed, run["input"], run["input_shape"]).transpose(0, 2, 3, 1)
    network = published_network(run)
    assert count_parameters(network) + sum(DEAD.get(run["arch"], {}).values()) == run["n_params"]
    with without_xla():  # XLA would compile every size; the layer's tests compare it
        stacks = network(image, training=False)
    stacks = stacks if isinstance(stacks, list) else [stacks]
    for key, tolerance in run["tolerance"].items():
        stack, head = key.removeprefix("stack").split("__")
        ours = np.asarray(stacks[int(stack)][head]).transpose(0, 3, 1, 2).reshape(-1)
        sampled = ours[np.unique(np.linspace(0, ours.size - 1, REFERENCE["samples"]).astype(int))]
        np.testing.assert_allclose(sampled, reference[f"{run['name']}__{key}"], rtol=0, atol=tolerance, err_msg=key)
