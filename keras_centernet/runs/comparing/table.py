"""Text tables of several runs, one for each task, and the options in which the runs differ."""

import json
import textwrap
from collections.abc import Sequence

from keras_centernet.drawing.text_table import align
from keras_centernet.evaluation.metrics.metric import number_text
from keras_centernet.evaluation.metrics.table import logged_names
from keras_centernet.runs.comparing.reading import PastRun, short_names
from keras_centernet.runs.options import options_of
from keras_centernet.runs.settings import TrainSettings
from keras_centernet.texts import cells, printable

WIDTH = 100
_LEAST = 8  # columns of a name
_GAP = 2
_LONGEST = 40  # characters of a value
_IN_COLUMNS = ("task", "backbone", "input_size", "epochs")  # options that the tables show of every run


def by_task(runs: Sequence[PastRun]) -> dict[str, list[PastRun]]:
    """Returns {task: its runs}, because metrics of different tasks cannot be compared."""
    tasks = dict.fromkeys(run.task for run in runs)
    return {task: [run for run in runs if run.task == task] for task in tasks}


def rows_of(runs: Sequence[PastRun]) -> list[tuple[str, ...]]:
    """Returns the table of the runs of one task; its first row is the heading."""
    main = next((run.main for run in runs if run.main), None)
    others = [name for name in logged_names({key for run in runs for key in run.metrics}) if name != main]
    others = [name for name in others if any(run.number(name) is not None for run in runs)]
    head = ("run", "network", "input", "epochs", main or "metric", "at", *others, "parameters", "minutes")
    names = short_names(runs)
    return [head, *((names[run.name], *_row(run, others)) for run in runs)]


def table_of_runs(runs: Sequence[PastRun], width: int = WIDTH) -> str:
    """Returns the tables of all tasks as text; names are cut, down to a least length, to fit into `width` columns."""
    parts = []
    for task, ours in by_task(runs).items():
        text = align(_narrowed(rows_of(ours), width))
        said = "\n".join(notes_of(ours, width))
        parts.append(f"{printable(task)}\n{text}" + (f"\n\n{said}" if said else ""))
    return "\n\n".join(parts)


def notes_of(runs: Sequence[PastRun], width: int = WIDTH) -> list[str]:
    """Returns lines on the options in which the runs of one task differ, and a warning if their validation data do."""
    different, names = differences(runs), short_names(runs)
    lines = []
    for run in runs if different else ():
        values = ", ".join(f"{name} {_value_text(of_run[run.name])}" for name, of_run in different.items())
        lines += textwrap.wrap(printable(f"{names[run.name]}: {values}"), width, subsequent_indent="    ")
    if len({run.measured_on for run in runs} - {None}) > 1:
        lines.append("They were measured on different images or labels: do not compare their metrics.")
    return lines


def differences(runs: Sequence[PastRun]) -> dict[str, dict]:
    """Returns {option: {run: value}} of the options that differ; a value missing in a run is the default."""
    found = {}
    for name, row in options_of(TrainSettings).items():
        if name in _IN_COLUMNS or not row.changes_result:
            continue
        values = {run.name: run.config.get(name, json.loads(json.dumps(_default(row)))) for run in runs}
        first, *others = values.values()
        if any(value != first for value in others):
            found[name] = values
    return found


def _default(row):
    return row.default if isinstance(row.default, str | int | float | dict | tuple | None) else None


def _row(run: PastRun, others: Sequence[str]) -> tuple[str, ...]:
    value, epoch = run.best
    done, wanted = max(run.epochs, default=0), run.config.get("epochs")
    size = run.config.get("input_size")
    parameters = run.number("parameters")
    return (
        str(run.config.get("backbone")),
        "x".join(map(str, size)) if isinstance(size, list) else str(size),
        str(done) if done == wanted else f"{done}/{wanted}",
        number_text(value),
        "-" if epoch is None else str(epoch),
        *(number_text(run.number(name)) for name in others),
        "-" if parameters is None else f"{parameters / 1e6:.2f} M",
        "-" if run.seconds is None else f"{run.seconds / 60:.1f}",
    )


def _narrowed(rows: list[tuple[str, ...]], width: int) -> list[tuple[str, ...]]:
    """Returns the rows with the names in the first two columns cut to their ends so that the table fits."""
    rows = [tuple(map(printable, row)) for row in rows]
    columns = [max(cells(row[i]) for row in rows) for i in range(len(rows[0]))]
    excess = sum(columns) + _GAP * (len(columns) - 1) - width
    while excess > 0 and max(columns[:2]) > _LEAST:
        columns[columns.index(max(columns[:2]))] -= 1
        excess -= 1
    return [(*(_end_of(text, most) for text, most in zip(row[:2], columns, strict=False)), *row[2:]) for row in rows]


def _end_of(text: str, most: int) -> str:
    if cells(text) <= most:
        return text
    while cells(text) > most - 2:
        text = text[1:]
    return f"..{text}"


def _value_text(value) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
