"""What a training run is asked to do, and the defaults that were measured."""

import dataclasses

from keras_centernet.errors import UserError

SCHEDULES = ("cosine", "step", "constant")
OPTIMIZERS = ("adamw", "adam")
STEP_EPOCHS = (90 / 140, 120 / 140)  # As published: divide by ten after epochs 90 and 120 of 140


@dataclasses.dataclass(frozen=True)
class TrainSettings:
    """Everything that `train` needs; the command's options have the same names.

    Attributes:
        data: folder, file or name of the data set.
        output: folder that the run fills.
        format, annotations, images, strict, max_objects, workers: of `load_dataset`.
        split, val_split: names of the splits to train and to evaluate on.
        backbone, task, task_options, weights, backbone_weights, input_size: of `CenterNet`.
        batch_size, epochs, seed: of the training.
        optimizer: "adamw" or "adam".
        learning_rate: highest rate.
        weight_decay: of AdamW; normalisation and biases have none.
        schedule: "cosine" (with warm-up), "step" (published: a tenth after 9/14 and 12/14) or "constant".
        warmup_epochs: epochs of linear growth before the cosine.
        clip_norm: largest norm of all gradients together; 0: no limit.
        average_decay: of the running average of the weights; 0: no average.
        augmentation, flip: of `load_dataset`; None: the task's usual ones.
        color: whether colours are augmented; None: as usual for the task.
        evaluate_every: epochs between two measurements of validation loss and average precision.
        mixed_precision: whether the network computes in bfloat16.
        data_service: of `load_dataset`, for the training split.
        resume: whether to go on from what `output` holds.
        verbose: 0 silent, 1 progress bar, 2 one line per epoch; None: 1 in a terminal, else 2.
    """

    data: str
    output: str = "runs/train"
    format: str | None = None
    annotations: str | None = None
    images: str | None = None
    split: str = "train"
    val_split: str = "val"
    backbone: str = "mobilenet_v2"
    task: str = "detection"
    task_options: dict = dataclasses.field(default_factory=dict)
    weights: str | None = None
    backbone_weights: str | None = None
    input_size: int | tuple[int, int] = 512
    batch_size: int = 8
    epochs: int = 100
    optimizer: str = "adamw"
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    schedule: str = "cosine"
    warmup_epochs: float = 3.0
    clip_norm: float = 0.0
    average_decay: float = 0.9998
    augmentation: str | None = None
    flip: float | None = None
    color: bool | None = None
    evaluate_every: int = 5
    mixed_precision: bool = False
    max_objects: int | None = None
    strict: bool = False
    workers: int | None = None
    data_service: str | None = None
    seed: int = 0
    resume: bool = False
    verbose: int | None = None

    def __post_init__(self):
        for name in ("batch_size", "epochs", "evaluate_every", "max_objects"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise UserError(f"{name}: expected a positive number, got {getattr(self, name)}.")
        if self.learning_rate <= 0:
            raise UserError(f"learning_rate: expected a positive number, got {self.learning_rate}.")
        for name, known in (("schedule", SCHEDULES), ("optimizer", OPTIMIZERS)):
            if getattr(self, name) not in known:
                raise UserError(f"{name}: expected one of {', '.join(known)}, got {getattr(self, name)!r}.")


def build_optimizer(settings: TrainSettings, steps_per_epoch: int):
    """Returns the Keras optimizer with its schedule for a run of so many steps an epoch."""
    import keras

    rate = build_schedule(settings, steps_per_epoch)
    options = {"clipnorm": None, "global_clipnorm": settings.clip_norm or None}
    if settings.optimizer == "adam":
        return keras.optimizers.Adam(rate, epsilon=1e-8, **options)
    optimizer = keras.optimizers.AdamW(rate, weight_decay=settings.weight_decay, **options)
    optimizer.exclude_from_weight_decay(var_names=["bias", "beta", "gamma"])
    return optimizer


def build_schedule(settings: TrainSettings, steps_per_epoch: int):
    """Returns the learning rate as a number or a Keras schedule over steps."""
    import keras

    rate, total = settings.learning_rate, settings.epochs * steps_per_epoch
    if settings.schedule == "constant":
        return rate
    if settings.schedule == "step":
        boundaries = [max(1, round(part * settings.epochs)) * steps_per_epoch for part in STEP_EPOCHS]
        return keras.optimizers.schedules.PiecewiseConstantDecay(boundaries, [rate, rate / 10, rate / 100])
    warmup = min(round(settings.warmup_epochs * steps_per_epoch), total // 2)
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=rate / 100 if warmup else rate,
        decay_steps=max(1, total - warmup),
        warmup_target=rate if warmup else None,
        warmup_steps=warmup,
        alpha=0.01,
    )
