"""Look into a data set: what is in it, and what looks wrong.

Prints tables, and writes one HTML page with charts and images, suspicious ones first.
"""

import argparse

from keras_centernet.cli.arguments import (
    DATA,
    add_data_arguments,
    add_output_argument,
    add_overwrite_argument,
    add_rows,
    as_type,
    choose_output,
    collect_repeated,
)
from keras_centernet.files.outputs import claimed
from keras_centernet.files.paths import to_path
from keras_centernet.runs.options import parse_size

EXAMPLES = """examples:
  keras-centernet inspect --data photos/
  keras-centernet inspect --data photos/ --input-size 320 --output photos.html
  keras-centernet inspect --data coco/ --split val2017 --classes cat,dog"""

DEFAULT = "inspection.html"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    add_data_arguments(parser)
    add_rows(parser, ("classes", "val_share"))
    splits = "split to look into (default: all there are, train and val where there are none)"
    parser.add_argument("--split", help=splits)
    parser.add_argument("--task", default="detection", help="task that the data are for")
    size = "side or HEIGHTxWIDTH of the network's input, that boxes are compared with"
    parser.add_argument("--input-size", type=as_type(parse_size), default=512, help=size)
    add_output_argument(parser, DEFAULT, "file for the page")
    add_overwrite_argument(parser)


def run(args: argparse.Namespace) -> None:
    """Inspects."""
    from keras_centernet.inspection import inspect

    collect_repeated(args, DATA)
    output = choose_output(args.output, DEFAULT)
    names = ("format", "annotations", "images", "class_map", "ignore_case", "strict", "max_pixels")
    names += ("classes", "val_share", "split", "task", "input_size")
    with claimed([output], args.overwrite, [to_path(path) for path in (args.data, args.annotations) if path]):
        inspection = inspect(args.data, **{name: getattr(args, name) for name in names})
        print(f"\n{inspection.table()}", flush=True)
        inspection.save(output)
    print(f"\n{output}")
