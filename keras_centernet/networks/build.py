"""The functional network of a backbone and a task, and the checks of what it is built from."""

import inspect
from collections.abc import Callable, Sequence

import keras

from keras_centernet.errors import UserError
from keras_centernet.method.specs import Task
from keras_centernet.networks.heads import build_heads
from keras_centernet.networks.table import BACKBONES


def build_network(backbone: str, task: Task, input_hw: tuple = (None, None)) -> keras.Model:
    """Returns the functional model from normalised images to a list (one per stack) of head maps.

    Args:
        backbone: key of `BACKBONES`.
        task: whose heads to build.
        input_hw: fixed (height, width); open by default.
    """
    row = BACKBONES[backbone]
    images = keras.Input((*input_hw, 3), name="images")
    stacks = row.build(images)
    prefixes = stack_prefixes(len(stacks))
    outputs = [
        build_heads(features, task, row.head_channels, prefix)
        for features, prefix in zip(stacks, prefixes, strict=True)
    ]
    return keras.Model(images, outputs, name=backbone)


def stack_prefixes(stacks: int) -> list[str]:
    """Returns the beginnings of the names of the heads' layers, by stack; the last one, which detects, has none."""
    return [f"stack{i}_" for i in range(stacks - 1)] + [""]


def look_up(table: dict, key: str, what: str) -> object:
    """Returns a row of a table; an unknown key is a UserError that lists the known ones."""
    if key not in table:
        raise UserError(f"Unknown {what}: expected one of {', '.join(table)}; got {key!r}.")
    return table[key]


def build_task(name: str, build: Callable, classes: tuple[str, ...], options: dict) -> Task:
    """Returns the task of a builder; an option that it does not know, or not so, is a UserError."""
    try:
        return build(classes, **options)
    except (TypeError, ValueError) as error:
        known = ", ".join(list(inspect.signature(build).parameters)[1:])
        raise UserError(f"task_options of {name}: {error} Its options are {known}.") from error


def class_names(classes: Sequence[str] | None, num_classes: int | None, default: tuple[str, ...]) -> tuple[str, ...]:
    """Returns the names of the classes from what a user gave: names, a number, or nothing (the default)."""
    if classes is not None:
        classes = tuple(str(name) for name in classes)
        if not classes or len(set(classes)) != len(classes):
            raise UserError(f"classes: expected at least one name and no name twice, got {classes!r}.")
        if num_classes not in (None, len(classes)):
            raise UserError(f"num_classes={num_classes}, but {len(classes)} classes were named: leave one away.")
        return classes
    if num_classes is None:
        return default
    if num_classes < 1:
        raise UserError(f"num_classes: expected a positive number, got {num_classes}.")
    return tuple(str(i) for i in range(num_classes))


def input_hw(input_size: int | Sequence[int], multiple_of: int, backbone: str) -> tuple[int, int]:
    """Returns (height, width) of the input from a side or a pair, both multiples of what the backbone needs."""
    sides = (input_size, input_size) if isinstance(input_size, int) else tuple(int(v) for v in input_size)
    if len(sides) != 2 or any(side < multiple_of or side % multiple_of for side in sides):
        raise UserError(
            f"input_size of {backbone}: expected a positive multiple of {multiple_of} or a (height, width) "
            f"pair of them, got {input_size!r}."
        )
    return sides
