"""Charts of a diagnosis as PNG files in memory."""

import numpy as np
from matplotlib.figure import Figure

from keras_centernet.diagnostics.calibration import BINS
from keras_centernet.diagnostics.curves import SCORES
from keras_centernet.drawing.charts.curves import MOST_NAMED_CURVES
from keras_centernet.drawing.charts.files import class_rgb, to_png
from keras_centernet.drawing.charts.texts import draw_legend, label_of, name_ticks

MOST_CLASSES = 30  # a chart shows only the most frequent ones


def draw_confusion(counts: np.ndarray, classes: tuple[str, ...]) -> bytes:
    """Returns the matrix with each cell's share of its row as shade and its count as text; zeros are left blank."""
    shown = _most_frequent(counts[:-1].sum(axis=1))
    counts = counts[np.ix_([*shown, -1], [*shown, -1])]
    names = [*(classes[i] for i in shown), "nothing"]
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = 2.6 + 0.42 * len(names)
    figure = Figure((side + 1, side), layout="constrained")
    axes = figure.add_subplot()
    shades = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(shades, ax=axes, shrink=0.7, label="share of the row")
    for row, column in zip(*np.nonzero(counts), strict=True):
        color = "white" if shares[row, column] > 0.6 else "0.15"
        axes.text(column, row, counts[row, column], ha="center", va="center", color=color, fontsize="small")
    name_ticks(axes.xaxis, names)
    name_ticks(axes.yaxis, names)
    axes.tick_params(axis="x", rotation=60)
    axes.set(xlabel="found", ylabel="true")
    return to_png(figure)


def draw_score_curves(curves: dict, thresholds: np.ndarray, classes: tuple[str, ...]) -> bytes:
    """Returns precision, recall and F1 over the lowest score kept, a line per class; dots mark the best thresholds."""
    figure = Figure((11, 3.8), layout="constrained")
    panels = figure.subplots(1, 3, sharey=True)
    known = [i for i in range(len(classes)) if np.isfinite(curves["recall"][i]).any()]
    few = len(known) <= MOST_NAMED_CURVES
    for axes, (name, values) in zip(panels, curves.items(), strict=True):
        for i in known:
            style = {"color": class_rgb(i), "label": label_of(classes[i])} if few else {"color": "0.8", "lw": 0.7}
            axes.plot(SCORES, values[i], **style)
            if name == "f1":
                best = np.interp(thresholds[i], SCORES, values[i])
                axes.plot(thresholds[i], best, "o", color=style["color"], markersize=4)
        if known and not few:
            sums, counts = np.nansum(values[known], axis=0), np.isfinite(values[known]).sum(axis=0)
            mean = np.divide(sums, counts, out=np.full(len(sums), np.nan), where=counts > 0)
            axes.plot(SCORES, mean, color="0.1", lw=2, label=label_of(f"mean of {len(known)}"))
        axes.set(xlim=(0, 1), ylim=(0, 1.03), xlabel="lowest score kept", title="F1" if name == "f1" else name)
        axes.grid(color="0.92")
    if known:
        draw_legend(panels[-1], frameon=False, fontsize="small", loc="upper left", bbox_to_anchor=(1, 1))
    return to_png(figure)


def draw_calibration(bins: dict) -> bytes:
    """Returns precision over mean score, and below it the number of detections in each bin."""
    figure = Figure((5.2, 5), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    known = bins["count"] > 0
    above.plot([0, 1], [0, 1], color="0.6", linestyle="--", linewidth=0.8)
    above.plot(bins["score"][known], bins["precision"][known], "o-", color=class_rgb(1))
    above.set(xlim=(0, 1), ylim=(0, 1.03), ylabel="precision at IoU 0.5")
    below.bar((np.arange(BINS) + 0.5) / BINS, bins["count"], 0.9 / BINS, color="0.7")
    below.set_yscale("symlog")
    below.set_ylim(bottom=0)
    below.set(xlabel="score", ylabel="detections")
    return to_png(figure)


def draw_objects(objects: np.ndarray, missed: np.ndarray, classes: tuple[str, ...]) -> bytes:
    """Returns objects per class, most frequent first, in the classes' colours; the missed part is pale."""
    shown = _most_frequent(objects)
    figure = Figure((7, 1.2 + 0.28 * len(shown)), layout="constrained")
    axes, colors = figure.add_subplot(), [class_rgb(i) for i in shown]
    found = (objects - missed)[shown]
    axes.barh(np.arange(len(shown)), found, color=colors)
    axes.barh(np.arange(len(shown)), missed[shown], left=found, color=colors, alpha=0.3)
    name_ticks(axes.yaxis, [classes[i] for i in shown])
    axes.invert_yaxis()
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel("objects; pale: missed")
    return to_png(figure)


def _most_frequent(counts: np.ndarray) -> np.ndarray:
    return np.argsort(-counts, kind="stable")[:MOST_CLASSES]
