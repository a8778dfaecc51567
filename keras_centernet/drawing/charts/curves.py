"""Curves: losses, validation metrics and learning rate of a training; precision over recall."""

import csv
import os
from collections.abc import Mapping, Sequence

import numpy as np

from keras_centernet.drawing.charts.files import class_rgb
from keras_centernet.drawing.charts.texts import draw_legend, label_of, number_epochs
from keras_centernet.errors import UserError, first_line
from keras_centernet.files.atomic import local_copy, write_whole
from keras_centernet.files.paths import to_path
from keras_centernet.texts import printable

MOST_NAMED_CURVES = 16  # with more classes, lines are thin and gray and only their mean is named


def draw_curves(history: str | os.PathLike | Mapping[str, Sequence[float]], path: str | os.PathLike) -> None:
    """Draws a training into a file: losses by head, validation metrics and learning rate by epoch.

    Gaps (NaN, "NA", epochs that were not evaluated) are bridged.

    Args:
        history: `history.csv` as `keras.callbacks.CSVLogger` writes it, or `model.fit(...).history`. Losses are
            the columns called `loss` or `..._loss`, with `val_` before it on validation data; metrics are the other
            columns with `val_`.
        path: .png, .jpg, .pdf or .svg file to write.

    Raises:
        UserError: a history without epochs, or a file that cannot be read or written.
    """
    columns = _read_history(history) if isinstance(history, str | os.PathLike) else dict(history)
    epochs = max((len(values) for values in columns.values()), default=0)
    losses = [name for name in columns if name.endswith("loss") and not name.startswith("val_")]
    metrics = [name for name in columns if name.startswith("val_") and not name.endswith("loss")]
    rates = [name for name in ("learning_rate", "lr") if name in columns]
    panels = [(_draw_losses, losses), (_draw_metrics, metrics), (_draw_learning_rate, rates)]
    panels = [(draw, names) for draw, names in panels if names]
    if not epochs or not panels:
        raise UserError("draw_curves: expected a history of at least one epoch with a loss, got none. Train first.")
    figure = _new_figure((5.2 * len(panels), 4.0))
    for i, (draw, names) in enumerate(panels, start=1):
        axes = figure.add_subplot(1, len(panels), i)
        draw(axes, columns, names)
        _clean(axes)
        number_epochs(axes)
    _save(figure, path)


def draw_precision_recall(
    curves: Mapping[str, Mapping[str, np.ndarray]], path: str | os.PathLike, classes: Sequence[str] | None = None
) -> None:
    """Draws precision over recall at IoU 0.5 into a file: a line per class and their mean, AP50 beside the names.

    Args:
        curves: {class name: {"recall", "precision": (R,)}}, all with the same recalls; may be empty.
        path: .png, .jpg, .pdf or .svg file to write.
        classes: all names in the order of their indices, which choose the colours; None: those of the curves.

    Raises:
        UserError: the file cannot be written.
    """
    figure = _new_figure((6.4, 5.0))
    axes = figure.add_subplot()
    few = len(curves) <= MOST_NAMED_CURVES
    ap50 = {name: float(np.mean(curve["precision"])) for name, curve in curves.items()}
    indices = {name: i for i, name in enumerate(classes or curves)}
    for name in sorted(curves, key=lambda name: -ap50[name]):
        label = label_of(f"{printable(name)}  {ap50[name]:.3f}")
        style = {"color": class_rgb(indices[name]), "label": label} if few else {"color": "0.8", "lw": 0.8}
        axes.plot(curves[name]["recall"], curves[name]["precision"], **style)
    if len(curves) > 1:
        mean = np.mean([curve["precision"] for curve in curves.values()], axis=0)
        recall = next(iter(curves.values()))["recall"]
        label = label_of(f"mean of {len(curves)}  {np.mean(list(ap50.values())):.3f}")
        axes.plot(recall, mean, color="0.1", lw=2.4, label=label)
    axes.set(xlim=(0, 1.01), ylim=(0, 1.03), xlabel="recall", ylabel="precision")
    axes.set_title("Precision and recall at IoU 0.5")
    if curves:
        draw_legend(axes, title="AP50", frameon=False, fontsize="small", loc="upper left", bbox_to_anchor=(1.0, 1.0))
    else:
        axes.text(0.5, 0.5, "no objects to find", ha="center", color="0.4")
    _clean(axes)
    _save(figure, path)


def _draw_losses(axes, columns: dict, names: list[str]) -> None:
    for i, name in enumerate(names):
        label = "total" if name == "loss" else name.removesuffix("_loss").replace("_", " ")
        style = {"color": "0.1", "lw": 2.2} if name == "loss" else {"color": class_rgb(i), "lw": 1.5}
        _plot(axes, columns[name], label=label_of(label), **style)
        if f"val_{name}" in columns:
            _plot(axes, columns[f"val_{name}"], ls=(0, (3, 1.5)), alpha=0.8, **style)
    if any(name.startswith("val_") and name.endswith("loss") for name in columns):
        axes.plot([], [], color="0.4", ls=(0, (3, 1.5)), label=label_of("validation"))
    if any(np.any(np.asarray(_finite(columns[name])[1]) > 0) for name in names):
        axes.set_yscale("log")
    axes.set_title("Losses")
    draw_legend(axes, frameon=False, fontsize="small")


def _draw_metrics(axes, columns: dict, names: list[str]) -> None:
    top = 1.0
    for i, name in enumerate(names):
        _, values = _finite(columns[name])
        top = max([top, *values])
        best = f"  best {max(values):.3f}" if len(values) else ""
        _plot(axes, columns[name], color=class_rgb(i), label=label_of(name.removeprefix("val_") + best))
    axes.set(ylim=(0, top), title="Metrics on validation data")
    draw_legend(axes, frameon=False, fontsize="small", loc="best")


def _draw_learning_rate(axes, columns: dict, names: list[str]) -> None:
    _plot(axes, columns[names[0]], color=class_rgb(1))
    axes.set(title="Learning rate")
    axes.set_ylim(bottom=0)
    axes.ticklabel_format(axis="y", style="sci", scilimits=(-2, 2))


def _plot(axes, values, **style) -> None:
    epochs, values = _finite(values)
    axes.plot(epochs, values, marker="o" if len(values) == 1 else None, **style)


def _finite(values) -> tuple[np.ndarray, np.ndarray]:
    """Returns the finite values as (epochs, counted from 1; values)."""
    values = np.asarray(values, np.float64)
    keep = np.isfinite(values)
    return np.flatnonzero(keep) + 1, values[keep]


def _read_history(path: str | os.PathLike) -> dict[str, list[float]]:
    try:
        with local_copy(path) as local, open(local, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (csv.Error, UnicodeDecodeError) as error:
        raise UserError(f"{path}: expected a table of epochs, got another file ({first_line(error)}).") from None
    except OSError as error:
        raise UserError(f"{path}: cannot read the history: {error.strerror}.") from None
    return {name: [_number(row[name]) for row in rows] for name in (rows[0] if rows else []) if name != "epoch"}


def _number(text: str | None) -> float:
    try:
        return float(text)
    except (TypeError, ValueError):  # CSVLogger writes "NA" where a value is missing
        return float("nan")


def _new_figure(size_inches: tuple[float, float]):
    """Returns a figure that needs neither pyplot's global state nor a display."""
    from matplotlib.figure import Figure

    return Figure(figsize=size_inches, dpi=130, layout="constrained")


def _clean(axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="0.92")
    axes.set_axisbelow(True)


def _save(figure, path: str | os.PathLike) -> None:
    path = to_path(path)
    if path.suffix.lower() not in (".png", ".jpg", ".jpeg", ".pdf", ".svg"):
        raise UserError(f"{path}: expected an image's suffix such as .png or .jpg; got {path.suffix!r}.")
    write_whole(path, figure.savefig)
