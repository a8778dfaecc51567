"""Compare runs: which is best, at which epoch, at what cost, and in which options they differ.

Runs of one task share a table, the best first. An unfinished run is shown with what it has so far.
"""

import argparse

from keras_centernet.cli.arguments import add_overwrite_argument
from keras_centernet.files.outputs import claimed
from keras_centernet.files.paths import to_path

EXAMPLES = """examples:
  keras-centernet compare runs/*
  keras-centernet compare runs/a runs/b --output runs/comparison"""

PAGE = "compare.html"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    parser.add_argument("runs", nargs="+", metavar="RUN", help="folder of a run, local or gs://...")
    parser.add_argument("--output", help=f"folder for {PAGE}, with the tables and the curves of all runs")
    add_overwrite_argument(parser)


def run(args: argparse.Namespace) -> None:
    """Compares."""
    from keras_centernet.runs.comparing.reading import read_runs
    from keras_centernet.runs.comparing.table import table_of_runs

    runs, lines = read_runs(args.runs)
    print("\n".join([table_of_runs(runs), *(["", *lines] if lines else [])]), flush=True)
    if args.output is None:
        return
    from keras_centernet.files.atomic import write_text
    from keras_centernet.runs.comparing.page import page_of_runs

    page = to_path(args.output) / PAGE
    with claimed([page], args.overwrite, [to_path(folder) for folder in args.runs]):
        write_text(page, page_of_runs(runs, lines))
    print(f"\n{page}")
