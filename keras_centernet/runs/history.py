"""`history.csv`: a row per epoch, with its number in the column "epoch" and everything measured in the others."""

import csv
import io

from keras_centernet.errors import UserError, shown
from keras_centernet.files.atomic import write_whole
from keras_centernet.files.texts import read_text
from keras_centernet.runs.folder import HISTORY, RunFolder

EPOCH = "epoch"
_MOST_BYTES = 1 << 26
_MOST_EPOCHS = 10**9


def first_epochs(folder: RunFolder, count: int) -> list[dict]:
    """Returns the rows of history.csv for the first `count` epochs; none if there is no file.

    Raises:
        UserError: the file is not a table of epochs.
    """
    path = folder / HISTORY
    if not path.exists():
        return []
    advice = "put the file of the run back, or remove it to begin a new one"
    try:
        rows = csv.DictReader(io.StringIO(read_text(path, _MOST_BYTES), newline=""), strict=True)
        found = [_check_row(row, rows.line_num) for row in rows]
    except (csv.Error, ValueError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path}: expected a row of numbers for every epoch, got {error}; {advice}.") from None
    return [row for row in found if int(row[EPOCH]) <= count]


def cut_history(folder: RunFolder, count: int) -> None:
    """Drops the rows of history.csv after the first `count` epochs, which will be trained again."""
    if rows := first_epochs(folder, count):
        write_rows(folder, rows)
    else:
        (folder / HISTORY).unlink(missing_ok=True)


def write_rows(folder: RunFolder, rows: list[dict]) -> None:
    """Rewrites the file; a column that a row lacks but another row has is written as "nan"."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(dict.fromkeys(name for row in rows for name in row)), restval="nan")
    writer.writeheader()
    writer.writerows(rows)
    write_whole(folder / HISTORY, lambda path: path.write_bytes(text.getvalue().encode()))


def _check_row(row: dict, line: int) -> dict:
    """Returns the row; raises a ValueError that says what is wrong with it."""
    if None in row or None in row.values() or EPOCH not in row:
        wanted = f"a value in each column of the first line, {EPOCH} among them"
        raise ValueError(f"line {line} without {wanted}")
    epoch = row[EPOCH]
    if not (epoch.isascii() and epoch.isdigit()) or not 1 <= int(epoch[:20]) <= _MOST_EPOCHS:
        raise ValueError(f"line {line} of epoch {shown(epoch)}")
    for name, value in row.items():
        try:
            float(value)
        except ValueError:
            raise ValueError(f"line {line} with {shown(value)} as {shown(name)}") from None
    return row
