"""Charts of a data set as PNG files in memory."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from keras_centernet.drawing.charts.files import class_rgb, to_png
from keras_centernet.drawing.charts.texts import draw_legend, label_of, name_ticks
from keras_centernet.geometry import STRIDE
from keras_centernet.inspection.facts import SMALL_CELLS, SplitFacts

_MOST_CLASSES = 30


def draw_class_counts(splits: Sequence[SplitFacts]) -> bytes:
    """Returns a chart of objects per class, the most frequent classes first, one bar per split."""
    classes = splits[0].source.classes
    counts = np.stack([facts.class_counts for facts in splits])
    order = np.argsort(-counts.sum(axis=0), kind="stable")[:_MOST_CLASSES]
    figure = Figure((7, 1.2 + 0.28 * len(order)), layout="constrained")
    axes, height = figure.add_subplot(), 0.8 / len(splits)
    for i, facts in enumerate(splits):
        places = np.arange(len(order)) + (i - (len(splits) - 1) / 2) * height
        axes.barh(places, counts[i, order], height, color=class_rgb(i), label=label_of(facts.name))
    name_ticks(axes.yaxis, [classes[i] for i in order])
    axes.invert_yaxis()
    axes.set_xlabel("objects")
    if counts[:, order].max() > 50 * max(1, counts[:, order].min()):
        axes.set_xscale("symlog")
    draw_legend(axes, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return to_png(figure)


def draw_box_sizes(splits: Sequence[SplitFacts], input_hw: tuple[int, int]) -> bytes:
    """Returns a chart of box widths and heights in input pixels, with the limit of small boxes and the input's size."""
    figure = Figure((7, 5), layout="constrained")
    axes = figure.add_subplot()
    small = SMALL_CELLS * STRIDE
    for i, facts in enumerate(splits):
        boxes_xyxy = facts.boxes_in_input(input_hw)
        sides = np.maximum(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], small / 4)
        axes.scatter(
            *sides.T, s=6, alpha=min(1, 0.15 + 200 / max(len(sides), 1)), color=class_rgb(i), label=label_of(facts.name)
        )
    axes.axvspan(small / 4, small, color="0.5", alpha=0.15, linewidth=0)
    axes.axhspan(
        small / 4,
        small,
        color="0.5",
        alpha=0.15,
        linewidth=0,
        label=label_of(f"under {SMALL_CELLS} cells ({small} px)"),
    )
    axes.axvline(input_hw[1], color="0.3", linewidth=0.8, linestyle="--")
    axes.axhline(input_hw[0], color="0.3", linewidth=0.8, linestyle="--", label=label_of("input"))
    axes.set(xscale="log", yscale="log", xlabel="width in input pixels", ylabel="height in input pixels")
    axes.set(xlim=(small / 4, 1.5 * input_hw[1]), ylim=(small / 4, 1.5 * input_hw[0]))
    draw_legend(axes, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return to_png(figure)
