"""What a run trains and evaluates on, and what each device gets of it."""

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from keras_centernet.data import load_dataset
from keras_centernet.runs.checkpoints import Progress
from keras_centernet.runs.devices import check_batch, reads_elsewhere, steps_together
from keras_centernet.runs.settings import TrainSettings
from keras_centernet.runs.user_code import resolve
from keras_centernet.runs.workers import share
from keras_centernet.tasks.table import TASKS


@dataclasses.dataclass(frozen=True)
class Datasets:
    """The two data sets of a run.

    Attributes:
        train, val: global batches.
        load_train, load_val: functions (batch_size, shard) -> the same data in other batches; see `load_dataset`.
        steps_per_execution: steps that run before control returns to Python.
        steps_per_epoch: steps of an epoch, a multiple of them.
    """

    train: tf.data.Dataset
    val: tf.data.Dataset
    load_train: Callable
    load_val: Callable
    steps_per_execution: int
    steps_per_epoch: int

    def to_fit(self, strategy: tf.distribute.Strategy, settings: TrainSettings, progress: Progress) -> dict:
        """Returns the arguments of `fit` that say what is trained and evaluated on, from `progress` on."""
        replicas, batch_size = strategy.num_replicas_in_sync, self.train.element_spec[0].shape[0]
        val_batch_size = max(1, min(settings.batch_size, self.val.source.size) // replicas) * replicas
        epochs = (progress.epoch, settings.epochs, progress.batch, self.steps_per_epoch)
        return {
            "x": share(strategy, self.train, self.load_train, batch_size, epochs),
            "steps_per_epoch": self.steps_per_epoch,
            "validation_data": share(strategy, self.val, self.load_val, val_batch_size),
            "validation_freq": settings.evaluate_every,
            "initial_epoch": progress.epoch,
            "epochs": settings.epochs,
        }


def load_datasets(settings: TrainSettings, strategy: tf.distribute.Strategy) -> Datasets:
    """Returns the data sets that the settings name; a UserError says where the devices cannot share a batch."""
    names = ("format", "annotations", "images", "strict", "workers", "input_size", "max_objects", "seed")
    shared = {name: getattr(settings, name) for name in names}
    if settings.task in TASKS:  # a task of the user's own needs of an object what every data set has
        shared["task"] = settings.task
    pure_tf = {"pure_tf": reads_elsewhere(settings)}  # for what devices are fed with; the rest is read here
    training_names = ("augmentation", "flip", "empty_images", "data_service", "vertical_flip", "hsv", "mosaic", "mixup")
    only_training = pure_tf | {name: getattr(settings, name) for name in training_names}
    only_training["mosaic_until"] = max(0, settings.epochs - settings.close_mosaic)
    if settings.augment is not None:
        only_training["augment"] = resolve(settings.augment, "--augment")

    def load_train(data=settings.data, **batches):
        return load_dataset(data, settings.split, training=True, **only_training, **shared, **batches)

    def load_val(data=settings.data, **batches):
        return load_dataset(data, settings.val_split, training=False, **shared, **batches)

    train = load_train(batch_size=settings.batch_size * settings.accumulate)
    val = load_val(batch_size=settings.batch_size, classes=train.classes)
    check_batch(strategy, train.element_spec[0].shape[0], settings.accumulate)
    steps = int(train.cardinality())
    together = steps_together(steps, settings)
    return Datasets(
        train,
        val,
        lambda **batches: load_train(train.source, **batches),
        lambda **batches: load_val(val.source, **batches, **pure_tf),
        steps_per_execution=together,
        steps_per_epoch=steps - steps % together,
    )
