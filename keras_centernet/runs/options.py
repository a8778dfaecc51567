"""How one row declares an option of a run, and what is derived from the rows.

A row is a dataclass field made by `option`. The command line (`cli.arguments`), the checks of values, the options
that a resumed run must keep or a recipe may set, and the attributes in the docstring are all read from the rows.
"""

import dataclasses
import functools
import importlib
import itertools
import math
import operator
import os
import types
import typing
from collections.abc import Callable, Collection, Mapping

from keras_centernet.errors import UserError, did_you_mean, look_up
from keras_centernet.limits import Limits
from keras_centernet.runs.parsing import parse_number, parse_pair, parse_whole
from keras_centernet.texts import repr_of, shorten

WORDS = {str: "a text", bool: "true or false", dict: "names with values"}
PARSE = {int: parse_whole, float: parse_number}
UNSET = "none"  # what is typed for the value None, where `Option.can_be_unset`


@dataclasses.dataclass(frozen=True)
class Option:
    """One row.

    Attributes:
        unset: what the value None stands for, in words.
        choices: the allowed values.
        table: its keys are the allowed values. A table whose module imports Keras is given as "room.module:TABLE": it
            is read only when values are checked, and `--help` does not list its keys.
        above, at_least, at_most, below: limits of a number, or of each of several; "above" and "below" exclude
            the limit.
        may_change: whether a resumed run may change the value.
        of_one_start: whether a resumed run does not take the value over from the run.
        group: name of options that exclude each other; one that is given replaces all of the group in a resumed run.
        of_older_runs: value in effect in runs whose config.json does not name the option; None: the default.
        in_recipes: whether a recipe may set it.
        changes_result: whether the training result depends on it, so that a comparison of runs lists it.
        flag: on the command line; "": the name, with dashes.
        bare: value that the flag has when given alone; "": a value must follow the flag.
        parse: function from the typed text to the value (for a repeated option: to one item, or a dict of several);
            None: by the type.
        names: the option whose value may follow this flag: `--resume runs/a` is short for
            `--resume --output runs/a`.
        none_is_value: whether "none" is a value of its own.
        own_check: function (name, value) -> the value, for values that one type with limits does not describe.
        name, kind, default: name, type (None left out) and default of the field.
        is_optional: whether the value may be None.
    """

    help: str
    unset: str = ""
    choices: Collection | None = None
    table: Mapping | str = ""
    above: float = -math.inf
    at_least: float = -math.inf
    at_most: float = math.inf
    below: float = math.inf
    may_change: bool = False
    of_one_start: bool = False
    group: str = ""
    of_older_runs: typing.Any = None
    in_recipes: bool = True
    changes_result: bool = True
    flag: str = ""
    bare: str = ""
    parse: Callable | None = None
    none_is_value: bool = False
    own_check: Callable | None = None
    names: str = ""
    name: str = ""
    kind: typing.Any = None
    default: typing.Any = None
    is_optional: bool = False

    @property
    def is_repeated(self) -> bool:
        """Whether its flag may be given several times: for names and for pairs NAME=VALUE."""
        return self.kind is dict or self.default == ()

    @property
    def can_be_unset(self) -> bool:
        """Whether `train` takes the typed value "none" for None: what a recipe sets is not used."""
        return self.is_optional and self.kind is not bool and self.choices is None and not self.none_is_value

    @property
    def text(self) -> str:
        """The help text with everything that the row says about its values."""
        default = self.unset if self.default is None else self.default
        if isinstance(default, bool):
            default = "yes" if default else ""
        if isinstance(default, tuple):
            default = ",".join(map(str, default))
        notes = ["may be repeated"] if self.is_repeated else []
        if self.table:
            notes.append("'help' lists the names" if isinstance(self.table, str) else f"one of {', '.join(self.table)}")
        is_said = default is not dataclasses.MISSING and default not in ("", {}, ())
        return "; ".join([self.help, *notes]) + (f" (default: {default})" if is_said else "")

    @property
    def metavar(self) -> str | None:
        """The placeholder that `--help` shows for its value."""
        if self.choices is not None:
            return f"{{{','.join(map(str, self.choices))}}}"
        if self.names:
            return "FOLDER"
        return "NAME=VALUE" if self.kind is dict else "NAME" if self.table else None

    @property
    def limits(self) -> Limits:
        """The limits of a number, or of each of several."""
        is_whole = int in (self.kind, *typing.get_args(self.kind))
        return Limits(is_whole, self.above, self.at_least, self.at_most, self.below)

    @property
    def expected(self) -> str:
        """The allowed values in words."""
        if self.choices is not None:
            return f"one of {', '.join(map(str, self.choices))}"
        if typing.get_origin(self.kind) is tuple:
            kinds = typing.get_args(self.kind)
            each = self.limits if kinds[0] in (int, float) else WORDS[kinds[0]]
            return f"{'a list' if kinds[-1] is ... else f'{len(kinds)} values'}, each {each}"
        return WORDS.get(self.kind) or str(self.limits)

    def check(self, value, name: str = ""):
        """Returns the value in Python's own types; raises a UserError if the row does not allow it.

        Args:
            value: from Python, a recipe or the command line.
            name: with which the error message begins; "": the row's name.
        """
        name = name or self.name
        if value is None and self.is_optional:
            return None
        if self.own_check:
            return self.own_check(name, value)
        if typing.get_origin(self.kind) is tuple:
            return self._check_several(value, name)
        checked = self._check_one(value, self.kind, name)
        if self.choices is not None and checked not in self.choices:
            likely = did_you_mean(value, map(str, self.choices))
            raise UserError(f"{name}: expected {self.expected}, got {shorten(repr(value))}.{likely}")
        return checked

    def _check_several(self, values, name: str) -> tuple:
        kinds = typing.get_args(self.kind)
        kinds = kinds[:1] * len(values) if kinds[-1] is ... and isinstance(values, list | tuple) else kinds
        if not isinstance(values, list | tuple) or len(values) != len(kinds):
            raise UserError(f"{name}: expected {self.expected}, got {shorten(repr_of(values))}.")
        return tuple(self._check_one(value, kind, name) for value, kind in zip(values, kinds, strict=True))

    def _check_one(self, value, kind: type, name: str):
        if kind in (int, float):
            return self.limits.check(name, value)
        value = os.fspath(value) if kind is str and isinstance(value, os.PathLike) else value
        if not isinstance(value, kind) or (kind is str and "\0" in value):
            expected = WORDS[kind] if self.choices is None else self.expected
            raise UserError(f"{name}: expected {expected}, got {shorten(repr_of(value))}.")
        return value

    def read(self, text: str):
        """Returns the value of a typed text; raises a UserError that begins with the flag if the text is wrong."""
        parse = self.parse or PARSE.get(self.kind, str)
        try:
            value = parse(text)
        except UserError as error:
            is_number = self.parse is None and self.kind in PARSE
            problem = f"expected {self.expected}, got {shorten(repr(text))}" if is_number else error
            raise UserError(f"{self.flag}: {problem}.") from None
        return self.check(value, self.flag)

    def check_name(self, value: str | None) -> None:
        """Raises a UserError unless the value is a key of the table, or names a user's own "module:object"."""
        if not self.table or value is None or ":" in value:
            return
        look_up(self.read_table(), value, self.name)

    def read_table(self) -> Mapping:
        """Returns the table; may import Keras."""
        if not isinstance(self.table, str):
            return self.table
        module, _, name = self.table.partition(":")
        return getattr(importlib.import_module(f"keras_centernet.{module}"), name)

    def collect(self, texts: list[str]) -> dict | tuple:
        """Returns the value of a repeated option from its typed texts."""
        try:
            items = [self.parse(text) if self.parse else text for text in texts]
        except UserError as error:
            raise UserError(f"{self.flag}: {error}.") from None
        if self.kind is dict:
            pairs = (item.items() if isinstance(item, dict) else [item] for item in items)
            return dict(itertools.chain.from_iterable(pairs))
        return tuple(items)


def option(default: typing.Any, help: str, unset: str = "", **row) -> typing.Any:
    """Returns a dataclass field; `row` are further attributes of its `Option`. The default `dict` means {}."""
    factory = {"default_factory": dict} if default is dict else {"default": default}
    return dataclasses.field(**factory, metadata={"option": Option(help, unset, **row)})


free_option = functools.partial(option, may_change=True)


@functools.cache
def options_of(settings: type) -> dict[str, Option]:
    """Returns {name: row} of a dataclass of options, in order."""
    return {field.name: _complete(field) for field in dataclasses.fields(settings)}


def _complete(field: dataclasses.Field) -> Option:
    row, kind = field.metadata["option"], field.type
    is_optional = types.NoneType in typing.get_args(kind)
    if isinstance(kind, types.UnionType):
        kind = functools.reduce(operator.or_, [one for one in typing.get_args(kind) if one is not types.NoneType])
    flag = row.flag or "--" + field.name.replace("_", "-")
    parse = row.parse or (parse_pair if kind is dict else None)
    default = {} if kind is dict else field.default
    made = {"flag": flag, "parse": parse, "name": field.name, "kind": kind, "default": default}
    return dataclasses.replace(row, is_optional=is_optional, **made)


def with_attributes(settings: type) -> type:
    """Class decorator: lists the options in the docstring."""
    rows = "\n".join(f"        {name}: {row.text}." for name, row in options_of(settings).items())
    settings.__doc__ = f"{settings.__doc__}\n\n    Attributes:\n{rows}\n"
    return settings
