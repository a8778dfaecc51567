"""One training run from its settings to its folder of results."""

import dataclasses
import json
import sys
import time

import keras
import numpy as np
import tensorflow as tf

from keras_centernet.drawing import draw_curves
from keras_centernet.errors import UserError
from keras_centernet.evaluation import AveragePrecision, evaluate
from keras_centernet.fitting import layer_selection
from keras_centernet.model import CenterNet, load_model
from keras_centernet.runs import callbacks as at_epoch_end
from keras_centernet.runs.checkpoints import EnterEpoch, KeepLast, Progress, restore
from keras_centernet.runs.datasets import Datasets, load_datasets
from keras_centernet.runs.devices import build_strategy, computes_in_half, plan
from keras_centernet.runs.example_images import draw_examples
from keras_centernet.runs.folder import BEST, CONFIG, HISTORY, METRICS, RunFolder
from keras_centernet.runs.profiling import Profile
from keras_centernet.runs.settings import TrainSettings, build_optimizer
from keras_centernet.runs.workers import StopTogether, check_together, is_chief, is_multi_worker, wait_for_all
from keras_centernet.tasks import TASKS

TENSORBOARD_IMAGES = 4
LOST = (
    "--multi-worker: expected all workers to run to the end, one of them has stopped. Its own output says why; start "
    "all of them again, with --resume if there is a checkpoint."
)
# What a resumed run must not change: the weights, the optimizer or the data would not fit any more.
FIXED = ("backbone", "task", "epochs", "batch_size", "optimizer", "learning_rate", "schedule", "seed", "split")
FIXED += ("input_size", "weight_decay", "warmup_epochs", "clip_norm", "average_decay", "augmentation", "flip", "color")
FIXED += ("task_options", "max_objects", "mixed_precision", "accumulate", "freeze", "backbone_rate", "step_epochs")
FIXED += ("normalization", "empty_images", "loss_mean", "steps_per_execution")


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
    folder = RunFolder(settings.output, settings.resume, writes=is_chief(strategy))
    is_resumed = settings.resume and folder.holds_run()
    if is_resumed:
        _check_same_run(folder, settings)
    elif settings.resume:
        print(f"--resume: {folder.path} holds no checkpoint yet: this is the beginning.", flush=True)
    if settings.deterministic:
        tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(settings.seed)
    previous_policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16" if computes_in_half(settings) else "float32")
    try:
        return _run(settings, strategy, folder, is_resumed, start)
    except tf.errors.UnavailableError as error:
        raise UserError(LOST) from error
    finally:
        keras.config.set_dtype_policy(previous_policy)


def _run(settings: TrainSettings, strategy, folder: RunFolder, is_resumed: bool, start: float) -> dict:
    data = load_datasets(settings, strategy)
    with strategy.scope():
        model = _build_model(settings, data, is_resumed)
        progress, figures = _start(folder, model, data, is_resumed)
    check_together(strategy, progress.step)
    start -= progress.seconds
    if is_chief(strategy):
        folder.write_json(CONFIG, dataclasses.asdict(settings) | {"classes": list(model.classes)})
        at_epoch_end.cut_history(folder, progress.epoch)
    keep_best = at_epoch_end.KeepBest(folder, progress.best, progress.waited, settings.patience)
    if not keep_best.is_done and progress.epoch < settings.epochs:  # else it was stopped after its last checkpoint
        _fit(settings, strategy, folder, model, data, progress, figures, keep_best, start)
    metrics = _report(settings, folder, model, data.val, start) if is_chief(strategy) else {}
    wait_for_all(strategy)
    return metrics


def _build_model(settings: TrainSettings, data: Datasets, is_resumed: bool):
    """Returns the compiled model as it is at the beginning; a resumed one takes its weights from the checkpoint."""
    beginning = {} if is_resumed else {"weights": settings.weights, "backbone_weights": settings.backbone_weights}
    model = CenterNet(
        settings.backbone,
        task=settings.task,
        classes=data.train.classes,
        task_options=data.train.task_options | settings.task_options,
        input_size=settings.input_size,
        normalization=settings.normalization,
        **beginning,
    )
    slow_paths = (
        ()
        if settings.backbone_rate == 1
        else layer_selection.backbone_paths(model.network, model.backbone_row.backbone_layers)
    )
    model.compile(
        build_optimizer(settings, data.steps_per_epoch, slow_paths),
        color_augmentation=TASKS[settings.task].color if settings.color is None else settings.color,
        average_decay=settings.average_decay or None,
        loss_mean=settings.loss_mean,
        accumulate=settings.accumulate,
        freeze=settings.freeze or None,
        steps_per_execution=data.steps_per_execution,
    )
    return model


def _start(folder: RunFolder, model, data: Datasets, is_resumed: bool) -> tuple[Progress, list]:
    """Returns where the training begins, and the running means of an epoch that was begun."""
    steps = data.steps_per_epoch
    if not is_resumed:
        return Progress(steps_per_epoch=steps), []
    progress, figures = restore(model, folder)
    if progress.steps_per_epoch != steps:
        raise UserError(
            f"--resume: expected the data of before, {progress.steps_per_epoch} batches an epoch, got {steps}. "
            "Bring the data back, or start in another folder with --weights."
        )
    return progress, figures


def _fit(settings, strategy, folder, model, data: Datasets, progress: Progress, figures, keep_best, start) -> None:
    together = [StopTogether(strategy)] if is_multi_worker(strategy) else []
    to_fit = data.to_fit(strategy, settings, progress)
    enter = EnterEpoch(progress, figures)
    if not is_chief(strategy):
        model.fit(**to_fit, verbose=0, callbacks=[enter, *together])
        return
    if verbosity(settings):
        print(plan(settings, strategy, data.train, data.steps_per_epoch, data.steps_per_execution), flush=True)
    examples = np.asarray(next(iter(data.val))[0])[:TENSORBOARD_IMAGES]
    every, keep = settings.checkpoint_every, settings.keep
    add_rate = at_epoch_end.AddRateAndTime(progress.rate if progress.batch else None)
    history = model.fit(
        **to_fit,
        verbose=verbosity(settings),
        callbacks=[
            enter,
            AveragePrecision(data.val, every=settings.evaluate_every),
            add_rate,
            at_epoch_end.RecordHistory(folder),
            keep_best,
            KeepLast(folder, progress, keep_best, add_rate, every, keep, lambda: time.perf_counter() - start),
            at_epoch_end.ShowInTensorBoard(folder, examples, settings.evaluate_every),
            *([Profile(folder / "tensorboard")] if settings.profile else []),
            *together,
        ],
    )
    if keep_best.is_done and verbosity(settings):
        print(
            f"No better average precision in {keep_best.waited} evaluations: stopped after epoch "
            f"{history.epoch[-1] + 1} of {settings.epochs}."
        )


def _report(settings, folder, model, val_set, start: float) -> dict:
    if not folder.holds(BEST):  # no object to measure against: the last (averaged) weights are what there is
        if model.average:
            model.average.finish()
        folder.save_model(BEST, model)
    with folder.fetch(BEST) as path:
        model = load_model(path)
    report = evaluate(model, val_set)
    seconds = time.perf_counter() - start
    metrics = report.metrics | {"parameters": model.count_params(), "seconds_training": round(seconds, 1)}
    folder.replace("precision_recall.png", report.draw_precision_recall)
    with folder.fetch(HISTORY) as history:
        folder.replace("curves.png", lambda path: draw_curves(history, path))
    folder.replace("detections.png", lambda path: draw_examples(model, val_set, path))
    folder.write_json(METRICS, metrics)
    if verbosity(settings):
        print(f"\n{report.table()}\n\n{folder.path}: {BEST}, {METRICS}, {HISTORY} and pictures.")
    return metrics


def verbosity(settings: TrainSettings) -> int:
    """Returns Keras' verbosity: a bar only where somebody sees it move."""
    if settings.verbose is not None:
        return settings.verbose
    return 1 if sys.stdout.isatty() else 2


def _check_same_run(folder: RunFolder, settings: TrainSettings) -> None:
    before = json.loads(folder.read_bytes(CONFIG))
    now = json.loads(json.dumps(dataclasses.asdict(settings)))  # tuples become lists
    for name in FIXED:
        if before.get(name, now[name]) != now[name]:
            raise UserError(
                f"--resume: expected {name} {before.get(name)!r} as in {folder / CONFIG}, got "
                f"{now[name]!r}. Give the same options, or start in another folder."
            )
