"""One training run from its settings to its folder of results."""

import dataclasses
import functools
import json
import sys
import time

import keras
import numpy as np
import tensorflow as tf

from keras_centernet.data import load_dataset
from keras_centernet.drawing import draw_curves
from keras_centernet.errors import UserError
from keras_centernet.evaluation import AveragePrecision, evaluate
from keras_centernet.model import CenterNet, load_model
from keras_centernet.runs import callbacks as at_epoch_end
from keras_centernet.runs.folder import BEST, CONFIG, HISTORY, LAST, METRICS, STATE, RunFolder
from keras_centernet.runs.pictures import draw_examples
from keras_centernet.runs.profiling import Profile
from keras_centernet.runs.settings import TrainSettings, build_optimizer
from keras_centernet.runs.strategies import build_strategy, check_batch, computes_in_half, plan
from keras_centernet.runs.workers import StopTogether, is_chief, is_multi_worker, share, wait_for_all
from keras_centernet.tasks import TASKS

TENSORBOARD_IMAGES = 4
LOST = (
    "--multi-worker: expected all workers to run to the end, one of them has stopped. Its own output says why; start "
    "all of them again."
)
# What a resumed run must not change: the weights, the optimizer or the data would not fit any more.
FIXED = ("backbone", "task", "epochs", "batch_size", "optimizer", "learning_rate", "schedule", "seed", "split")
FIXED += ("step_epochs", "normalization")


def train(settings: TrainSettings) -> dict:
    """Trains, evaluates and fills the output folder; returns the metrics of the best weights.

    The folder then holds best.keras, last.keras, history.csv, metrics.json, config.json, curves.png,
    detections.png, precision_recall.png and tensorboard/. Of several workers only the chief measures and
    writes; the others return nothing.

    Raises:
        UserError: settings, data or folder are not what they should be.
        NonFiniteLossError: the loss became NaN or infinite.
    """
    start = time.perf_counter()
    strategy = build_strategy(settings)
    reads_or_writes = is_chief(strategy) or settings.resume  # other workers do not touch the disk
    folder = RunFolder(settings.output, settings.resume) if reads_or_writes else None
    if settings.resume:
        _check_same_run(folder, settings)
    keras.utils.set_random_seed(settings.seed)
    previous_policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16" if computes_in_half(settings) else "float32")
    try:
        train_set, val_set, fitted = _load_datasets(settings, strategy)
        with strategy.scope():
            model, first_epoch, best = _start_model(settings, folder, train_set)
        fitted["callbacks"] = [StopTogether(strategy)] if is_multi_worker(strategy) else []
        if not is_chief(strategy):
            model.fit(epochs=settings.epochs, initial_epoch=first_epoch, verbose=0, **fitted)
            wait_for_all(strategy)
            return {}
        if verbosity(settings):
            print(plan(settings, strategy, train_set, steps_per_epoch(train_set)), flush=True)
        folder.write_json(CONFIG, dataclasses.asdict(settings) | {"classes": list(model.classes)})
        _fit(settings, folder, model, fitted, val_set, first_epoch, best)
        metrics = _report(settings, folder, model, val_set, start)
        wait_for_all(strategy)
        return metrics
    except tf.errors.UnavailableError as error:
        raise UserError(LOST) from error
    finally:
        keras.config.set_dtype_policy(previous_policy)


def _load_datasets(settings: TrainSettings, strategy):
    """Returns the two data sets, and what `fit` takes of them: the replicas' shares."""
    shared = {
        name: getattr(settings, name) for name in ("format", "annotations", "images", "strict", "workers", "task")
    }
    shared |= {name: getattr(settings, name) for name in ("input_size", "max_objects", "seed", "workers")}
    only_training = {name: getattr(settings, name) for name in ("augmentation", "flip", "empty_images")}
    load_train = functools.partial(load_dataset, split=settings.split, training=True, **only_training, **shared)
    load_val = functools.partial(load_dataset, split=settings.val_split, training=False, **shared)
    train_set = load_train(settings.data, batch_size=settings.batch_size)
    val_set = load_val(settings.data, batch_size=settings.batch_size, classes=train_set.classes)
    batch_size, replicas = train_set.element_spec[0].shape[0], strategy.num_replicas_in_sync
    check_batch(strategy, batch_size)
    val_batch_size = max(1, min(batch_size, val_set.source.size) // replicas) * replicas
    fitted = {
        "x": share(strategy, train_set, functools.partial(load_train, train_set.source), batch_size),
        "validation_data": share(strategy, val_set, functools.partial(load_val, val_set.source), val_batch_size),
        "validation_freq": settings.evaluate_every,
    }
    return train_set, val_set, fitted


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
        normalization=settings.normalization,
    )
    model.compile(
        build_optimizer(settings, steps_per_epoch(train_set)),
        color_augmentation=TASKS[settings.task].color if settings.color is None else settings.color,
        average_decay=settings.average_decay or None,
        loss_mean=settings.loss_mean,
        steps_per_execution=settings.steps_per_execution,
    )
    return model, 0, -1.0


def _resume_model(folder: RunFolder):
    model = load_model(folder / LAST)
    state = dict(np.load(folder / STATE))
    step = int(keras.ops.convert_to_numpy(model.optimizer.iterations))
    if int(state["iterations"]) != step:
        raise UserError(
            f"--resume: {folder / LAST} is of step {step}, {STATE} of step "
            f"{int(state['iterations'])}: the run was killed between the two. Start anew with --weights."
        )
    if model.average:
        model.average.restore(state)
    return model, int(state["epoch"]), float(state["best"])


def _fit(settings, folder, model, fitted: dict, val_set, first_epoch: int, best: float) -> None:
    keep_best = at_epoch_end.KeepBest(folder, best)
    examples = np.asarray(next(iter(val_set))[0])[:TENSORBOARD_IMAGES]
    together = fitted.pop("callbacks")
    model.fit(
        **fitted,
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
            *([Profile(folder / "tensorboard")] if settings.profile else []),
            *together,
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
    now = json.loads(json.dumps(dataclasses.asdict(settings)))  # lists where JSON knows no tuples
    for name in FIXED:
        if before.get(name) != now[name]:
            raise UserError(
                f"--resume: expected {name} {before.get(name)!r} as in {folder / CONFIG}, got "
                f"{now[name]!r}. Give the same options, or start in another folder."
            )
