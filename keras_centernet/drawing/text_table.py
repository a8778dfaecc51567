"""Tables of aligned text."""

from collections.abc import Sequence


def align(rows: Sequence[tuple[str, ...]]) -> str:
    """Returns rows of texts, the first one the heading, in columns: the first to the left, the others to the right.

    Example:
        >>> print(align([("class", "objects"), ("cat", "12")]))
        class  objects
        -----  -------
        cat         12
    """
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    specs = [f"{'>' if column else '<'}{width}" for column, width in enumerate(widths)]
    rows = [rows[0], tuple("-" * width for width in widths), *rows[1:]]
    return "\n".join("  ".join(map(format, row, specs)) for row in rows)
