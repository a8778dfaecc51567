"""The functional network of a backbone and a task."""

import contextlib
from collections.abc import Callable, Iterator, Sequence

import keras

from keras_centernet.errors import UserError, first_line
from keras_centernet.limits import check_side
from keras_centernet.method.specs import Task
from keras_centernet.networks.layers.torch_names import allow_dots
from keras_centernet.networks.table import Backbone, find_backbone


def build_network(
    backbone: Backbone | str | Callable,
    task: Task,
    input_hw: tuple[int | None, int | None] = (None, None),
    name: str | None = None,
) -> keras.Model:
    """Returns the functional model from normalised images to a list (one per stack) of head maps.

    Args:
        backbone: a row of the table of networks, or what `find_backbone` takes.
        task: whose heads to build.
        input_hw: fixed (height, width); open by default.
        name: of the model; None: the backbone's.

    Raises:
        UserError: the backbone has the name of a head.
    """
    found_name, row = (name, backbone) if isinstance(backbone, Backbone) else find_backbone(backbone)
    allow_dots()
    images = keras.Input((*input_hw, 3), name="images")
    stacks = row.build(images)
    outputs = [
        row.build_heads(features, task, row.head_channels, prefix)
        for features, prefix in zip(stacks, stack_prefixes(len(stacks)), strict=True)
    ]
    try:
        return keras.Model(images, outputs, name=name or found_name)
    except ValueError as error:
        heads = ", ".join(head.name for head in task.heads)
        advice = f"The backbone and the heads, {heads}, must have names of their own."
        raise UserError(f"backbone {found_name}: {first_line(error)} {advice}") from error


@contextlib.contextmanager
def dtype_scope(policy: str | keras.DTypePolicy) -> Iterator[None]:
    """Sets the dtype policy of the layers that are built in a `with` block."""
    outside = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(outside)


def count_stacks(network: keras.Model) -> int:
    """Returns the number of a network's stacks, each of which has all heads."""
    return len(network.output) if isinstance(network.output, list) else 1


def stack_prefixes(stacks: int) -> list[str]:
    """Returns the prefixes of the names of the heads' layers, by stack; the last stack, which detects, has none."""
    return [f"stack{i}_" for i in range(stacks - 1)] + [""]


def check_input_size(input_size: int | Sequence[int], multiple_of: int, backbone: str) -> tuple[int, int]:
    """Returns (height, width) of the input from a side or a pair; raises a UserError for other multiples."""
    return check_side(f"input_size of {backbone}", input_size, multiple_of)
