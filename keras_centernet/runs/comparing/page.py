"""The page of several runs: their tables and curves, in one file."""

import html
from collections.abc import Sequence

from keras_centernet.drawing.comparison import draw_comparison
from keras_centernet.drawing.html_page import charts_of, heading_of, page_of, table_of
from keras_centernet.runs.comparing.reading import VALIDATION, PastRun, short_names
from keras_centernet.runs.comparing.table import by_task, notes_of, rows_of


def page_of_runs(runs: Sequence[PastRun], lines: Sequence[str] = ()) -> str:
    """Returns the page in HTML.

    Args:
        runs: to compare.
        lines: remarks on the folders, such as that one holds no run.
    """
    title = f"{len(runs)} runs"
    parts = [f"<h1>{title}</h1>", *(f"<p>{html.escape(line)}</p>" for line in lines)]
    for task, ours in by_task(runs).items():
        parts += [heading_of(task), table_of(rows_of(ours)), charts_of([draw_runs(ours)])]
        parts += [f"<p>{html.escape(line)}</p>" for line in notes_of(ours, width=10**6)]
    return page_of(title, parts)


def draw_runs(runs: Sequence[PastRun]) -> bytes:
    """Returns a PNG file with the loss and main metric over the epochs, of runs of one task."""
    main = next((run.main for run in runs if run.main), None)
    columns = {"loss": "loss"} | ({main: f"{VALIDATION}{main}"} if main else {})
    names = short_names(runs)
    curves = {
        title: {names[run.name]: (run.epochs, run.history[column]) for run in runs if column in run.history}
        for title, column in columns.items()
    }
    return draw_comparison(curves, [*names.values()])
