"""Average precision while a model trains."""

import contextlib

import keras

from keras_centernet.data.own.labels import check_not_path
from keras_centernet.evaluation.evaluate import evaluate
from keras_centernet.evaluation.metrics.table import logged_names
from keras_centernet.limits import COUNT


class AveragePrecision(keras.callbacks.Callback):
    """Puts the metrics of a validation set into the logs at the end of an epoch: val_AP, val_AP50, val_AP75, ...

    The names are those that the rows of `METRICS` log. The history, the progress bar and callbacks that come after
    this one see them: `[AveragePrecision(val), CSVLogger(...), ModelCheckpoint(..., monitor="val_AP", mode="max")]`.
    An epoch that is not evaluated adds no keys, and neither does a metric without ground truth: `ModelCheckpoint`,
    `EarlyStopping` and `ReduceLROnPlateau` then warn that they found none and wait. (`CSVLogger` takes its columns from
    the first epoch.) The model's averaged weights are measured if it keeps any (`compile(average_decay=...)`), else its
    current weights.

    Args:
        dataset: as for `evaluate`; not the repeated or augmented training set.
        every: epochs from one evaluation to the next; the last epoch is always evaluated.
        top_k: detections per image.
        verbose: whether a line with the metrics is printed and a progress bar shown.
        bounding_box_format: of the "boxes" in labels that you made yourself, as in `CenterNet.fit`.

    Attributes:
        report: `Report` of the last evaluation, or None.

    Examples:
        >>> model.fit(train, callbacks=[AveragePrecision(val, every=5)])  # doctest: +SKIP
    """

    def __init__(
        self,
        dataset,
        every: int = 1,
        top_k: int = 100,
        verbose: bool = False,
        bounding_box_format: str | None = None,
    ):
        super().__init__()
        check_not_path(dataset, "AveragePrecision")
        COUNT.check("AveragePrecision: every", every)
        COUNT.check("AveragePrecision: top_k", top_k)
        self.dataset, self.every, self.top_k, self.verbose = dataset, every, top_k, verbose
        self.bounding_box_format = bounding_box_format
        self.report = None

    def on_epoch_end(self, epoch, logs=None):
        """Evaluates if this epoch is due, and adds the metrics to `logs`."""
        is_last = epoch + 1 == (self.params or {}).get("epochs")
        values = {}
        if (epoch + 1) % self.every == 0 or is_last:
            with getattr(self.model, "averaged", contextlib.nullcontext)():
                options = {"top_k": self.top_k, "bounding_box_format": self.bounding_box_format}
                self.report = evaluate(self.model, self.dataset, progress=self.verbose, **options)
            metrics = self.report.metrics
            values = {name: metrics[name] for name in logged_names(metrics) if metrics[name] is not None}
            if self.verbose:
                text = ", ".join(f"{name} {value:.3f}" for name, value in values.items())
                print(f"\nepoch {epoch + 1}: {text} ({metrics['seconds']:.1f} s)")
        if logs is not None:
            logs.update({f"val_{name}": value for name, value in values.items()})
