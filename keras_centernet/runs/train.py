"""One training run, from its settings to its folder of results."""

import contextlib
import dataclasses
import time
from collections.abc import Sequence

import keras
import numpy as np

from keras_centernet.drawing.image_file import write_image
from keras_centernet.errors import UserError
from keras_centernet.evaluation import AveragePrecision, evaluate
from keras_centernet.files.atomic import local_copy, write_whole
from keras_centernet.fitting.uncompiled import uncompiled
from keras_centernet.model import CenterNet, load_model
from keras_centernet.networks.cost import count_parameters
from keras_centernet.runs.building import build_model
from keras_centernet.runs.callbacks import AddRateAndTime, KeepBest, RecordHistory
from keras_centernet.runs.checkpoints import EnterEpoch, KeepLast, Progress
from keras_centernet.runs.datasets import Datasets, load_datasets
from keras_centernet.runs.devices.choosing import choose_backend, use_backend
from keras_centernet.runs.devices.devices import Devices, build_devices
from keras_centernet.runs.devices.together import LOST, ByOne, StopTogether, check_together
from keras_centernet.runs.drawings.training_batch import draw_training_batch
from keras_centernet.runs.ending.metrics_file import RUN
from keras_centernet.runs.ending.provenance import provenance_of
from keras_centernet.runs.ending.results import leave_results
from keras_centernet.runs.folder import (
    BEST,
    HISTORY,
    METRICS,
    METRICS_MARK,
    METRICS_VERSION,
    REPORT,
    SPLIT,
    TENSORBOARD,
    TRAINING_BATCH,
    RunFolder,
    only_writer,
)
from keras_centernet.runs.history import cut_history
from keras_centernet.runs.loggers.logger import LoggedRun, Loggers
from keras_centernet.runs.loggers.table import build_loggers, check_callbacks, check_loggers
from keras_centernet.runs.optimizers import build_schedule
from keras_centernet.runs.profiling import Profile
from keras_centernet.runs.resuming.checks import check_same_classes, check_same_run, config_of
from keras_centernet.runs.resuming.going_on import go_on, say_done
from keras_centernet.runs.resuming.stopping import LeaveCheckpoint
from keras_centernet.runs.screen.final_table import fit_tables
from keras_centernet.runs.screen.plan import plan
from keras_centernet.runs.screen.progress import show_progress
from keras_centernet.runs.settings import TrainSettings
from keras_centernet.runs.split_file import read_split
from keras_centernet.runs.user_code import resolve
from keras_centernet.terminal.layout import width, wrap
from keras_centernet.terminal.streams import draws_bars

LOGGED_IMAGES = 4


def train(settings: TrainSettings, callbacks: Sequence[keras.callbacks.Callback] = ()) -> dict:
    """Trains, evaluates and fills the output folder; returns the metrics of the best weights.

    The folder then holds best.keras, last.keras, history.csv, metrics.json, config.json, report.html, curves.png,
    detections.png, precision_recall.png, training_batch.jpg and tensorboard/. Of several workers only the chief
    evaluates and writes; the others return an empty dict.

    Args:
        settings: the options.
        callbacks: further callbacks, called after those of the run, so that their logs include the metrics. With
            several workers only the chief calls them. Checkpoints do not hold their state.

    Raises:
        UserError: the settings, the data or the folder are invalid.
        NonFiniteLossError: the loss or a weight became NaN or infinite.
    """
    start = time.perf_counter()
    backend = settings.backend or (choose_backend(tpu=True) if settings.tpu else keras.backend.backend())
    use_backend(backend)
    settings = dataclasses.replace(settings, backend=backend)
    settings.check_names()
    check_loggers(settings)
    check_callbacks(callbacks)
    devices = build_devices(settings)
    try:
        with only_writer(settings.output, devices.is_chief):
            run = Run.begin(settings, devices, start)
            with run.loggers:
                run.fit(callbacks)
                return run.report()
    except BaseException as error:
        devices.leave(error)
        if devices.has_lost(error):
            raise UserError(LOST) from error
        raise


@dataclasses.dataclass(frozen=True)
class Run:
    """The parts of a run; `start` is the `time.perf_counter` of its beginning, as if it had never been interrupted."""

    settings: TrainSettings
    devices: Devices
    folder: RunFolder
    data: Datasets
    model: CenterNet
    progress: Progress
    start: float
    is_resumed: bool
    loggers: Loggers = dataclasses.field(default_factory=Loggers)

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
            model = build_model(settings, data, is_resumed, *own)
            progress = Progress(steps_per_epoch=data.steps_per_epoch)
            if is_resumed:
                progress = go_on(folder, settings, data, model, devices)
        check_together(devices, progress.step)
        return cls(settings, devices, folder, data, model, progress, start - progress.seconds, is_resumed)

    def fit(self, own: Sequence[keras.callbacks.Callback] = ()) -> None:
        """Trains from the current progress to the end, with a user's own callbacks, and keeps the folder up to date."""
        settings, progress = self.settings, self.progress
        if self.is_chief:
            begin = self.folder.write_config if self.is_resumed else self.folder.begin
            config = config_of(settings, self.data)
            begin(config)
            if self.data.made_split:
                self.data.made_split.write(self.folder / SPLIT)
            cut_history(self.folder, progress.epoch)
            self.loggers.callbacks += build_loggers(LoggedRun(self.folder, settings, config, self._examples()))
        keep_best = KeepBest(self.folder, progress.best, progress.waited, settings.patience)
        if keep_best.is_done or progress.epoch >= settings.epochs:  # only the report may be missing
            if self.verbosity:
                print(say_done(self.folder, progress, keep_best), flush=True)
            return
        if self.is_chief and not settings.data_service:  # its workers give each image only once
            write_image(draw_training_batch(self.model, self.data, settings), self.folder / TRAINING_BATCH)
        callbacks, way_out = self._callbacks(keep_best, own)
        to_fit = self.data.to_fit(self.devices, settings, progress)
        if self.verbosity:
            print(plan(settings, self.devices, self.data, self.model, progress, width()), flush=True)
        with self.devices.fitting(), way_out:
            history = self.model.fit(**to_fit, verbose=0, callbacks=callbacks)
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
        """Keras' verbosity: by default a bar in a terminal, else lines; 0 except on the chief."""
        usual = 1 if draws_bars() else 2
        wanted = usual if self.settings.verbose is None else self.settings.verbose
        return wanted if self.is_chief else 0

    def seconds(self) -> float:
        """Returns how long the run has taken so far, interruptions left out."""
        return time.perf_counter() - self.start

    def _examples(self) -> np.ndarray:
        return np.asarray(next(iter(self.data.val))[0])[:LOGGED_IMAGES]

    def _callbacks(self, keep_best: KeepBest, own: Sequence) -> tuple[list, contextlib.AbstractContextManager]:
        """Returns the callbacks of this process, and a context for `fit`."""
        callbacks = [EnterEpoch(self.progress)]
        of_chief = [*self._callbacks_of_chief(keep_best), *own] if self.is_chief else []
        if self.devices.processes > 1:  # all must end together, at the end of an epoch
            callbacks += [ByOne(of_chief, self.devices), StopTogether(self.devices)]
            return callbacks, contextlib.nullcontext()
        keep_last = next(one for one in of_chief if isinstance(one, KeepLast))
        leave = LeaveCheckpoint(keep_last, self.settings.epochs)
        return [*callbacks, leave, *of_chief], leave.on_the_way_out()

    def _callbacks_of_chief(self, keep_best: KeepBest) -> list[keras.callbacks.Callback]:
        settings, folder, progress = self.settings, self.folder, self.progress
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
            *self.loggers.callbacks,
            *([Profile(folder / TENSORBOARD, self.devices)] if settings.profile else []),
            *([show_progress(settings, progress, self.verbosity == 1)] if self.verbosity else []),
        ]

    def _report_of_chief(self) -> dict:
        folder = self.folder
        if not (folder / BEST).exists():  # nothing was measured: the last (averaged) weights are the best
            # Not `average.finish`: the other processes would have to take part in it.
            with self.model.averaged(), uncompiled(self.model):
                write_whole(folder / BEST, self.model.save)
        with local_copy(folder / BEST) as path:
            model = load_model(path)
        report = evaluate(model, self.data.val)
        cost = {"parameters": count_parameters(model.network), "seconds_training": round(self.seconds(), 1)}
        metrics = report.metrics | cost
        metrics["thresholds"] = leave_results(folder, model, self.data, report)
        metrics[RUN] = provenance_of(self.settings, self.data)
        folder.write_json(METRICS, {METRICS_MARK: METRICS_VERSION, **metrics})
        self.loggers.show_metrics(metrics)
        if self.verbosity:
            place = f"{folder.path}: {BEST}, {METRICS}, {HISTORY}, {REPORT} and drawings."
            print(f"\n{fit_tables(report.table(), width())}\n\n" + "\n".join(wrap(place, width())))
        return metrics
