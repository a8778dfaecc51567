"""One training run from its settings to its folder of results."""

import dataclasses
import json
import sys
import time

import keras
import numpy as np

from keras_centernet.data import load_dataset
from keras_centernet.drawing import draw_curves
from keras_centernet.errors import UserError
from keras_centernet.evaluation import AveragePrecision, evaluate
from keras_centernet.model import CenterNet, load_model
from keras_centernet.runs import callbacks as at_epoch_end
from keras_centernet.runs.folder import BEST, CONFIG, HISTORY, LAST, METRICS, STATE, RunFolder
from keras_centernet.runs.pictures import draw_examples
from keras_centernet.runs.settings import TrainSettings, build_optimizer
from keras_centernet.tasks import TASKS

TENSORBOARD_IMAGES = 4
# What a resumed run must not change: the weights, the optimizer or the data would not fit any more.
FIXED = ("backbone", "task", "epochs", "batch_size", "optimizer", "learning_rate", "schedule", "seed", "split")


def train(settings: TrainSettings) -> dict:
    """Trains, evaluates and fills the output folder; returns the metrics of the best weights.

    The folder then holds best.keras, last.keras, history.csv, metrics.json, config.json, curves.png,
    detections.png, precision_recall.png and tensorboard/.

    Raises:
        UserError: settings, data or folder are not what they should be.
        NonFiniteLossError: the loss became NaN or infinite.
    """
    start = time.perf_counter()
    folder = RunFolder(settings.output, settings.resume)
    if settings.resume:
        _check_same_run(folder, settings)
    keras.utils.set_random_seed(settings.seed)
    previous_policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16" if settings.mixed_precision else "float32")
    try:
        train_set, val_set = _load_datasets(settings)
        model, first_epoch, best = _start_model(settings, folder, train_set)
        folder.write_json(CONFIG, dataclasses.asdict(settings) | {"classes": list(model.classes)})
        _fit(settings, folder, model, train_set, val_set, first_epoch, best)
        return _report(settings, folder, model, val_set, start)
    finally:
        keras.config.set_dtype_policy(previous_policy)


def _load_datasets(settings: TrainSettings):
    shared = {
        name: getattr(settings, name) for name in ("format", "annotations", "images", "strict", "workers", "task")
    }
    shared |= {name: getattr(settings, name) for name in ("input_size", "batch_size", "max_objects", "seed", "workers")}
    places = {"augmentation": settings.augmentation, "flip": settings.flip, "data_service": settings.data_service}
    train_set = load_dataset(settings.data, settings.split, training=True, **places, **shared)
    val_set = load_dataset(settings.data, settings.val_split, training=False, classes=train_set.classes, **shared)
    return train_set, val_set


def _start_model(settings: TrainSettings, folder: RunFolder, train_set):
    if settings.resume:
        return _resume_model(folder)
    model = CenterNet(
        settings.backbone,
        task=settings.task,
        classes=train_set.classes,
        task_options=train_set.task_options | settings.task_options,
        weights=settings.weights,
        backbone_weights=settings.backbone_weights,
        input_size=settings.input_size,
    )
    model.compile(
        build_optimizer(settings, steps_per_epoch(train_set)),
        color_augmentation=TASKS[settings.task].color if settings.color is None else settings.color,
        average_decay=settings.average_decay or None,
    )
    return model, 0, -1.0


def _resume_model(folder: RunFolder):
    model = load_model(folder / LAST)
    state = dict(np.load(folder / STATE))
    if int(state["iterations"]) != int(model.optimizer.iterations):
        raise UserError(
            f"--resume: {folder / LAST} is of step {int(model.optimizer.iterations)}, {STATE} of step "
            f"{int(state['iterations'])}: the run was killed between the two. Start anew with --weights."
        )
    if model.average:
        model.average.restore(state)
    return model, int(state["epoch"]), float(state["best"])


def _fit(settings, folder, model, train_set, val_set, first_epoch: int, best: float) -> None:
    keep_best = at_epoch_end.KeepBest(folder, best)
    examples = np.asarray(next(iter(val_set))[0])[:TENSORBOARD_IMAGES]
    model.fit(
        train_set,
        validation_data=val_set,
        validation_freq=settings.evaluate_every,
        epochs=settings.epochs,
        initial_epoch=first_epoch,
        verbose=verbosity(settings),
        callbacks=[
            AveragePrecision(val_set, every=settings.evaluate_every),
            at_epoch_end.AddRateAndTime(),
            at_epoch_end.RecordHistory(folder),
            keep_best,
            at_epoch_end.KeepLast(folder, keep_best),
            at_epoch_end.ShowInTensorBoard(folder, examples, settings.evaluate_every),
        ],
    )


def _report(settings, folder, model, val_set, start: float) -> dict:
    if (folder / BEST).exists():
        model = load_model(folder / BEST)
    else:  # no object to measure against: the last (averaged) weights are what there is
        folder.save_model(BEST, model)
    report = evaluate(model, val_set)
    seconds = time.perf_counter() - start
    metrics = report.metrics | {"parameters": model.count_params(), "seconds_training": round(seconds, 1)}
    folder.write_json(METRICS, metrics)
    report.draw_precision_recall(folder / "precision_recall.png")
    draw_curves(folder / HISTORY, folder / "curves.png")
    draw_examples(model, val_set, folder / "detections.png")
    if verbosity(settings):
        print(f"\n{report.table()}\n\n{folder.path}: {BEST}, {METRICS}, {HISTORY} and pictures.")
    return metrics


def verbosity(settings: TrainSettings) -> int:
    """Returns Keras' verbosity: a bar only where somebody sees it move."""
    if settings.verbose is not None:
        return settings.verbose
    return 1 if sys.stdout.isatty() else 2


def steps_per_epoch(dataset) -> int:
    """Returns the number of batches of a data set; from its source where tf.data does not know."""
    cardinality = int(dataset.cardinality())
    if cardinality > 0:
        return cardinality
    batch_size = dataset.element_spec[0].shape[0] or 1
    return max(1, dataset.source.size // batch_size)


def _check_same_run(folder: RunFolder, settings: TrainSettings) -> None:
    before = json.loads((folder / CONFIG).read_text())
    for name in FIXED:
        if before.get(name) != getattr(settings, name):
            raise UserError(
                f"--resume: expected {name} {before.get(name)!r} as in {folder / CONFIG}, got "
                f"{getattr(settings, name)!r}. Give the same options, or start in another folder."
            )
