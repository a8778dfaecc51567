"""What all charts share: the colours of classes, and PNG files in memory."""

import io
from typing import TYPE_CHECKING

from keras_centernet.drawing.boxes import class_color

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DOTS_PER_INCH = 110


def class_rgb(index: int) -> tuple[float, ...]:
    """Returns the `class_color` of a class in Matplotlib's range 0..1."""
    return tuple(channel / 255 for channel in class_color(index))


def to_png(figure: "Figure") -> bytes:
    """Returns a Matplotlib figure as a PNG file, without the upper and right lines of its axes."""
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=_DOTS_PER_INCH)
    return content.getvalue()
