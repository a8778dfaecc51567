"""Lines that fit into a terminal, whatever script they are in."""

import shutil
import sys
import unicodedata
from collections.abc import Mapping, Sequence

from keras_centernet.texts import cells, printable

# Columns. USUAL: without a terminal, and at most, because longer lines are hard to read. NARROWEST: lines are not made
# to fit into fewer.
USUAL, NARROWEST = 100, 40
_TITLE = 11


def columns_of_terminal() -> int:
    """Returns the columns of the terminal, at least `NARROWEST`; `USUAL` if stdout is not a terminal."""
    return max(NARROWEST, shutil.get_terminal_size().columns) if sys.stdout.isatty() else USUAL


def width() -> int:
    """Returns the columns of lines that are meant to be read: those of the terminal, at most `USUAL`."""
    return min(USUAL, columns_of_terminal())


def wrap(text: str, columns: int) -> list[str]:
    """Returns a text as lines, broken at spaces; a word that is longer than a line is cut.

    Examples:
        >>> wrap("a photo of cats", 8)
        ['a photo', 'of cats']
    """
    lines = [""]
    for word in printable(text).split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if cells(longer) <= columns:
            lines[-1] = longer
            continue
        head, *rest = _cut(word, columns)
        lines[-1:] = [*([lines[-1]] if lines[-1] else []), head, *rest]
    return lines


def count(number: int, word: str) -> str:
    """Returns a number with its word.

    Examples:
        >>> count(1, "image"), count(2000, "image")
        ('1 image', '2,000 images')
    """
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def titled(rows: Mapping[str, str], columns: int) -> str:
    """Returns one line per row, {title: text}; a longer text continues below, indented."""
    lines = []
    for title, text in rows.items():
        first, *more = wrap(text, columns - _TITLE)
        lines += [f"{title:{_TITLE}}{first}", *(" " * _TITLE + line for line in more)]
    return "\n".join(lines)


def joined(parts: Sequence[str], columns: int) -> str:
    """Returns as many of the texts side by side as fit.

    Examples:
        >>> joined(["loss 2.5", "size 4.1", "offset 0.5"], 20)
        'loss 2.5  size 4.1'
    """
    parts = [part for part in parts if part]
    while len(parts) > 1 and cells("  ".join(parts)) > columns:
        parts.pop()
    return fit("  ".join(parts), columns)


def fit(text: str, columns: int) -> str:
    """Returns a text of one line, cut with "..." if it is longer."""
    if cells(text) <= columns:
        return text
    return f"{_cut(text, columns - 3)[0]}..."


def duration(seconds: float) -> str:
    """Returns a time in its two largest units.

    Examples:
        >>> duration(42), duration(3723), duration(200000)
        ('42 s', '1 h 2 min', '2 d 7 h')
    """
    minutes = round(seconds / 60)
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 24 else f"{hours // 24} d {hours % 24} h"


def _cut(word: str, columns: int) -> list[str]:
    """Returns the pieces of a word; combining characters stay with the character before them."""
    pieces = [""]
    for sign in word:
        if pieces[-1] and cells(pieces[-1] + sign) > columns and not unicodedata.combining(sign):
            pieces.append("")
        pieces[-1] += sign
    return pieces
