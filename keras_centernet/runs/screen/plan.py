"""The plan of a run: what it will do, printed before it begins."""

import random

from keras_centernet.data.source import Source
from keras_centernet.fitting.layer_selection import sampling_paths
from keras_centernet.model import CenterNet
from keras_centernet.networks.build import build_network
from keras_centernet.networks.cost import count_flops, count_parameters, has_fixed_sizes
from keras_centernet.runs.checkpoints import Progress
from keras_centernet.runs.datasets import Datasets, has_mosaics
from keras_centernet.runs.devices.choosing import running_backend
from keras_centernet.runs.devices.devices import Devices
from keras_centernet.runs.devices.plan import computes_in_half
from keras_centernet.runs.devices.table import BACKENDS
from keras_centernet.runs.optimizers import describe_rate
from keras_centernet.runs.settings import TrainSettings
from keras_centernet.tasks.table import task_row
from keras_centernet.terminal.layout import count, titled
from keras_centernet.texts import printable

_SHOWN_CLASSES = 20


def plan(
    settings: TrainSettings, devices: Devices, data: Datasets, model: CenterNet, progress: Progress, columns: int
) -> str:
    """Returns the lines of the plan, none of them longer than `columns`.

    It does not say how long the run will take, because nothing has been measured yet.
    """
    replicas, processes, batch_size = devices.replicas, devices.processes, data.train.element_spec[0].shape[0]
    height, width = model.input_size
    readers = f", 1/{processes} of them read by each process" if processes > 1 else ""
    rows = {
        "network": f"{settings.backbone}, {_cost(model)}",
        "task": settings.task + (f", recipe {settings.recipe}" if settings.recipe else ""),
        "classes": _classes(model.classes),
        "train": _describe(data.train.source) + readers,
        "val": f"{_describe(data.val.source)}, measured every {settings.evaluate_every} epochs and after the last",
        "input": f"{height} x {width} pixels",
        "batch": f"{count(batch_size, 'image')} in a step"
        + (f", {batch_size // replicas} per replica" if replicas > 1 else "")
        + (f", in {settings.accumulate} micro-batches" if settings.accumulate > 1 else ""),
        "steps": f"{data.steps_per_epoch} an epoch, {data.steps_per_epoch * settings.epochs} in "
        f"{count(settings.epochs, 'epoch')}"
        + (f", {data.steps_per_execution} per execution" if data.steps_per_execution > 1 else "")
        + (f", {progress.step} of them done" if progress.step else ""),
        "optimizer": _optimizer(settings, model),
        "images": _augmentation(settings, data.train.source, model),
        "precision": "bfloat16, weights and losses float32" if computes_in_half(settings) else "float32",
        "losses": f"means over the objects of the {settings.loss_mean.replace('_', ' ')}",
        "devices": _devices(devices),
        "output": printable(str(settings.output)),
        "time": "measured on the first steps, then said",
    }
    return titled(rows, columns)


def _cost(model: CenterNet) -> str:
    """Returns parameters and FLOPs, counted on a second network, with a fixed input size, built for this alone."""
    state = random.getstate()  # Keras takes seeds from it
    network = build_network(model.backbone_row, model.task, input_hw=model.input_size)
    random.setstate(state)
    parameters = f"{count_parameters(network):,} parameters"
    if not has_fixed_sizes(network):  # a user's own backbone, whose layers do not know the size of their maps
        return parameters
    return f"{parameters}, {count_flops(network) / 1e9:.3g} GFLOP an image"


def _classes(names: tuple[str, ...]) -> str:
    more = f", ... ({len(names)} in all)" if len(names) > _SHOWN_CLASSES else ""
    return f"{len(names)}: {', '.join(names[:_SHOWN_CLASSES])}{more}"


def _describe(source: Source) -> str:
    objects = "" if source.objects is None else f", {count(source.objects, 'object')}"
    return f"{count(source.size, 'image')}{objects}: {source.name}"


def _optimizer(settings: TrainSettings, model: CenterNet) -> str:
    more = {
        "clip norm": settings.clip_norm,
        "running average": settings.average_decay,
        "backbone rate times": settings.backbone_rate if settings.backbone_rate != 1 else 0,
    }
    if settings.deformable_rate != 1 and sampling_paths(model.network):
        more["deformable rate times"] = settings.deformable_rate
    more |= {f"{head} rate times": rate for head, rate in settings.head_rates.items()}
    said = "".join(f"; {name} {value:g}" for name, value in more.items() if value)
    frozen = f"; frozen: {', '.join(settings.freeze)}" if settings.freeze else ""
    return f"{settings.optimizer}, learning rate {describe_rate(settings)}{said}{frozen}"


def _augmentation(settings: TrainSettings, source: Source, model: CenterNet) -> str:
    row = task_row(model.task)
    is_mosaic = has_mosaics(settings, source)
    shares = {
        "mirrored": row.flip if settings.flip is None else settings.flip,
        "mirrored top to bottom": settings.vertical_flip,
        "mosaic": settings.mosaic if is_mosaic else 0,
        "mixed": settings.mixup,
    }
    said = [f"augmentation {settings.augmentation or row.augmentation}"]
    said += [f"{name} {share:g}" for name, share in shares.items() if share]
    if is_mosaic or settings.mixup:
        said[-1] += f" in the first {settings.mixed_epochs} epochs"
    if settings.mosaic and not is_mosaic:
        said += [f"no mosaics, as images hold {settings.mosaic_below:g} objects or more on average"]
    said += ["colours changed"] if (row.color if settings.color is None else settings.color) else []
    said += [f"hue, saturation, value {settings.hsv}"] if settings.hsv else []
    said += [settings.augment] if settings.augment else []
    return ", ".join(said)


def _devices(devices: Devices) -> str:
    several = f"{devices.replicas} replica(s) of {devices.processes} process(es); here " if devices.replicas > 1 else ""
    return f"{several}{', '.join(devices.names)}, by {BACKENDS[running_backend()].title}"
