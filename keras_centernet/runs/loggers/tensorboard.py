"""TensorBoard's events, in the folder of the run."""

import math

import tensorflow as tf

from keras_centernet.files.atomic import writing
from keras_centernet.runs.drawings.example_images import detections_and_heatmaps
from keras_centernet.runs.folder import TENSORBOARD
from keras_centernet.runs.loggers.logger import LoggedRun, RunLogger


class ShowInTensorBoard(RunLogger):
    """Writes all logs for TensorBoard, and drawings of the run's images after each epoch with an evaluation.

    Args:
        run: to follow; the events go to the folder `tensorboard` in its folder.
    """

    def __init__(self, run: LoggedRun):
        super().__init__()
        self.folder, self.images = run.folder / TENSORBOARD, run.images
        self.measured = set(run.settings.measured_epochs)
        self.writer = None

    def on_train_begin(self, logs=None):
        with writing(self.folder):
            self.writer = tf.summary.create_file_writer(str(self.folder))

    def on_epoch_end(self, epoch, logs=None):
        with writing(self.folder), self.writer.as_default(step=epoch + 1):
            for name, value in logs.items():
                if math.isfinite(value):
                    tf.summary.scalar(name, float(value))
            if epoch + 1 in self.measured:
                with self.model.averaged():
                    drawings = detections_and_heatmaps(self.model, self.images)
                for name, drawn in drawings.items():
                    tf.summary.image(name, drawn, max_outputs=len(self.images))
            self.writer.flush()

    def on_train_end(self, logs=None):
        with writing(self.folder):
            self.writer.close()
