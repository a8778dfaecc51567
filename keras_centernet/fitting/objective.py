"""The training objective: losses by head as {head: (total, count)}, their quotients and their weighted sum."""

from collections.abc import Mapping

from keras import ops

from keras_centernet.method.losses import divisor
from keras_centernet.method.peaks import read_at
from keras_centernet.method.specs import HeadSpec, Task, Tensor
from keras_centernet.method.targets import index_of, mask_of

DIVISORS = "loss_divisors"  # key beside the targets: what totals are divided by, if it is not their own count


def head_losses(task: Task, stacks: list[dict], targets: Mapping) -> dict[str, tuple[Tensor, Tensor]]:
    """Returns {head: (total, count)} of the head maps of each stack; totals are averaged over the stacks."""
    by_stack = [{head.name: _head_loss(head, maps, targets) for head in task.heads} for maps in stacks]
    return {
        name: (sum(losses[name][0] for losses in by_stack) / len(stacks), count)
        for name, (_, count) in by_stack[0].items()
    }


def _head_loss(head: HeadSpec, maps: Mapping, targets: Mapping) -> tuple[Tensor, Tensor]:
    """Returns (total, count) of one head: `read_at` says what is compared."""
    if head.read_at == "everywhere":
        return head.loss(maps[head.name], targets[head.name])
    index = index_of(head, targets)
    others = {argument: (read_at(maps[name], index), targets[name]) for argument, name in head.loss_reads.items()}
    return head.loss(read_at(maps[head.name], index), targets[head.name], mask_of(head, targets), **others)


def loss_counts(task: Task, targets: Mapping, maps_bhw: tuple[int, int, int]) -> dict[str, Tensor]:
    """Returns {head: count}: loss normalizers depend on targets only, so zero predictions suffice."""
    zeros = {head.name: ops.zeros((*maps_bhw, head.channels)) for head in task.heads}
    return {name: count for name, (_, count) in head_losses(task, [zeros], targets).items()}


def divide(losses: Mapping[str, tuple[Tensor, Tensor]], divisors: Mapping[str, Tensor] | None = None) -> dict:
    """Returns {head: scalar}: each total divided by its divisor; None: by the loss's own count."""
    divisors = divisors or {name: divisor(count) for name, (_, count) in losses.items()}
    return {name: ops.sum(total / divisors[name]) for name, (total, _) in losses.items()}


def weighted_sum(task: Task, losses: Mapping[str, Tensor]) -> Tensor:
    """Returns the sum over heads of weight * loss."""
    return sum(head.weight * losses[head.name] for head in task.heads)
