"""The flip test: the mean of a network's maps of an image and of its mirror image."""

from keras import ops

from keras_centernet.method.specs import HeadSpec, Task, Tensor

SURE = 60.0  # a logit beyond which probabilities no longer change in float32


def with_mirrored(images: Tensor) -> Tensor:
    """Returns (2 B, H, W, 3): the images, then their mirror images."""
    return ops.concatenate([images, ops.flip(images, axis=2)], axis=0)


def average_mirrored(task: Task, maps: dict) -> dict:
    """Returns the maps of B images from those of B images and their B mirror images.

    `HeadSpec.flip` says what each head does: heatmaps (logits before and after) are averaged as probabilities, sizes
    and displacements as they are; offsets are those of the image alone, as published.

    Source: paper section 5 "flip test"; `CtdetDetector.process` and `MultiPoseDetector.process` of the
        published code.
    """
    return {head.name: _average(head, *ops.split(maps[head.name], 2, axis=0)) for head in task.heads}


def _average(head: HeadSpec, own: Tensor, mirrored: Tensor) -> Tensor:
    if head.flip is None:
        return own
    mirrored = head.flip(ops.flip(mirrored, axis=2))
    return _mean_logit(own, mirrored) if head.read_at == "everywhere" else (own + mirrored) / 2


def _mean_logit(first: Tensor, second: Tensor) -> Tensor:
    """Returns the logit of the mean of two probabilities given as logits, exact also near 0 and 1."""
    first, second = ops.clip(first, -SURE, SURE), ops.clip(second, -SURE, SURE)
    return ops.log(ops.sigmoid(first) + ops.sigmoid(second)) - ops.log(ops.sigmoid(-first) + ops.sigmoid(-second))
