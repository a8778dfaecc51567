"""Turns rows of options into arguments of a command, and defines arguments that several commands share."""

import argparse
import dataclasses
import itertools
import re
import sys
from collections.abc import Callable, Collection, Iterable, Sequence

from keras_centernet.errors import UserError
from keras_centernet.files.outputs import OVERWRITE, first_free, numbered
from keras_centernet.files.paths import AnyPath, to_path
from keras_centernet.runs.devices.choosing import choose_backend
from keras_centernet.runs.options import UNSET, Option, options_of
from keras_centernet.runs.settings import TrainSettings
from keras_centernet.texts import shorten

DATA = (
    *("data", "format", "annotations", "images", "class_map", "ignore_case"),
    *("strict", "max_pixels", "workers"),
)
# Pattern of a message of argparse -> our message.
MESSAGES = {
    r"argument (\S+): expected .*argument.*": r"\1: expected a value, got none; see --help.",
    r"argument (\S+): ignored explicit argument (.*)": r"\1: expected no value, got \2.",
    r"argument (\S+): invalid choice: (.*) \(choose from (.*)\)": r"\1: expected one of \3; got \2.",
    r"argument (\S+): (.*)": r"\1: \2",
    r"the following arguments are required: (.*)": r"expected \1, missing; see --help.",
    r"unrecognized arguments: (.*)": r"expected the options that --help lists, got \1.",
}


class Parser(argparse.ArgumentParser):
    """Reads arguments; a mistake is a UserError of one line instead of a page of usage.

    An option must be typed in full: the beginning of one may be meant for another.
    """

    def __init__(self, *args, **options):
        super().__init__(*args, allow_abbrev=False, **options)

    def parse_known_args(self, args=None, namespace=None):
        """Parses; refuses empty values, which would name the current folder, and `--option=--`, which is read as []."""
        args = sys.argv[1:] if args is None else list(args)
        for before, text in itertools.pairwise(["the beginning", *args]):
            if not text or "\0" in text or (text.startswith("--") and text.endswith("=") and text.count("=") == 1):
                self.error(f"expected no empty value, got {text!r} after {shorten(before)}; is a variable unset?")
            if text.startswith("--") and text.endswith("=--"):
                self.error(f"argument {text[:-3]}: expected one argument")
        return super().parse_known_args(args, namespace)

    def error(self, message: str):
        """Raises the UserError."""
        for theirs, ours in MESSAGES.items():
            if found := re.fullmatch(theirs, message, re.DOTALL):
                raise UserError(found.expand(ours))
        raise UserError(message)


def add_option(parser: argparse.ArgumentParser, row: Option, can_unset: bool = False) -> argparse.Action:
    """Adds and returns the option of one row; if it is not typed, it gets the parser's `argument_default`.

    With `can_unset` the typed value "none" is None for the rows that `can_be_unset`.
    """
    options = {"help": row.text.replace("%", "%%")}
    if row.names:
        options |= {"nargs": "?", "const": True, "metavar": row.metavar}
    elif row.kind is bool:
        options["action"] = argparse.BooleanOptionalAction if row.default is not False else "store_true"
    else:
        options["metavar"] = row.metavar
        if row.is_repeated:
            options["action"] = "append"
        else:
            options["type"] = as_type(row, can_unset)
        if row.bare:
            options |= {"nargs": "?", "const": row.bare}
    return parser.add_argument(row.flag, dest=row.name, required=row.default is dataclasses.MISSING, **options)


def add_options(parser: argparse.ArgumentParser, rows: Iterable[Option]) -> None:
    """Adds the options of rows, with their defaults; `collect_repeated` completes those that may be repeated."""
    for row in rows:
        add_option(parser, row)
        if row.default is not dataclasses.MISSING:
            parser.set_defaults(**{row.name: None if row.is_repeated else row.default})


def add_rows(parser: argparse.ArgumentParser, names: Sequence[str]) -> None:
    """Adds the options of some rows of `TrainSettings`, with their defaults."""
    rows = options_of(TrainSettings)
    add_options(parser, [rows[name] for name in names])


def add_data_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `DATA`, which say what is read, with their defaults."""
    add_rows(parser, DATA)


def data_options(args: argparse.Namespace, without: Collection[str] = ()) -> dict:
    """Returns {name: value} of the options of `DATA` but those in `without`, as arguments of what reads data."""
    return {name: getattr(args, name) for name in DATA if name not in without}


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds --import, which `main` acts on before anything is loaded."""
    what = "module of your own that registers a backbone, task, loss or format; may be repeated"
    parser.add_argument("--import", action="append", dest="imports", metavar="MODULE", help=what)


def add_output_argument(parser: argparse.ArgumentParser, default: str, help: str) -> None:
    """Adds --output; its value None stands for a default that replaces no old results, see `choose_output`."""
    second = numbered(to_path(default), 2)
    parser.add_argument("--output", help=f"{help} (default: {default}; where that exists {second}, ...)")


def choose_output(typed: str | None, default: str) -> AnyPath:
    """Returns the path of the results: the typed one, else the default or the first free numbered one after it."""
    if typed is None:
        return first_free(to_path(default))
    if to_path(default).suffix and not to_path(typed).name:  # a file
        raise UserError(f"--output: expected a name such as {default}, got {typed!r}.")
    return to_path(typed)


def add_overwrite_argument(parser: argparse.ArgumentParser) -> None:
    """Adds --overwrite; without it, `files.outputs.check_outputs` refuses what would replace a file."""
    parser.add_argument(OVERWRITE, action="store_true", help="replace files of that name; never those that are read")


def add_backend_argument(parser: argparse.ArgumentParser) -> None:
    """Adds --backend, which `main` acts on before anything imports Keras."""
    add_rows(parser, ("backend",))
    parser.set_defaults(backend_of=lambda args: choose_backend(args.backend))


def collect_repeated(args: argparse.Namespace, settings: type = TrainSettings) -> None:
    """Replaces, in `args`, the typed texts of the repeated options of `settings` by their values."""
    for name, row in options_of(settings).items():
        if hasattr(args, name) and row.is_repeated:
            setattr(args, name, row.collect(getattr(args, name) or []))


def as_type(row: Option, can_unset: bool = False) -> Callable:
    """Returns the `type` of argparse for an option; if it has a table, the value "help" prints the table's names."""

    def read(text: str):
        if row.table and text == "help":
            print("\n".join(row.read_table()))
            raise SystemExit(0)
        if can_unset and row.can_be_unset and text == UNSET:
            return None
        try:
            return row.read(text)
        except UserError as error:
            raise argparse.ArgumentTypeError(str(error).removeprefix(f"{row.flag}: ")) from None

    return read
