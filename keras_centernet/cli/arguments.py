"""From the rows of `TrainSettings` to options of a command, and checks that several commands share."""

import argparse
import dataclasses
from collections.abc import Callable, Sequence

from keras_centernet.errors import UserError
from keras_centernet.files.outputs import OVERWRITE, first_free
from keras_centernet.files.paths import AnyPath, to_path
from keras_centernet.runs.devices.choosing import choose_backend
from keras_centernet.runs.options import Option, options_of
from keras_centernet.runs.settings import TrainSettings

DATA = (
    *("data", "format", "annotations", "images", "class_map", "ignore_case"),
    *("strict", "max_pixels", "workers"),
)


def add_option(parser: argparse.ArgumentParser, row: Option) -> None:
    """Adds the option of one row; what is not typed gets the parser's `argument_default`."""
    options = {"help": row.text}
    if row.kind is bool:
        options["action"] = argparse.BooleanOptionalAction if row.default is not False else "store_true"
    else:
        options["metavar"] = "NAME=VALUE" if row.kind is dict else "NAME" if row.table else None
        options["choices"] = row.choices and tuple(row.choices)
        if row.is_repeated:
            options["action"] = "append"
        else:
            options["type"] = as_type(row.parse) if row.parse else row.kind
    parser.add_argument(row.flag, dest=row.name, required=row.default is dataclasses.MISSING, **options)


def add_data_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options that say what is read, those of `DATA`, with their defaults."""
    add_rows(parser, DATA)


def add_rows(parser: argparse.ArgumentParser, names: Sequence[str]) -> None:
    """Adds the options of some rows of `TrainSettings`, with their defaults; `collect_repeated` completes them."""
    rows = options_of(TrainSettings)
    for name in names:
        add_option(parser, rows[name])
        if not rows[name].is_repeated and rows[name].default is not dataclasses.MISSING:
            parser.set_defaults(**{name: rows[name].default})


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds --import, which `main` acts on before anything is loaded."""
    what = "module of your own that registers what the model is made of (backbone, task, loss); may be repeated"
    parser.add_argument("--import", action="append", dest="imports", metavar="MODULE", help=what)


def add_output_argument(parser: argparse.ArgumentParser, default: str, help: str) -> None:
    """Adds --output, whose value None stands for a default that never meets old results; see `choose_output`."""
    parser.add_argument("--output", help=f"{help} (default: {default}, or the first free of {default}-2, ...)")


def choose_output(typed: str | None, default: str) -> AnyPath:
    """Returns the place of the results: what was typed, else the default or the first free one after it."""
    return first_free(to_path(default)) if typed is None else to_path(typed)


def add_overwrite_argument(parser: argparse.ArgumentParser) -> None:
    """Adds --overwrite; without it, `files.outputs.check_outputs` refuses what would replace a file."""
    parser.add_argument(OVERWRITE, action="store_true", help="replace files of that name; never those that are read")


def add_backend_argument(parser: argparse.ArgumentParser) -> None:
    """Adds --backend, which `main` acts on before anything imports Keras."""
    add_rows(parser, ("backend",))
    parser.set_defaults(backend_of=lambda args: choose_backend(args.backend))


def collect_repeated(args: argparse.Namespace, names: Sequence[str]) -> None:
    """Replaces the typed texts of repeated options of `TrainSettings` by their values."""
    for name, row in options_of(TrainSettings).items():
        if name in names and row.is_repeated:
            setattr(args, name, row.collect(getattr(args, name, None) or []))


def as_type(parse: Callable) -> Callable:
    """Returns a `type` of argparse from a function that raises a UserError."""

    def read(text: str):
        try:
            return parse(text)
        except UserError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return read
