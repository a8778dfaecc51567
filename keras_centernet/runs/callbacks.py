"""What a run does at the end of every epoch: keep the best weights, record the history, show it in TensorBoard."""

import csv
import io
import math
import time

import keras
import numpy as np

from keras_centernet.evaluation.metrics.table import main_metric
from keras_centernet.files.atomic import write_whole
from keras_centernet.runs.folder import BEST, HISTORY, RunFolder


class InsteadOfStep(keras.callbacks.Callback):
    """A callback that replaces the compiled training step for a while: `step` runs between `take_over` and `give_back`.

    Of several in one training, the one that took over last gives back first.
    """

    usual = None

    def step(self, iterator) -> dict:
        """Runs in place of `usual(iterator)` and returns the same: the metrics so far."""
        raise NotImplementedError

    def take_over(self) -> None:
        """From now on Keras calls `step`."""
        self.usual, self.model.train_function = self.model.train_function, self.step

    def give_back(self) -> None:
        """From now on Keras calls its own step again."""
        self.model.train_function, self.usual = self.usual, None


class KeepBest(keras.callbacks.Callback):
    """Saves the (averaged) weights whenever the main metric of the validation grows, see `main_metric`.

    Epochs without an evaluation change nothing. Without any evaluation, the last epoch is the best.

    Args:
        folder: of the run.
        best, waited: the attributes' values at the beginning.
        patience: stops the training after so many evaluations without a better one; None: never.

    Attributes:
        best: highest value of the main metric so far.
        waited: evaluations since then.
    """

    def __init__(self, folder: RunFolder, best: float = -1.0, waited: int = 0, patience: int | None = None):
        super().__init__()
        self.folder, self.best, self.waited, self.patience = folder, best, waited, patience

    @property
    def is_done(self) -> bool:
        """Whether patience has run out."""
        return self.patience is not None and self.waited >= self.patience

    def on_epoch_end(self, epoch, logs=None):
        """Compares, and saves or counts."""
        logs = logs or {}
        main = main_metric(name.removeprefix("val_") for name in logs if name.startswith("val_"))
        value = logs.get(f"val_{main}", math.nan)
        if value > self.best:  # False for NaN
            self.best, self.waited = float(value), 0
            with self.model.averaged():
                write_whole(self.folder / BEST, self.model.save)
        elif not math.isnan(value):
            self.waited += 1
        if self.is_done:
            self.model.stop_training = True


class RecordHistory(keras.callbacks.Callback):
    """Appends one row per epoch to history.csv: all that is in the logs."""

    def __init__(self, folder: RunFolder):
        super().__init__()
        self.folder = folder

    def on_epoch_end(self, epoch, logs=None):
        """Rewrites the file with the row of this epoch added; later rows of an earlier run are dropped."""
        rows = first_epochs(self.folder, epoch)
        rows.append({"epoch": epoch + 1, **{k: f"{float(v):.6g}" for k, v in logs.items()}})
        write_whole(self.folder / HISTORY, lambda path: _write_rows(path, rows))


class AddRateAndTime(keras.callbacks.Callback):
    """Adds to the logs the learning rate of the epoch's first step and the seconds that this process spent on it.

    Args:
        rate: of the first step of an epoch that an earlier process began; None: no epoch was begun.
    """

    def __init__(self, rate: float | None = None):
        super().__init__()
        self.rate, self._is_known = rate, rate is not None

    def on_epoch_begin(self, epoch, logs=None):
        """Reads the optimizer and starts the clock."""
        if not self._is_known:
            self.rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        self._is_known = False
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        """Reads the clock."""
        logs["learning_rate"] = self.rate  # by now the optimizer's is that of the next epoch
        logs["seconds"] = time.perf_counter() - self._start


class ShowInTensorBoard(keras.callbacks.Callback):
    """Writes all that is in the logs, and detections and heatmaps of a few images, for TensorBoard.

    Args:
        folder: of the run; the events go to its `tensorboard` folder.
        images: (B, H, W, 3) uint8 inputs that are drawn with their detections and heatmaps.
        every: epochs between two sets of drawings.
    """

    def __init__(self, folder: RunFolder, images: np.ndarray, every: int):
        super().__init__()
        import tensorflow as tf

        self.writer = tf.summary.create_file_writer(str(folder / "tensorboard"))
        self.images, self.every = images, every

    def on_epoch_end(self, epoch, logs=None):
        """Writes the epoch's numbers, and every few epochs drawings."""
        import tensorflow as tf

        from keras_centernet.runs.example_images import detections_and_heatmaps

        with self.writer.as_default(step=epoch + 1):
            for name, value in logs.items():
                if math.isfinite(value):
                    tf.summary.scalar(name, float(value))
            if epoch % self.every == 0 or epoch + 1 == self.params["epochs"]:
                with self.model.averaged():
                    drawings = detections_and_heatmaps(self.model, self.images)
                for name, drawn in drawings.items():
                    tf.summary.image(name, drawn, max_outputs=len(self.images))
        self.writer.flush()

    def on_train_end(self, logs=None):
        """Closes the event file."""
        self.writer.close()


def first_epochs(folder: RunFolder, count: int) -> list[dict]:
    """Returns the rows of history.csv for the first `count` epochs; none if there is no file."""
    if not (folder / HISTORY).exists():
        return []
    rows = csv.DictReader(io.StringIO((folder / HISTORY).read_bytes().decode(), newline=""))
    return [row for row in rows if int(row["epoch"]) <= count]


def cut_history(folder: RunFolder, count: int) -> None:
    """Drops the rows of history.csv after the first `count` epochs, which will be trained again."""
    rows = first_epochs(folder, count)
    if rows:
        write_whole(folder / HISTORY, lambda path: _write_rows(path, rows))
    else:
        (folder / HISTORY).unlink(missing_ok=True)


def _write_rows(path, rows: list[dict]) -> None:
    names = list(dict.fromkeys(name for row in rows for name in row))
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, names, restval="nan")
        writer.writeheader()
        writer.writerows(rows)
