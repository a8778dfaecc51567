"""What a run does at the end of every epoch: keep, record, show."""

import csv
import math
import os
import time

import keras
import numpy as np

from keras_centernet.runs.folder import BEST, HISTORY, LAST, STATE, RunFolder

BEST_BY = ("val_OKS_AP", "val_AP_3D", "val_AP")  # the first that is there


class KeepBest(keras.callbacks.Callback):
    """Saves the (averaged) weights whenever the validation's average precision grows: of joints, of 3D boxes, or of
    boxes, whichever the task is about.

    Epochs without a measurement change nothing. Without any measurement, the last epoch is the best.

    Attributes:
        best: highest val_AP so far.
    """

    def __init__(self, folder: RunFolder, best: float = -1.0):
        super().__init__()
        self.folder, self.best = folder, best

    def on_epoch_end(self, epoch, logs=None):
        """Compares and saves."""
        value = next((logs[name] for name in BEST_BY if name in (logs or {})), math.nan)
        if value > self.best:  # False for NaN
            self.best = float(value)
            with self.model.averaged():
                self.folder.save_model(BEST, self.model)


class KeepLast(keras.callbacks.Callback):
    """Saves everything that `--resume` needs after every epoch: weights, optimizer, average, best score.

    The state file is written after the model and names its step, so that a run that was killed between
    the two is noticed.
    """

    def __init__(self, folder: RunFolder, keep_best: KeepBest):
        super().__init__()
        self.folder, self.keep_best = folder, keep_best

    def on_epoch_end(self, epoch, logs=None):
        """Saves."""
        self.folder.save_model(LAST, self.model)
        state = {
            "epoch": epoch + 1,
            "best": self.keep_best.best,
            "iterations": int(keras.ops.convert_to_numpy(self.model.optimizer.iterations)),
        }
        if self.model.average:
            state |= self.model.average.state()
        self.folder.replace(STATE, lambda path: _write_arrays(path, state))


class RecordHistory(keras.callbacks.Callback):
    """Appends one row per epoch to history.csv: losses, average precision, learning rate, seconds."""

    def __init__(self, folder: RunFolder):
        super().__init__()
        self.folder = folder

    def on_epoch_end(self, epoch, logs=None):
        """Rewrites the file with the row of this epoch added; later rows of an earlier run are dropped."""
        rows = read_history(self.folder / HISTORY)
        rows = [row for row in rows if int(row["epoch"]) < epoch + 1]
        rows.append({"epoch": epoch + 1, **{k: f"{float(v):.6g}" for k, v in logs.items()}})
        self.folder.replace(HISTORY, lambda path: _write_rows(path, rows))


class AddRateAndTime(keras.callbacks.Callback):
    """Puts the learning rate of the epoch's first step and the seconds of the epoch into the logs."""

    def on_epoch_begin(self, epoch, logs=None):
        """Reads the optimizer and starts the clock."""
        self._rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        """Reads the clock."""
        logs["learning_rate"] = self._rate  # by now the optimizer's is that of the next epoch
        logs["seconds"] = time.perf_counter() - self._start


class ShowInTensorBoard(keras.callbacks.Callback):
    """Writes losses by head, average precision, learning rate and pictures for TensorBoard.

    Args:
        folder: of the run; the events go to its `tensorboard` folder.
        images: (B, H, W, 3) uint8 inputs that are drawn with their detections and heatmaps.
        every: epochs between two sets of pictures.
    """

    def __init__(self, folder: RunFolder, images: np.ndarray, every: int):
        super().__init__()
        import tensorflow as tf

        self.writer = tf.summary.create_file_writer(str(folder / "tensorboard"))
        self.images, self.every = images, every

    def on_epoch_end(self, epoch, logs=None):
        """Writes the epoch's numbers, and pictures every now and then."""
        import tensorflow as tf

        from keras_centernet.runs.pictures import detections_and_heatmaps

        with self.writer.as_default(step=epoch + 1):
            for name, value in logs.items():
                if math.isfinite(value):
                    tf.summary.scalar(name, float(value))
            if epoch % self.every == 0 or epoch + 1 == self.params["epochs"]:
                with self.model.averaged():
                    pictures = detections_and_heatmaps(self.model, self.images)
                for name, picture in pictures.items():
                    tf.summary.image(name, picture, max_outputs=len(self.images))
        self.writer.flush()

    def on_train_end(self, logs=None):
        """Closes the event file."""
        self.writer.close()


def read_history(path: str | os.PathLike) -> list[dict]:
    """Returns the rows of a history.csv, or none where the file is missing."""
    try:
        with open(path, newline="") as file:
            return list(csv.DictReader(file))
    except FileNotFoundError:
        return []


def _write_rows(path, rows: list[dict]) -> None:
    names = list(dict.fromkeys(name for row in rows for name in row))
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, names, restval="nan")
        writer.writeheader()
        writer.writerows(rows)


def _write_arrays(path, state: dict) -> None:
    with open(path, "wb") as file:
        np.savez(file, **state)
