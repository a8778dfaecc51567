"""A published checkpoint -> a model of this package, without being told what is in it."""

import os
from collections.abc import Mapping, Sequence

import numpy as np

from keras_centernet.errors import UserError
from keras_centernet.model import CenterNet
from keras_centernet.networks.table import BACKBONES
from keras_centernet.tasks import TASKS
from keras_centernet.tasks.classes import KITTI_CLASSES, VOC_CLASSES, check_class_count, check_name_list
from keras_centernet.weights.checkpoint import read_checkpoint
from keras_centernet.weights.published import fill_from_published, is_nested, recognise_backbone

# Classes whose published weights need other statistics than the backbone's usual ones.
STATISTICS = {VOC_CLASSES: "published_voc_kitti", KITTI_CLASSES: "published_voc_kitti"}


def import_weights(
    path: str | os.PathLike,
    backbone: str | None = None,
    task: str | None = None,
    classes: Sequence[str] | None = None,
    input_size: int | tuple[int, int] = 512,
    normalization: str | None = None,
) -> tuple[CenterNet, list[str]]:
    """Returns the model that a published checkpoint holds, and the names of the unused tensors.

    Args:
        path: `.pth`, `.pt`, `.tar` or `.safetensors`, see `read_checkpoint`.
        backbone: key of `BACKBONES`; None: recognised by the names of the tensors.
        task: key of `TASKS`; None: recognised by the heads.
        classes: names; None: the usual ones of as many classes (COCO, VOC, the task's), else numbers.
        input_size: of the model.
        normalization: key of `networks.normalization.NORMALIZATIONS`; None: what the authors used for these classes.

    Raises:
        UserError: the file cannot be read, is not recognised, or does not fit.
    """
    check_name_list(classes)
    path = os.fspath(path)
    tensors = read_checkpoint(path)
    backbone = backbone or recognise_backbone(tensors)
    if backbone is None:
        raise UserError(
            f"{path}: expected a checkpoint of one of {', '.join(BACKBONES)}, its tensors "
            f"({', '.join(list(tensors)[:3])}, ...) belong to none of them. An ImageNet classifier is for "
            "--backbone-weights."
        )
    task = task or _recognise_task(tensors, path)
    count = _class_count(tensors, task, path)
    if classes is None:
        classes = _usual_classes(count, task)
    elif len(classes) != count:
        raise UserError(f"--classes: {path} has {count}, expected as many names, got {len(classes)}.")
    normalization = normalization or STATISTICS.get(tuple(classes))
    model = CenterNet(backbone, task, classes=classes, input_size=input_size, normalization=normalization)
    return model, fill_from_published(model, tensors, path)


def _head_names(task: str) -> list[str]:
    return [head.published_name for head in TASKS[task].build(TASKS[task].classes).heads]


def _recognise_task(tensors: Mapping[str, np.ndarray], path: str) -> str:
    """Returns the task with the most heads among those whose heads are all in the checkpoint."""
    modules, heads = {name.split(".")[0] for name in tensors}, {task: _head_names(task) for task in TASKS}
    fitting = [task for task, names in heads.items() if modules.issuperset(names)]
    if not fitting:
        wanted = "; ".join(f"{', '.join(names)} ({task})" for task, names in heads.items())
        raise UserError(f"{path}: expected the heads of a task: {wanted}. They are not there.")
    return max(fitting, key=lambda task: len(heads[task]))


def _class_count(tensors: Mapping[str, np.ndarray], task: str, path: str) -> int:
    name = _head_names(task)[0] + (".0.1.bias" if is_nested(tensors) else ".2.bias")
    if name not in tensors:
        raise UserError(f"{path}: expected a tensor {name}, it is missing.")
    if tensors[name].ndim != 1 or not len(tensors[name]):
        raise UserError(f"{path}: expected {name} to be a vector, a number per class, got shape {tensors[name].shape}.")
    return len(tensors[name])


def _usual_classes(count: int, task: str) -> tuple[str, ...]:
    check_class_count(count)
    known = [names for names in (TASKS[task].classes, VOC_CLASSES) if len(names) == count]
    return known[0] if known else tuple(map(str, range(count)))
