"""The data that a run trains and evaluates on, and each device's part of them."""

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from keras_centernet.data import Source, load_dataset
from keras_centernet.data.formats.opening import splits_of
from keras_centernet.data.names import match_split
from keras_centernet.data.reading.parts import ALL
from keras_centernet.data.reading.splits import TRAIN, VAL
from keras_centernet.errors import UserError
from keras_centernet.files.paths import to_path
from keras_centernet.runs.checkpoints import Progress
from keras_centernet.runs.devices.devices import Devices
from keras_centernet.runs.devices.plan import check_batch, steps_together
from keras_centernet.runs.settings import TrainSettings
from keras_centernet.runs.split_file import MadeSplit
from keras_centernet.runs.user_code import resolve


@dataclasses.dataclass(frozen=True)
class Datasets:
    """The two data sets of a run.

    Attributes:
        train, val: global batches.
        load_train, load_val: functions (batch_size, shard) -> the same data in other batches; see `load_dataset`.
        steps_per_execution: steps that run before control returns to Python.
        steps_per_epoch: steps of an epoch, a multiple of `steps_per_execution`.
        made_split: which images are trained on and which evaluated on, if the data set itself does not define it.
    """

    train: tf.data.Dataset
    val: tf.data.Dataset
    load_train: Callable
    load_val: Callable
    steps_per_execution: int
    steps_per_epoch: int
    made_split: MadeSplit | None = None

    def to_fit(self, devices: Devices, settings: TrainSettings, progress: Progress) -> dict:
        """Returns the arguments of `fit` for the data and epochs that are left after `progress`."""
        replicas, batch_size = devices.replicas, self.train.element_spec[0].shape[0]
        val_batch_size = max(1, min(settings.batch_size, self.val.source.size) // replicas) * replicas
        epochs = (progress.epoch, settings.epochs, progress.batch, self.steps_per_epoch)
        return {
            "x": devices.share(self.train, self.load_train, batch_size, epochs),
            "steps_per_epoch": self.steps_per_epoch,
            "validation_data": devices.share(self.val, self.load_val, val_batch_size),
            "validation_freq": settings.measured_epochs,
            "initial_epoch": progress.epoch,
            "epochs": settings.epochs,
        }


def load_datasets(settings: TrainSettings, devices: Devices, made_split: MadeSplit | None = None) -> Datasets:
    """Returns the data sets that the settings name; `made_split` is the split that the resumed run made, if any.

    Raises:
        UserError: the two sets share images, the devices cannot share a batch, or what `load_dataset` raises.
    """
    names = ("format", "images", "strict", "workers", "input_size", "max_objects", "seed")
    names += ("class_map", "ignore_case", "max_pixels")
    shared = {name: getattr(settings, name) for name in names}
    shared["task"] = resolve(settings.task, "--task")
    training_names = ("augmentation", "flip", "empty_images", "data_service", "vertical_flip", "hsv", "mosaic", "mixup")
    only_training = {name: getattr(settings, name) for name in training_names}
    of_train, of_val = _plan_splits(settings, made_split)
    only_training["mosaic_until"] = max(0, settings.mixed_epochs)
    if settings.augment is not None:
        only_training["augment"] = resolve(settings.augment, "--augment")

    def load_train(data=settings.data, **batches):
        how = {"classes": settings.classes} | of_train | only_training | shared
        return load_dataset(data, training=True, **how, **batches)

    def load_val(data=settings.val_data or settings.data, **batches):
        return load_dataset(data, training=False, **of_val, **shared, **batches)

    train = load_train(batch_size=settings.batch_size * settings.accumulate)
    if settings.mosaic and not has_mosaics(settings, train.source):
        only_training["mosaic"] = 0.0
        train = load_train(train.source, batch_size=settings.batch_size * settings.accumulate)
    val = load_val(batch_size=settings.batch_size, classes=train.classes)
    _check_apart(train.source, val.source, settings)
    check_batch(devices, train.element_spec[0].shape[0], settings.accumulate)
    steps = int(train.cardinality())
    together = steps_together(steps, settings)
    parts = train.source.made_split
    return Datasets(
        train,
        val,
        lambda **batches: load_train(train.source, **batches),
        lambda **batches: load_val(val.source, **batches),
        steps_per_execution=together,
        steps_per_epoch=steps - steps % together,
        made_split=parts and MadeSplit(settings.data, parts, of_train["holds_out"]),
    )


def has_mosaics(settings: TrainSettings, source: Source) -> bool:
    """Whether mosaics are asked for and images hold fewer than `mosaic_below` objects on average (or it is unknown)."""
    if not settings.mosaic or settings.mosaic_below is None or source.objects is None:
        return bool(settings.mosaic)
    return source.objects / source.size < settings.mosaic_below


def _plan_splits(settings: TrainSettings, made_split: MadeSplit | None) -> tuple[dict, dict]:
    """Returns the arguments of `load_dataset` that say which images are trained on, and which are evaluated on."""
    train = {"split": settings.split, "annotations": settings.annotations, "val_share": settings.val_share}
    train |= {"holds_out": None, "made_split": made_split and made_split.parts}
    if settings.val_data or settings.val_annotations:  # nothing is held out
        annotations = settings.val_annotations or (None if settings.val_data else settings.annotations)
        split = ALL if settings.val_annotations else settings.val_split
        val = {"split": split, "annotations": annotations, "val_share": 0}
        return train | {"val_share": 0}, val
    base = made_split.holds_out if made_split else _held_out_of(settings)
    if base is not None:
        train |= {"split": TRAIN, "holds_out": base}
    return train, train | {"split": settings.val_split if base is None else VAL}


def _held_out_of(settings: TrainSettings) -> str | None:
    """Returns the split to hold a part out of, if the data set has no split of its own to evaluate on; else None."""
    names = ("format", "annotations", "images")
    own = splits_of(settings.data, **{name: getattr(settings, name) for name in names})
    if own is None:
        return None
    if settings.split == settings.val_split:
        return settings.split
    has_val = match_split(settings.val_split, own) or not match_split(settings.split, own)
    return None if has_val else settings.split


def _check_apart(train: Source, val: Source, settings: TrainSettings) -> None:
    """Raises a UserError if images are both trained on and evaluated on: metrics of such images say nothing."""
    both = sorted(set(train.image_names or ()) & set(val.image_names or ()))
    both = both if both and to_path(both[0]).is_file() else []  # names of drawn images identify nothing
    if both or (train.image_names is None and train.name == val.name):
        count = f"{len(both)} of {val.size}" if both else "all"
        advice = "Name others, or hold a part out by giving both splits one name."
        found = f"got {count} in {train.name} and {val.name}"
        raise UserError(f"--val-split: expected other images than for training, {found}. {advice}")
