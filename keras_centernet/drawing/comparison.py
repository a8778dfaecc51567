"""Curves of several runs in one chart."""

from collections.abc import Mapping, Sequence

import numpy as np

from keras_centernet.drawing.charts.curves import MOST_NAMED_CURVES
from keras_centernet.drawing.charts.files import class_rgb, to_png
from keras_centernet.drawing.charts.texts import draw_legend, label_of, number_epochs

_LOSS = "loss"  # the quantity with a logarithmic axis; the others are metrics from 0 to 1


def draw_comparison(curves: Mapping[str, Mapping[str, tuple]], names: Sequence[str]) -> bytes:
    """Returns a PNG file with a panel for each quantity and a line for each run; circles mark the highest values.

    Args:
        curves: {"loss" or name of a metric: {run: (epochs, values)}}; NaN, an epoch without a value, is bridged.
        names: of all runs; their order decides the colours.
    """
    from matplotlib.figure import Figure

    figure = Figure((5.2 * len(curves), 4.2), layout="constrained")
    few = len(names) <= MOST_NAMED_CURVES
    for i, (title, lines) in enumerate(curves.items(), start=1):
        axes = figure.add_subplot(1, len(curves), i)
        for name, (epochs, values) in lines.items():
            color = class_rgb(names.index(name))
            _draw_line(axes, np.asarray(epochs), np.asarray(values, float), title, {"color": color}, label_of(name))
        _finish(axes, title)
    if few:
        draw_legend(figure.axes[-1], frameon=False, fontsize="small", loc="upper left", bbox_to_anchor=(1, 1))
    return to_png(figure)


def _draw_line(axes, epochs: np.ndarray, values: np.ndarray, title: str, style: dict, label: str) -> None:
    is_known = np.isfinite(values)
    epochs, values = epochs[is_known], values[is_known]
    axes.plot(epochs, values, label=label, marker="." if len(values) == 1 else None, lw=1.6, **style)
    if title != _LOSS and len(values):
        best = np.argmax(values)
        axes.plot(epochs[best], values[best], "o", ms=6, mfc="none", **style)


def _finish(axes, title: str) -> None:
    shown = np.concatenate([line.get_ydata() for line in axes.lines]) if axes.lines else np.zeros(0)
    if title != _LOSS:
        axes.set_ylim(0, max(1.0, shown.max(initial=0)))
    elif (shown > 0).any():
        axes.set_yscale("log")
    axes.set_title(title)
    number_epochs(axes)
    axes.grid(color="0.92")
    axes.set_axisbelow(True)
