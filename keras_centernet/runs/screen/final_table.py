"""Fits a report's tables and lines into a narrower terminal."""

from keras_centernet.terminal.layout import fit, wrap
from keras_centernet.texts import cells

_NARROWEST = 8  # columns of the names


def fit_tables(text: str, columns: int) -> str:
    """Returns blocks of lines, tables of `drawing.text_table.align` among them, with no line longer than `columns`.

    Names in the first column of a table are cut; other lines are wrapped.
    """
    return "\n\n".join("\n".join(_fit_block(block.split("\n"), columns)) for block in text.split("\n\n"))


def _fit_block(lines: list[str], columns: int) -> list[str]:
    excess = max(map(cells, lines)) - columns
    if excess <= 0:
        return lines
    is_table = len(lines) > 1 and not lines[1].strip("- ")
    if not is_table:
        return [part for line in lines for part in wrap(line, columns)]
    before = len(lines[1].split(" ")[0])
    after = max(_NARROWEST, before - excess)
    return [fit(_narrow(line, before, after), columns) for line in lines]


def _narrow(line: str, before: int, after: int) -> str:
    """Returns a row whose first column is narrowed from `before` to `after` columns of the terminal."""
    end = next(i for i in range(len(line), -1, -1) if cells(line[:i]) <= before)
    name = fit(line[:end].rstrip(), after) if line.strip("- ") else "-" * after
    return name + " " * (after - cells(name)) + line[end:]
