"""Tables of aligned text."""

from collections.abc import Sequence

from keras_centernet.texts import cells, printable


def align(rows: Sequence[tuple[str, ...]]) -> str:
    """Returns rows of texts, the first one the heading, in columns: the first to the left, the others to the right.

    Examples:
        >>> print(align([("class", "objects"), ("cat", "12")]))
        class  objects
        -----  -------
        cat         12
    """
    rows = [tuple(map(printable, row)) for row in rows]
    widths = [max(cells(row[i]) for row in rows) for i in range(len(rows[0]))]
    rows = [rows[0], tuple("-" * width for width in widths), *rows[1:]]
    return "\n".join("  ".join(_fill(row, widths)) for row in rows)


def _fill(row: tuple[str, ...], widths: Sequence[int]) -> list[str]:
    gaps = [" " * (width - cells(text)) for text, width in zip(row, widths, strict=True)]
    return [gap + text if column else text + gap for column, (text, gap) in enumerate(zip(row, gaps, strict=True))]
