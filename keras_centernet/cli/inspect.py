"""Look into a data set: what is in it, and what looks wrong.

Prints tables, and writes one HTML page with charts and images, suspicious ones first.
"""

import argparse
import dataclasses

from keras_centernet.cli.arguments import (
    add_data_arguments,
    add_model_arguments,
    add_options,
    add_output_argument,
    add_overwrite_argument,
    add_rows,
    choose_output,
    collect_repeated,
    data_options,
)
from keras_centernet.files.outputs import claimed
from keras_centernet.files.paths import to_path
from keras_centernet.runs.options import option, options_of
from keras_centernet.runs.settings import input_size_row

EXAMPLES = """examples:
  keras-centernet inspect --data photos/
  keras-centernet inspect --data photos/ --input-size 320 --output photos.html
  keras-centernet inspect --data coco/ --split val2017 --classes cat,dog"""

DEFAULT = "inspection.html"
SPLITS = "all that the data have, train and val if they have none"
SIZE = "side or HEIGHTxWIDTH of the network's input, with which boxes are compared"


@dataclasses.dataclass(frozen=True)
class Options:
    """The options of this command alone."""

    split: str | None = option(None, "split to look into", SPLITS)
    task: str = option("detection", "task that the data are for", table="tasks.table:TASKS")
    input_size: int | tuple[int, int] = input_size_row(512, SIZE)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    add_data_arguments(parser)
    add_rows(parser, ("classes", "val_share"))
    add_model_arguments(parser)
    add_options(parser, options_of(Options).values())
    add_output_argument(parser, DEFAULT, "file for the page")
    add_overwrite_argument(parser)


def run(args: argparse.Namespace) -> None:
    """Inspects."""
    from keras_centernet.inspection import inspect
    from keras_centernet.runs.user_code import resolve

    collect_repeated(args)
    output = choose_output(args.output, DEFAULT)
    options = data_options(args, without=("data", "workers"))
    options |= {name: getattr(args, name) for name in ("classes", "val_share", "split", "task", "input_size")}
    options["task"] = resolve(args.task, "--task")
    with claimed([output], args.overwrite, [to_path(path) for path in (args.data, args.annotations) if path]):
        inspection = inspect(args.data, **options)
        print(f"\n{inspection.table()}", flush=True)
        inspection.save(output)
    print(f"\n{output}")
