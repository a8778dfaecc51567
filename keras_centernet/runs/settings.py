"""The options of a training run, one row each, with their defaults."""

import dataclasses
import functools
import itertools
from collections.abc import Sequence
from dataclasses import MISSING

from keras_centernet.about import About
from keras_centernet.data.formats.request import MAX_PIXELS, VAL_SHARE
from keras_centernet.data.formats.table import FORMATS
from keras_centernet.errors import UserError
from keras_centernet.limits import SEED, check_side
from keras_centernet.runs.devices.table import BACKENDS, DEFAULT
from keras_centernet.runs.optimizers import OPTIMIZERS, SCHEDULES
from keras_centernet.runs.options import free_option, option, options_of, with_attributes
from keras_centernet.runs.parsing import parse_epochs, parse_names, parse_renames, parse_shares, parse_size

INPUT_MULTIPLE = 32
LARGEST_BATCH = 2**16
PROJECT = "keras_centernet"


def check_size(name: str, value: int | Sequence[int]) -> int | tuple[int, int]:
    """Returns the side, or the (height, width), as it was given; raises a UserError if it is wrong."""
    sides = check_side(name, value, INPUT_MULTIPLE)
    return sides if isinstance(value, list | tuple) else sides[0]


input_size_row = functools.partial(option, parse=parse_size, own_check=check_size)


@with_attributes
@dataclasses.dataclass(frozen=True)
class TrainSettings:
    """Everything that `train` needs; every row is an option of the command too."""

    # The data
    data: str = free_option(
        MISSING, "folder, file or pattern, local or gs://..., or the name of a data set", in_recipes=False
    )
    format: str | None = free_option(None, "format of the data", "recognised", table=FORMATS)
    annotations: str | None = free_option(None, "file or folder of annotations, or label map", "in its usual place")
    images: str | None = free_option(None, "folder of the images", "in its usual place")
    strict: bool = free_option(False, "stop at unreadable images instead of skipping them")
    max_pixels: int = free_option(MAX_PIXELS, "images with more pixels are skipped", at_least=1)
    workers: int | None = free_option(
        None, "images read at the same time", "as many as pay off", at_least=1, at_most=1024, changes_result=False
    )
    recipe: str | None = free_option(
        None,
        "see `recipes`, or a .toml file, or none: replaces the defaults below",
        "without --weights that of the task's name, if there is one",
        in_recipes=False,
    )
    split: str = option("train", "split to train on; all is every image")
    val_split: str = option("val", "split to evaluate on; the name of --split holds out a part of that")
    val_share: float = option(
        VAL_SHARE, "share of the images held out for evaluation where the data have no such split", at_least=0, below=1
    )
    val_data: str | None = option(None, "other data to evaluate on", "those of --data", in_recipes=False)
    val_annotations: str | None = option(
        None, "annotations of the data to evaluate on", "in their usual place", in_recipes=False
    )
    classes: tuple[str, ...] | None = free_option(
        None,
        "names of the classes to use, in order: cat,dog",
        "those of the data",
        parse=parse_names,
        none_is_value=True,
    )
    class_map: dict = option(dict, "other name of a class: old=new,...", flag="--class-map", parse=parse_renames)  # noqa: RUF009
    ignore_case: bool = option(False, "class names that differ in upper and lower case only are the same")
    # The model
    backbone: str = option("mobile_small", "network, or module:function of your own", table="networks.table:BACKBONES")
    task: str = option("detection", "what is detected, or module:function of your own", table="tasks.table:TASKS")
    task_options: dict = option(dict, "option of the task, such as radius=geometric", flag="--task-option")  # noqa: RUF009
    head_losses: dict = option(dict, "loss of a head, such as size=giou", flag="--head-loss")  # noqa: RUF009
    loss_weights: dict = option(dict, "weight of a head's loss, such as size=0.1", flag="--loss-weight")  # noqa: RUF009
    normalization: str | None = option(
        None, "colour statistics", "the backbone's", table="networks.normalization:NORMALIZATIONS"
    )
    input_size: int | tuple[int, int] = input_size_row(512, "side or HEIGHTxWIDTH of inputs; multiples of 32")
    weights: str | None = free_option(None, "to start from: a file (ours, .pth, .safetensors), preset, address")
    backbone_weights: str | None = free_option(None, "imagenet (downloaded), or a file of ImageNet weights")
    # The training
    batch_size: int = option(8, "images in a batch", at_least=1, at_most=LARGEST_BATCH)
    epochs: int = free_option(100, "passes over the data; with --resume more of them prolong a run", at_least=1)
    optimizer: str = option("adamw", "optimizer", choices=OPTIMIZERS)
    learning_rate: float = option(2e-3, "highest learning rate", above=0, at_most=1000)
    weight_decay: float = option(
        0.02, "weight decay of adamw and muon; normalization and biases have none", at_least=0, at_most=1000
    )
    schedule: str = option("cosine", "schedule of the learning rate", choices=SCHEDULES)
    step_epochs: tuple[int, ...] | None = option(
        None, "epochs after which schedule step divides by ten: 90,120", "9/14, 12/14 of all", parse=parse_epochs
    )
    warmup_epochs: float = option(
        3.0, "epochs of linear growth before the cosine, at most half of all", at_least=0, at_most=1e9
    )
    clip_norm: float = option(0.0, "largest norm of all gradients together; 0: no limit", at_least=0, at_most=1e9)
    average_decay: float = option(0.9998, "decay of the weights' running average; 0: no average", at_least=0, below=1)
    augmentation: str | None = option(
        None, "random shifts and sizes", "the task's", table="data.inputs:AUGMENTATIONS", none_is_value=True
    )
    flip: float | None = option(None, "probability of mirroring", "the task's", at_least=0, at_most=1)
    color: bool | None = option(None, "change the colours of images", "the task's")
    augment: str | None = option(None, "module:function of your own that changes each training image first", "none")
    vertical_flip: float = option(0.0, "probability of mirroring top to bottom", at_least=0, at_most=1)
    hsv: tuple[float, float, float] | None = option(
        None,
        "random change of hue, saturation, value: 0.015,0.7,0.4",
        "none",
        parse=parse_shares,
        at_least=0,
        at_most=1,
    )
    mosaic: float = option(0.0, "probability that a training image is made of four", at_least=0, at_most=1)
    mosaic_below: float | None = option(
        None, "mosaics only where training images hold fewer objects than that on average", "always", above=0
    )
    mixup: float = option(0.0, "probability that a training image is a mean of two", at_least=0, at_most=1)
    close_mosaic: int | None = option(
        None, "last epochs, which have neither mosaic nor mixup", "a third of all", at_least=0
    )
    accumulate: int = option(1, "micro-batches, of --batch-size images each, that make one step", at_least=1)
    freeze: tuple[str, ...] = option((), "layers that keep their weights: backbone, or a pattern such as 'block_1_*'")
    backbone_rate: float = option(1.0, "factor of the backbone's learning rate", above=0, at_most=1000)
    deformable_rate: float = option(
        0.05,
        "factor of the learning rate of deformable convolutions' offsets and masks; 1: as all other weights",
        above=0,
        at_most=1000,
        of_older_runs=1.0,
    )
    head_rates: dict = option(  # noqa: RUF009
        dict, "factor of the learning rate of a head's last layer, such as size=16", flag="--head-rate"
    )
    empty_images: bool = option(True, "train on images without an object, too")
    evaluate_every: int = free_option(5, "epochs between two evaluations on the validation split", at_least=1)
    patience: int | None = free_option(None, "evaluations without a better result before it stops", "never", at_least=1)
    max_objects: int | None = option(
        None, "objects used of an image, the largest", "the task's", at_least=1, at_most=10_000
    )
    data_service: str | None = free_option(None, "grpc://host:port of a tf.data service that reads training records")
    seed: int = option(0, "seed of weights, order and augmentation", at_least=0, at_most=SEED.at_most)
    deterministic: bool = free_option(False, "use only kernels that give the same bits each time, on GPUs too")
    # The devices
    mixed_precision: bool = option(False, "compute in bfloat16")
    backend: str | None = option(
        None,
        "backend of Keras",
        "KERAS_BACKEND, else tensorflow, with --tpu jax",
        choices=BACKENDS,
        in_recipes=False,
        of_older_runs=DEFAULT,
    )
    tpu: bool = free_option(
        False, "train on all TPU cores of this host, or of all hosts of its slice", in_recipes=False, group="devices"
    )
    gpus: int | None = free_option(
        None, "GPUs of this machine that share each batch", "one, or the CPU", at_least=1, group="devices"
    )
    multi_worker: bool = free_option(
        False,
        "share each batch with the processes of TF_CONFIG, on JAX of KERAS_DISTRIBUTION_JOB_ADDRESSES",
        group="devices",
    )
    loss_mean: str = option(
        "global_batch", "objects that losses are averaged over on several devices", table="fitting.replicas:LOSS_MEANS"
    )
    steps_per_execution: int | None = option(
        None, "steps that run before control returns to Python", "1, on a TPU up to 32", at_least=1
    )
    # What follows the run
    tensorboard: bool = free_option(True, "write curves and images for TensorBoard", changes_result=False)
    wandb: str | None = free_option(
        None,
        "show the run in a project of Weights & Biases",
        "not",
        bare=PROJECT,
        in_recipes=False,
        changes_result=False,
    )
    mlflow: str | None = free_option(
        None, "show the run in an experiment of MLflow", "not", bare=PROJECT, in_recipes=False, changes_result=False
    )
    profile: bool = free_option(
        False, "profile some steps for TensorBoard and measure the wait for images", changes_result=False
    )
    # The folder
    output: str = free_option(
        "runs/train",
        "folder for the results; of a recipe: runs/ and its name",
        in_recipes=False,
        of_one_start=True,
        changes_result=False,
    )
    licence: str | None = free_option(
        None, "licence named in model files, such as apache-2.0", "unspecified", flag="--license", in_recipes=False
    )
    resume: bool = free_option(
        False,
        "continue the run in --output, or in the folder named here, with its options where none are given",
        in_recipes=False,
        names="output",
        of_one_start=True,
        changes_result=False,
    )
    overwrite: bool = free_option(
        False, "replace the run in --output", in_recipes=False, of_one_start=True, changes_result=False
    )
    checkpoint_every: int | None = free_option(
        None, "batches between checkpoints inside an epoch", "none", at_least=1, changes_result=False
    )
    keep: int = free_option(1, "checkpoints that are kept, last.keras included", at_least=1, changes_result=False)
    verbose: int | None = free_option(
        None,
        "0 silent, 1 progress bar, 2 a line per epoch",
        "a bar in a terminal, else lines",
        choices=(0, 1, 2),
        changes_result=False,
    )

    def __post_init__(self):
        for name, row in options_of(TrainSettings).items():
            object.__setattr__(self, name, row.check(getattr(self, name)))
        About(self.licence)  # checks it
        _check_groups(self)
        if self.resume and self.overwrite:
            raise UserError("--resume and --overwrite: expected at most one of them, got both. Remove one.")
        if self.backbone_rate != 1 and "backbone" in self.freeze:
            raise UserError("freeze and backbone_rate: expected one of them for the backbone, got both. Remove one.")
        if self.data_service and (self.multi_worker or self.checkpoint_every):
            other = "multi_worker" if self.multi_worker else "checkpoint_every"
            raise UserError(f"data_service: expected no {other}, as no seed fixes its order, got both. Remove one.")
        if self.augment is not None and ":" not in self.augment:
            raise UserError(f"augment: expected module:function, got {self.augment!r}.")
        if (self.mosaic or self.mixup) and self.mixed_epochs < 1:
            expected = f"fewer than the {self.epochs} epochs, as no epoch would have mosaic or mixup"
            raise UserError(f"close_mosaic: expected {expected}, got {self.close_mosaic}. Pass a smaller one.")
        if self.schedule == "step" and self.step_epochs is not None:
            _check_step_epochs(self.step_epochs, self.epochs)

    @property
    def measured_epochs(self) -> list[int]:
        """The epochs, counted from 1, after which validation losses and metrics are measured; includes the last one.

        Examples:
            >>> TrainSettings("shapes", epochs=5, evaluate_every=2).measured_epochs
            [2, 4, 5]
        """
        return [
            epoch for epoch in range(1, self.epochs + 1) if epoch % self.evaluate_every == 0 or epoch == self.epochs
        ]

    @property
    def mixed_epochs(self) -> int:
        """The number of epochs at the beginning in which `mosaic` and `mixup` apply.

        Examples:
            >>> TrainSettings("shapes", epochs=60).mixed_epochs, TrainSettings("shapes", close_mosaic=10).mixed_epochs
            (40, 90)
        """
        return self.epochs - (self.epochs // 3 if self.close_mosaic is None else self.close_mosaic)

    def check_names(self) -> None:
        """Raises a UserError unless the package's tables hold the names; imports Keras and TensorFlow."""
        for name, row in options_of(TrainSettings).items():
            row.check_name(getattr(self, name))


def _check_groups(settings: TrainSettings) -> None:
    """Raises where two options that exclude each other are set."""
    for group, rows in itertools.groupby(options_of(TrainSettings).values(), key=lambda row: row.group):
        flags = {row.flag: bool(getattr(settings, row.name)) for row in rows}
        if group and sum(flags.values()) > 1:
            given = " and ".join(flag for flag, is_set in flags.items() if is_set)
            *others, last = flags
            raise UserError(f"Expected at most one of {', '.join(others)} and {last}, got {given}.")


def _check_step_epochs(step_epochs: tuple[int, ...], epochs: int) -> None:
    bounds = (0, *step_epochs, epochs)
    if not step_epochs or any(after <= before for before, after in itertools.pairwise(bounds)):
        found = ", ".join(map(str, step_epochs)) or "none"
        expected = f"ascending numbers below epochs, {epochs}"
        raise UserError(f"step_epochs: expected {expected}, got {found}. Give both, or another schedule.")
