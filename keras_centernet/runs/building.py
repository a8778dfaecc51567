"""The model of a run, from its settings."""

from keras_centernet.about import About
from keras_centernet.errors import look_up
from keras_centernet.fitting import layer_selection
from keras_centernet.limits import Limits
from keras_centernet.model import CenterNet
from keras_centernet.runs.datasets import Datasets
from keras_centernet.runs.devices.plan import computes_in_half
from keras_centernet.runs.optimizers import build_optimizer
from keras_centernet.runs.settings import TrainSettings
from keras_centernet.tasks.table import task_row

HEAD_RATE = Limits(above=0, at_most=1000)


def build_model(settings: TrainSettings, data: Datasets, is_resumed: bool, backbone: object, task: object) -> CenterNet:
    """Returns the compiled model; a resumed run loads no starting weights here, as its checkpoint replaces them."""
    beginning = {} if is_resumed else {"weights": settings.weights, "backbone_weights": settings.backbone_weights}
    model = CenterNet(
        backbone,
        task=task,
        classes=data.train.classes,
        task_options=data.train.task_options | settings.task_options,
        head_losses=settings.head_losses or None,
        loss_weights=settings.loss_weights or None,
        input_size=settings.input_size,
        normalization=settings.normalization,
        dtype="mixed_bfloat16" if computes_in_half(settings) else "float32",
        **beginning,
    )
    model.about = About(settings.licence)
    model.compile(
        build_optimizer(settings, data.steps_per_epoch, _rates(settings, model), _by_adam(settings, model)),
        color_augmentation=task_row(model.task).color if settings.color is None else settings.color,
        average_decay=settings.average_decay or None,
        loss_mean=settings.loss_mean,
        accumulate=settings.accumulate,
        freeze=settings.freeze or None,
        steps_per_execution=data.steps_per_execution,
    )
    return model


def _rates(settings: TrainSettings, model: CenterNet) -> dict[str, float]:
    """Returns {path of a variable: factor of its learning rate}; raises a UserError for a wrong head or factor."""
    rates = {}
    if settings.backbone_rate != 1:
        paths = layer_selection.backbone_paths(model.network, model.backbone_row.backbone_layers)
        rates |= dict.fromkeys(paths, settings.backbone_rate)
    for name, rate in settings.head_rates.items():
        look_up({head.name: head for head in model.task.heads}, name, "head of head_rates")
        factor = HEAD_RATE.check(f"head_rates of {name}", rate)
        rates |= dict.fromkeys(layer_selection.last_layer_paths(model.network, name), factor)
    return rates | {path: rates.get(path, 1) * settings.deformable_rate for path in _slow_paths(settings, model)}


def _by_adam(settings: TrainSettings, model: CenterNet) -> list[str]:
    """Returns the paths of the variables that predict numbers: those of heads' last layers and of sampling points."""
    paths = [path for head in model.task.heads for path in layer_selection.last_layer_paths(model.network, head.name)]
    return [*paths, *_slow_paths(settings, model)]


def _slow_paths(settings: TrainSettings, model: CenterNet) -> tuple[str, ...]:
    """Returns the paths of the sampling points' variables.

    With a `deformable_rate` of 1 there are none: they learn as everything else, as before there was that option.
    """
    return () if settings.deformable_rate == 1 else layer_selection.sampling_paths(model.network)
