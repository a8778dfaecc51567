"""Writes names into charts as they are: not read as formulas, none left out, in letters of any script."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from keras_centernet.drawing.fonts import runs_of, usual_font, writable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.text import Text


def label_of(name: str) -> str:
    """Returns a `label` for `draw_legend`, with a space in front: Matplotlib leaves out labels that begin with _."""
    return f" {name}"


def draw_legend(axes: "Axes", **options) -> None:
    """Draws the legend of everything with a label of `label_of`; `options` are those of Matplotlib's `legend`."""
    legend = axes.legend(**options)
    for text in legend.get_texts():
        write_name(text, text.get_text()[1:])


def name_ticks(axis: "Axis", names: Iterable[str]) -> None:
    """Puts names at 0, 1, 2 ... of a chart's axis."""
    names = list(map(writable, names))
    axis.set_ticks(range(len(names)), names)
    for text, name in zip(axis.get_ticklabels(), names, strict=True):
        write_name(text, name)


def number_epochs(axes: "Axes") -> None:
    """Makes the lower axis of a chart one of epochs, with whole numbers even if there is only one epoch."""
    axes.set_xlabel("epoch")
    axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    first, last = axes.get_xlim()
    if last - first < 1:
        axes.set_xlim((first + last) / 2 - 0.5, (first + last) / 2 + 0.5)


def write_name(text: "Text", name: str) -> None:
    """Sets a text of Matplotlib to a name, in fonts that have its letters."""
    from matplotlib.font_manager import fontManager
    from matplotlib.ft2font import FT2Font

    name = writable(name)
    text.set_text(name)
    text.set_parse_math(False)
    for path in dict.fromkeys(path for path, _ in runs_of(name) if path != usual_font()):
        fontManager.addfont(path)
        text.set_fontfamily([*text.get_fontfamily(), FT2Font(path).family_name])
