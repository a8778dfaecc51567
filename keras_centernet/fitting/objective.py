"""What a training step makes smaller: the losses of a task's heads, and large batches taken a part at a time."""

from collections.abc import Callable

import keras
from keras import ops

from keras_centernet.errors import UserError
from keras_centernet.method.peaks import read_at
from keras_centernet.method.specs import HeadSpec, Task, Tensor
from keras_centernet.method.targets import index_of, mask_of


def read_losses(task: Task, stacks: list[dict], targets: dict) -> tuple[list, list]:
    """Returns (totals, counts) of a task's heads; totals are averaged over the stacks, which all count the same.

    Args:
        task: whose heads.
        stacks: the head maps of each stack.
        targets: of `encode_targets`.
    """
    pairs = [[read_loss(head, maps[head.name], targets) for head in task.heads] for maps in stacks]
    totals = [sum(total for total, _ in of_stacks) / len(stacks) for of_stacks in zip(*pairs, strict=True)]
    return totals, [count for _, count in pairs[0]]


def read_loss(head: HeadSpec, prediction: Tensor, targets: dict) -> tuple[Tensor, Tensor]:
    """Returns (total, count) of one head: `read_at` says what is compared."""
    if head.read_at == "everywhere":
        return head.loss(prediction, targets[head.name])
    return head.loss(read_at(prediction, index_of(head, targets)), targets[head.name], mask_of(head, targets))


def count_targets(task: Task, targets: dict, maps_bhw: tuple[int, int, int]) -> list:
    """Returns the counts of `read_losses`, which no prediction changes: zeros stand for it, and a graph drops them."""
    zeros = {head.name: ops.zeros((*maps_bhw, head.channels)) for head in task.heads}
    return read_losses(task, [zeros], targets)[1]


def sum_over_parts(function: Callable, batch, count: int, like):
    """Returns the sum of `function(part)` over equal parts of a batch: the memory is that of one part.

    Args:
        function: of a structure like `batch`, returns a structure of the shapes of `like`; TensorFlow traces it once.
        batch: structure of tensors (B, ...).
        count: of parts; B is a multiple of it.
        like: structure of float tensors or numbers.

    Raises:
        UserError: B is not such a multiple.
    """
    if count == 1:
        return function(batch)
    size = keras.tree.flatten(batch)[0].shape[0]
    if size is not None and size % count:
        raise UserError(
            f"accumulate: expected a batch that {count} parts share evenly on each device, got {size} images. Change "
            "one of them."
        )
    import tensorflow as tf

    parts = keras.tree.map_structure(lambda values: ops.reshape(values, (count, -1, *values.shape[1:])), batch)

    zeros = keras.tree.map_structure(ops.zeros_like, like)

    def add_part(i, total):
        part = keras.tree.map_structure(lambda values: values[i], parts)
        return i + 1, keras.tree.map_structure(ops.add, total, function(part))

    # One after the other: parts at the same time would need the memory of all, and race for the batch statistics.
    return tf.while_loop(lambda i, total: i < count, add_part, (0, zeros), parallel_iterations=1)[1]
