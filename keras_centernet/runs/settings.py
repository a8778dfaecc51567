"""What a training run is asked to do, and the defaults that were measured."""

import dataclasses
import itertools

from keras_centernet.errors import UserError

SCHEDULES = ("cosine", "step", "constant")
OPTIMIZERS = ("adamw", "adam")
UNDECAYED = ("bias", "beta", "gamma")
LOSS_MEANS = ("global_batch", "replica")  # keys of `replicas.LOSS_MEANS`, which imports Keras
COUNTS = ("batch_size", "epochs", "evaluate_every", "max_objects", "accumulate", "patience", "checkpoint_every", "keep")
COUNTS += ("gpus", "steps_per_execution")
STEP_EPOCHS = (90 / 140, 120 / 140)  # As published: divide by ten after epochs 90 and 120 of 140


@dataclasses.dataclass(frozen=True)
class TrainSettings:
    """Everything that `train` needs; the command's options have the same names.

    Attributes:
        data: folder, file or name of the data set.
        output: folder that the run fills.
        format, annotations, images, strict, max_objects, workers: of `load_dataset`.
        split, val_split: names of the splits to train and to evaluate on.
        backbone, task, task_options, weights, backbone_weights, input_size, normalization: of `CenterNet`.
        batch_size, epochs, seed: of the training.
        optimizer: "adamw" or "adam".
        learning_rate: highest rate.
        weight_decay: of AdamW; normalisation and biases have none.
        schedule: "cosine" (with warm-up), "step" (a tenth after each of `step_epochs`) or "constant".
        step_epochs: ascending epochs after which "step" divides by ten; None: the published 9/14 and 12/14 of all.
        warmup_epochs: epochs of linear growth before the cosine.
        clip_norm: largest norm of all gradients together; 0: no limit.
        average_decay: of the running average of the weights; 0: no average.
        augmentation, flip: of `load_dataset`; None: the task's usual ones.
        empty_images: whether images without an object are trained on, too.
        color: whether colours are augmented; None: as usual for the task.
        accumulate: so many times `batch_size` images make a step, in parts one after the other: the gradients are
            those of one large batch, the memory that of a part. (Batch normalisation sees parts.)
        freeze: what keeps its weights: "backbone" (the part that ImageNet weights fill) or patterns of layers'
            names such as "block_1_*"; batch normalisation in it keeps its statistics.
        backbone_rate: factor of the learning rate of the backbone.
        evaluate_every: epochs between two measurements of validation loss and average precision.
        patience: stop after so many measurements without a better average precision; None: never.
        checkpoint_every: batches between two checkpoints inside an epoch; None: at the ends of epochs only.
        keep: checkpoints that are kept, last.keras included.
        deterministic: whether TensorFlow takes only kernels that give the same bits each time, on GPUs too; stays
            so for the process.
        mixed_precision: whether the network computes in bfloat16.
        tpu: None, "local" or the name of a TPU to train on.
        gpus: None, or how many GPUs of this machine share each batch.
        multi_worker: whether the processes of TF_CONFIG share each batch.
        loss_mean: of `CenterNet.compile`.
        steps_per_execution: steps that run before Python is asked again; None: 1, on a TPU `strategies.TPU_STEPS`.
        profile: whether some steps are profiled for TensorBoard and the wait for pictures is measured.
        data_service: of `load_dataset`, for the training split.
        resume: whether to go on from what `output` holds.
        recipe: name of the recipe that the settings come from, for the record; see `runs.recipes`.
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
    normalization: str | None = None
    batch_size: int = 8
    epochs: int = 100
    optimizer: str = "adamw"
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    schedule: str = "cosine"
    step_epochs: tuple[int, ...] | None = None
    warmup_epochs: float = 3.0
    clip_norm: float = 0.0
    average_decay: float = 0.9998
    augmentation: str | None = None
    flip: float | None = None
    color: bool | None = None
    accumulate: int = 1
    freeze: tuple[str, ...] = ()
    backbone_rate: float = 1.0
    empty_images: bool = True
    evaluate_every: int = 5
    patience: int | None = None
    checkpoint_every: int | None = None
    keep: int = 1
    deterministic: bool = False
    mixed_precision: bool = False
    tpu: str | None = None
    gpus: int | None = None
    multi_worker: bool = False
    loss_mean: str = "global_batch"
    steps_per_execution: int | None = None
    profile: bool = False
    max_objects: int | None = None
    strict: bool = False
    workers: int | None = None
    data_service: str | None = None
    seed: int = 0
    resume: bool = False
    recipe: str | None = None
    verbose: int | None = None

    def __post_init__(self):
        for name in COUNTS:
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise UserError(f"{name}: expected a positive number, got {getattr(self, name)}.")
        for name in ("learning_rate", "backbone_rate"):
            if getattr(self, name) <= 0:
                raise UserError(f"{name}: expected a positive number, got {getattr(self, name)}.")
        if self.backbone_rate != 1 and "backbone" in self.freeze:
            raise UserError(
                "freeze and backbone_rate: expected one of them, got both for the backbone. Leave one away."
            )
        for name, known in (("schedule", SCHEDULES), ("optimizer", OPTIMIZERS), ("loss_mean", LOSS_MEANS)):
            if getattr(self, name) not in known:
                raise UserError(f"{name}: expected one of {', '.join(known)}, got {getattr(self, name)!r}.")
        if self.data_service and (self.multi_worker or self.checkpoint_every):
            option = "multi_worker" if self.multi_worker else "checkpoint_every"
            raise UserError(
                f"data_service: expected no {option}, as no seed fixes its order, got both. Leave one away."
            )
        if self.schedule == "step" and self.step_epochs is not None:
            _check_step_epochs(self.step_epochs, self.epochs)


def _check_step_epochs(step_epochs: tuple[int, ...], epochs: int) -> None:
    bounds = (0, *step_epochs, epochs)
    if not step_epochs or any(after <= before for before, after in itertools.pairwise(bounds)):
        raise UserError(
            f"step_epochs: expected ascending numbers below epochs, {epochs}, got "
            f"{', '.join(map(str, step_epochs)) or 'none'}. Give both, or another schedule."
        )


def build_optimizer(settings: TrainSettings, steps_per_epoch: int, slow_paths: tuple[str, ...] = ()):
    """Returns the Keras optimizer with its schedule for a run of so many steps an epoch.

    Args:
        settings: of the run.
        steps_per_epoch: of the optimizer.
        slow_paths: paths of the variables that learn with `backbone_rate`.
    """
    import keras

    rate = build_schedule(settings, steps_per_epoch)
    options = {"clipnorm": None, "global_clipnorm": settings.clip_norm or None}
    if slow_paths:
        return _build_partwise(settings, rate, slow_paths, options)
    if settings.optimizer == "adam":
        return keras.optimizers.Adam(rate, epsilon=1e-8, **options)
    optimizer = keras.optimizers.AdamW(rate, weight_decay=settings.weight_decay, **options)
    optimizer.exclude_from_weight_decay(var_names=list(UNDECAYED))
    return optimizer


def _build_partwise(settings: TrainSettings, rate, slow_paths: tuple[str, ...], options: dict):
    from keras_centernet.fitting.optimizers import PartwiseAdam

    options = options | {"slow_paths": slow_paths, "slow_factor": settings.backbone_rate}
    if settings.optimizer == "adam":
        return PartwiseAdam(rate, epsilon=1e-8, **options)
    return PartwiseAdam(rate, weight_decay=settings.weight_decay, undecayed=UNDECAYED, **options)


def build_schedule(settings: TrainSettings, steps_per_epoch: int):
    """Returns the learning rate as a number or a Keras schedule over the optimizer's steps, so many an epoch."""
    import keras

    rate, total = settings.learning_rate, round(settings.epochs * steps_per_epoch)
    if settings.schedule == "constant":
        return rate
    if settings.schedule == "step":
        after = settings.step_epochs or [max(1, round(part * settings.epochs)) for part in STEP_EPOCHS]
        # Keras keeps a rate up to and with the boundary; the first step of the next epoch is epoch * steps_per_epoch.
        boundaries = [round(epoch * steps_per_epoch) - 1 for epoch in after]
        values = [rate / 10**drops for drops in range(len(after) + 1)]
        return keras.optimizers.schedules.PiecewiseConstantDecay(boundaries, values)
    warmup = min(round(settings.warmup_epochs * steps_per_epoch), total // 2)
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=rate / 100 if warmup else rate,
        decay_steps=max(1, total - warmup),
        warmup_target=rate if warmup else None,
        warmup_steps=warmup,
        alpha=0.01,
    )
