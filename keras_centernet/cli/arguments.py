"""Turns rows of options into arguments of a command, and defines arguments that several commands share."""

import argparse
import dataclasses
import itertools
import re
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NoReturn

from keras_centernet.errors import UserError, did_you_mean
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
    r"argument (\S+): (.*)": r"\1: \2",
    r"the following arguments are required: (.*)": r"expected \1, missing; see --help.",
}
_INVALID_CHOICE = re.compile(r"argument (\S+): invalid choice: '(.*)' \(choose from (.*)\)", re.DOTALL)
# Name of a command or option of YOLO -> ours, where the two are too different to be recognised by their letters.
NAMES_OF_YOLO = {
    "val": "evaluate",
    "detect": "predict",
    "track": "predict",
    "imgsz": "--input-size",
    "batch": "--batch-size",
    "lr0": "--learning-rate",
    "device": "--gpus",
    "nbs": "--accumulate",
    "fliplr": "--flip",
    "flipud": "--vertical-flip",
    "name": "--output",
    "project": "--output",
    "exist_ok": "--overwrite",
    "pretrained": "--weights",
    "amp": "--mixed-precision",
    "conf": "--threshold",
    "iou": "--nms",
    "max_det": "--top-k",
    "vid_stride": "--every",
}
WORDS = " docs/words.md lists the names of YOLO's options."


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
        self._typed = args
        known, strangers = super().parse_known_args(args, namespace)
        if strangers:
            self._refuse(strangers)
        return known, strangers

    def error(self, message: str):
        """Raises the UserError."""
        if found := _INVALID_CHOICE.fullmatch(message):
            names = re.findall(r"[\w-]+", found[3])
            expected = f"expected one of {', '.join(names)}; got {found[2]!r}."
            raise UserError(f"{found[1]}: {expected}{_like(found[2], names)}")
        # An option that is misspelt is missing, too.
        if message.startswith("the following arguments are required") and (strangers := self._unknown_options()):
            self._refuse(strangers)
        for theirs, ours in MESSAGES.items():
            if found := re.fullmatch(theirs, message, re.DOTALL):
                raise UserError(found.expand(ours))
        raise UserError(message)

    def _unknown_options(self) -> list[str]:
        if self._subparsers:  # the options of a command are not its own
            return []
        typed = itertools.takewhile(lambda text: text != "--", self._typed)
        flags = [text for text in typed if text.startswith("--") and " " not in text]
        return [text for text in flags if text.partition("=")[0] not in self._option_string_actions]

    def _refuse(self, strangers: list[str]) -> NoReturn:
        options, first = [*self._option_string_actions], strangers[0]
        name, sign, value = first.partition("=")
        has_data = any(text.partition("=")[0] == "--data" for text in self._typed)
        if first.startswith("-"):
            hint = _like(name, options)
        elif sign and (yolos := _like(f"--{name}", options, f" {shorten(value)}")):  # imgsz=640
            hint = yolos
        else:
            hint = f" Did you mean --data {first}?" if "--data" in options and not has_data else ""
        raise UserError(f"expected the options that --help lists, got {' '.join(strangers)}.{hint}")


def _like(name: str, known: Collection[str], value: str = "") -> str:
    """Returns the end of a message about an unknown command or option: which one was meant, if that can be guessed.

    `value` is what follows its name there.
    """
    ours = NAMES_OF_YOLO.get(name.lstrip("-").replace("-", "_"))
    if ours is None:
        return did_you_mean(name, known, value)
    return f" Did you mean {ours}{value}?" if ours in known else WORDS


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
