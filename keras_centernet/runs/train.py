"""One training run, from its settings to its folder of results."""

import dataclasses
import time

import keras
import numpy as np

from keras_centernet.about import About
from keras_centernet.drawing import draw_curves
from keras_centernet.errors import UserError
from keras_centernet.evaluation import AveragePrecision, evaluate
from keras_centernet.files.atomic import local_copy, write_whole
from keras_centernet.fitting import layer_selection
from keras_centernet.fitting.uncompiled import uncompiled
from keras_centernet.model import CenterNet, load_model
from keras_centernet.runs.callbacks import AddRateAndTime, KeepBest, RecordHistory, ShowInTensorBoard
from keras_centernet.runs.checkpoints import EnterEpoch, KeepLast, Progress, restore
from keras_centernet.runs.datasets import Datasets, load_datasets
from keras_centernet.runs.devices.choosing import choose_backend, use_backend
from keras_centernet.runs.devices.devices import Devices, build_devices
from keras_centernet.runs.devices.plan import computes_in_half, plan
from keras_centernet.runs.devices.together import LOST, ByOne, StopTogether, check_together
from keras_centernet.runs.example_images import draw_examples
from keras_centernet.runs.folder import (
    BEST,
    CURVES,
    DETECTIONS,
    HISTORY,
    METRICS,
    PRECISION_RECALL,
    SPLIT,
    TENSORBOARD,
    RunFolder,
    check_same_classes,
    check_same_run,
    only_writer,
)
from keras_centernet.runs.history import cut_history
from keras_centernet.runs.optimizers import build_optimizer, build_schedule
from keras_centernet.runs.profiling import Profile
from keras_centernet.runs.settings import TrainSettings
from keras_centernet.runs.split_file import read_split
from keras_centernet.runs.user_code import resolve
from keras_centernet.tasks.table import task_row
from keras_centernet.terminal.streams import draws_bars

TENSORBOARD_IMAGES = 4


def train(settings: TrainSettings) -> dict:
    """Trains, evaluates and fills the output folder; returns the metrics of the best weights.

    The folder then holds best.keras, last.keras, history.csv, metrics.json, config.json, curves.png,
    detections.png, precision_recall.png and tensorboard/. Of several workers only the chief evaluates and
    writes; the others return an empty dict.

    Raises:
        UserError: settings, data or folder are not what they should be.
        NonFiniteLossError: the loss became NaN or infinite.
    """
    start = time.perf_counter()
    backend = settings.backend or (choose_backend(tpu=True) if settings.tpu else keras.backend.backend())
    use_backend(backend)
    settings = dataclasses.replace(settings, backend=backend)
    settings.check_names()
    devices = build_devices(settings)
    try:
        with only_writer(settings.output, devices.is_chief):
            run = Run.begin(settings, devices, start)
            run.fit()
            return run.report()
    except BaseException as error:
        devices.leave(error)
        if devices.has_lost(error):
            raise UserError(LOST) from error
        raise


@dataclasses.dataclass(frozen=True)
class Run:
    """The parts of a run; `start` is when it would have begun, by `time.perf_counter`, without interruptions."""

    settings: TrainSettings
    devices: Devices
    folder: RunFolder
    data: Datasets
    model: CenterNet
    progress: Progress
    start: float
    is_resumed: bool

    @classmethod
    def begin(cls, settings: TrainSettings, devices: Devices, start: float) -> "Run":
        """Opens the folder, loads the data, and builds the model or restores it from the folder's checkpoint."""
        own = resolve(settings.backbone, "--backbone"), resolve(settings.task, "--task")
        folder = RunFolder(settings.output, settings.resume, settings.overwrite, writes=devices.is_chief)
        is_resumed = settings.resume and folder.holds_run()
        if is_resumed:
            check_same_run(folder, settings)
        elif settings.resume:
            print(f"--resume: {folder.path} holds no checkpoint yet: this is the beginning.", flush=True)
        if settings.deterministic:
            devices.make_deterministic()
        keras.utils.set_random_seed(settings.seed)
        data = load_datasets(settings, devices, read_split(folder / SPLIT) if is_resumed else None)
        if is_resumed:
            check_same_classes(folder, data.train.classes)
        with devices.building():
            model = _build_model(settings, data, is_resumed, *own)
            progress = Progress(steps_per_epoch=data.steps_per_epoch)
            if is_resumed:
                progress = _with_best(folder, restore(model, folder, data.steps_per_epoch))
        check_together(devices, progress.step)
        return cls(settings, devices, folder, data, model, progress, start - progress.seconds, is_resumed)

    def fit(self) -> None:
        """Trains from where the run is to its end, and keeps the folder up to date."""
        settings, progress = self.settings, self.progress
        if self.is_chief:
            config = dataclasses.asdict(settings) | {"classes": list(self.model.classes)}
            begin = self.folder.write_config if self.is_resumed else self.folder.begin
            begin(config)
            if self.data.made_split:
                self.data.made_split.write(self.folder / SPLIT)
            cut_history(self.folder, progress.epoch)
        keep_best = KeepBest(self.folder, progress.best, progress.waited, settings.patience)
        if keep_best.is_done or progress.epoch >= settings.epochs:
            return  # the run was stopped between its last checkpoint and its end
        callbacks = [EnterEpoch(progress)]
        of_chief = self._callbacks_of_chief(keep_best) if self.is_chief else []
        if self.devices.processes > 1:
            of_chief = [ByOne(of_chief, self.devices), StopTogether(self.devices)]
        callbacks += of_chief
        to_fit = self.data.to_fit(self.devices, settings, progress)
        if self.verbosity:
            steps, together = self.data.steps_per_epoch, self.data.steps_per_execution
            print(plan(settings, self.devices, self.data.train, steps, together), flush=True)
        with self.devices.fitting():
            history = self.model.fit(**to_fit, verbose=self.verbosity, callbacks=callbacks)
        if keep_best.is_done and self.verbosity:
            end = f"stopped after epoch {history.epoch[-1] + 1} of {settings.epochs}"
            print(f"No better result in {keep_best.waited} evaluations: {end}.")

    def report(self) -> dict:
        """Evaluates the best weights, writes metrics and drawings, and returns the metrics."""
        metrics = self._report_of_chief() if self.is_chief else {}
        self.devices.wait_for_all()
        return metrics

    @property
    def is_chief(self) -> bool:
        return self.devices.is_chief

    @property
    def verbosity(self) -> int:
        """Keras' verbosity: a bar only in a terminal."""
        usual = 1 if draws_bars() else 2
        wanted = usual if self.settings.verbose is None else self.settings.verbose
        return wanted if self.is_chief else 0

    def seconds(self) -> float:
        """Returns how long the run has taken so far, interruptions left out."""
        return time.perf_counter() - self.start

    def _callbacks_of_chief(self, keep_best: KeepBest) -> list[keras.callbacks.Callback]:
        settings, folder, progress = self.settings, self.folder, self.progress
        examples = np.asarray(next(iter(self.data.val))[0])[:TENSORBOARD_IMAGES]
        schedule = build_schedule(settings, self.data.steps_per_epoch)
        add_rate = AddRateAndTime(schedule, progress.rate if progress.batch else None)

        def known() -> dict:
            state = {"best": keep_best.best, "waited": keep_best.waited}
            return state | {"rate": add_rate.rate, "seconds": self.seconds()}

        return [
            AveragePrecision(self.data.val, every=settings.evaluate_every),
            add_rate,
            RecordHistory(folder),
            keep_best,
            KeepLast(folder, progress, settings, known),
            ShowInTensorBoard(folder, examples, settings.evaluate_every),
            *([Profile(folder / TENSORBOARD, self.devices)] if settings.profile else []),
        ]

    def _report_of_chief(self) -> dict:
        folder = self.folder
        if not (folder / BEST).exists():  # nothing to evaluate on: the last (averaged) weights are the best
            with (
                self.model.averaged(),
                uncompiled(self.model),
            ):  # not `finish`: the other processes would have to compute with this one
                write_whole(folder / BEST, self.model.save)
        with local_copy(folder / BEST) as path:
            model = load_model(path)
        report = evaluate(model, self.data.val)
        metrics = report.metrics | {"parameters": model.count_params(), "seconds_training": round(self.seconds(), 1)}
        write_whole(folder / PRECISION_RECALL, report.draw_precision_recall)
        with local_copy(folder / HISTORY) as history:
            write_whole(folder / CURVES, lambda path: draw_curves(history, path))
        write_whole(folder / DETECTIONS, lambda path: draw_examples(model, self.data.val, path))
        folder.write_json(METRICS, metrics)
        if self.verbosity:
            print(f"\n{report.table()}\n\n{folder.path}: {BEST}, {METRICS}, {HISTORY} and drawings.")
        return metrics


def _build_model(settings: TrainSettings, data: Datasets, is_resumed: bool, backbone, task) -> CenterNet:
    """Returns the compiled model as it is at the beginning; a resumed one takes its weights from the checkpoint."""
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
    slow_paths = ()
    if settings.backbone_rate != 1:
        slow_paths = layer_selection.backbone_paths(model.network, model.backbone_row.backbone_layers)
    model.compile(
        build_optimizer(settings, data.steps_per_epoch, slow_paths),
        color_augmentation=task_row(settings.task).color if settings.color is None else settings.color,
        average_decay=settings.average_decay or None,
        loss_mean=settings.loss_mean,
        accumulate=settings.accumulate,
        freeze=settings.freeze or None,
        steps_per_execution=data.steps_per_execution,
    )
    return model


def _with_best(folder: RunFolder, progress: Progress) -> Progress:
    """Returns the progress; where best.keras is missing, with the best one still to come."""
    if progress.best == Progress.best or (folder / BEST).exists():
        return progress
    print(f"--resume: {folder / BEST} is missing: the best of what follows will be there.", flush=True)
    return dataclasses.replace(progress, best=Progress.best, waited=0)
