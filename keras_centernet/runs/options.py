"""How an option of a run is declared in one row, and what is made of the rows.

A row is a dataclass field made by `option`. The command line (`cli.arguments`), the checks of values, what a resumed
run must keep, what a recipe may set and the attributes in the docstring are all read from the rows.
"""

import dataclasses
import functools
import importlib
import itertools
import json
import math
import operator
import types
import typing
from collections.abc import Callable, Collection, Mapping

from keras_centernet.errors import UserError, look_up


@dataclasses.dataclass(frozen=True)
class Option:
    """One row.

    Attributes:
        unset: what the value None stands for, in words.
        choices: all values there are.
        table: whose keys are all values there are. One whose import brings Keras is given as "room.module:TABLE"; it is
            read when values are checked, and `--help` does not list its keys.
        above, at_least, at_most, below: limits of a number, or of each of several; "above" and "below" exclude
            the limit.
        may_change: whether a resumed run may have another value than the run had before.
        in_recipes: whether a recipe may set it.
        flag: on the command line; "": the name, with dashes.
        parse: function from the typed text to the value (for a repeated option: to one item, or a dict of several);
            None: by the type.
        name, kind, default: name, type (None left out) and default of the field.
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
    in_recipes: bool = True
    flag: str = ""
    parse: Callable | None = None
    name: str = ""
    kind: typing.Any = None
    default: typing.Any = None

    @property
    def is_repeated(self) -> bool:
        """Whether its flag may be given several times: for names and for pairs NAME=VALUE."""
        return self.kind is dict or self.default == ()

    @property
    def text(self) -> str:
        """The help with all that the row says of its values."""
        default = self.unset if self.default is None else self.default
        if isinstance(default, bool):
            default = "yes" if default else ""
        notes = ["may be repeated"] if self.is_repeated else []
        if self.table:
            notes.append("'help' lists the names" if isinstance(self.table, str) else f"one of {', '.join(self.table)}")
        is_said = default is not dataclasses.MISSING and default not in ("", {}, ())
        return "; ".join([self.help, *notes]) + (f" (default: {default})" if is_said else "")

    def check(self, value) -> None:
        """Raises a UserError unless the value is within limits and choices."""
        if value is None:
            return
        if self.choices is not None and value not in self.choices:
            raise UserError(f"{self.name}: expected one of {', '.join(map(str, self.choices))}, got {value!r}.")
        for number in value if isinstance(value, tuple) else (value,):
            is_number = isinstance(number, int | float)
            if is_number and not (self.above < number < self.below and self.at_least <= number <= self.at_most):
                raise UserError(f"{self.name}: expected {self._limits}, got {number}.")

    def check_name(self, value: str | None) -> None:
        """Raises a UserError unless the value is a key of the table, or "module:object" of the user's own."""
        if not self.table or value is None or ":" in value:
            return
        table = self.table
        if isinstance(table, str):
            module, _, name = table.partition(":")
            table = getattr(importlib.import_module(f"keras_centernet.{module}"), name)
        look_up(table, value, self.name)

    def collect(self, texts: list[str]) -> dict | tuple:
        """Returns the value of a repeated option from its typed texts."""
        try:
            items = [self.parse(text) if self.parse else text for text in texts]
        except UserError as error:
            raise UserError(f"{self.flag}: {error}") from None
        if self.kind is dict:
            pairs = (item.items() if isinstance(item, dict) else [item] for item in items)
            return dict(itertools.chain.from_iterable(pairs))
        return tuple(items)

    @property
    def _limits(self) -> str:
        if self.above == 0 or self.at_least == 1:
            return "a positive number"
        most = f" and at most {self.at_most}" if self.at_most < math.inf else ""
        most += f" and below {self.below}" if self.below < math.inf else ""
        return f"a number of at least {self.at_least}{most}"


def option(default: typing.Any, help: str, unset: str = "", **row) -> typing.Any:
    """Returns a dataclass field; `row` are further attributes of its `Option`. The default `dict` is an empty one."""
    factory = {"default_factory": dict} if default is dict else {"default": default}
    return dataclasses.field(**factory, metadata={"option": Option(help, unset, **row)})


free_option = functools.partial(option, may_change=True)


@functools.cache
def options_of(settings: type) -> dict[str, Option]:
    """Returns {name: row} of a dataclass of options, in order."""
    return {field.name: _complete(field) for field in dataclasses.fields(settings)}


def _complete(field: dataclasses.Field) -> Option:
    row, kind = field.metadata["option"], field.type
    if isinstance(kind, types.UnionType):
        kind = functools.reduce(operator.or_, [one for one in typing.get_args(kind) if one is not types.NoneType])
    flag = row.flag or "--" + field.name.replace("_", "-")
    parse = row.parse or (parse_pair if kind is dict else None)
    default = {} if kind is dict else field.default
    return dataclasses.replace(row, flag=flag, parse=parse, name=field.name, kind=kind, default=default)


def with_attributes(settings: type) -> type:
    """Class decorator: lists the options in the docstring."""
    rows = "\n".join(f"        {name}: {row.text}." for name, row in options_of(settings).items())
    settings.__doc__ = f"{settings.__doc__}\n\n    Attributes:\n{rows}\n"
    return settings


def parse_size(text: str) -> int | tuple[int, int]:
    """Returns the side of "320", or (height, width) of "384x1280"."""
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isdecimal() for side in sides):
        raise UserError(f"expected a side such as 320 or HEIGHTxWIDTH, got {text}")
    return int(text) if len(sides) == 1 else (int(sides[0]), int(sides[1]))


def parse_numbers(text: str) -> tuple[int, ...]:
    """Returns (90, 120) of "90,120"."""
    numbers = text.split(",")
    if not all(number.strip().isdecimal() for number in numbers):
        raise UserError(f"expected whole numbers such as 90,120, got {text}")
    return tuple(map(int, numbers))


def parse_names(text: str) -> tuple[str, ...]:
    """Returns ("cat", "dog") of "cat,dog"."""
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise UserError(f"expected names such as cat,dog, got {text!r}")
    return names


def parse_renames(text: str) -> dict[str, str]:
    """Returns {"car": "vehicle", "van": "vehicle"} of "car=vehicle,van=vehicle"."""
    pairs = [part.partition("=") for part in text.split(",")]
    if not all(old.strip() and equals and new.strip() for old, equals, new in pairs):
        raise UserError(f"expected OLD=NEW,... such as car=vehicle,van=vehicle, got {text!r}")
    return {old.strip(): new.strip() for old, _, new in pairs}


def parse_shares(text: str) -> tuple[float, float, float]:
    """Returns (0.015, 0.7, 0.4) of "0.015,0.7,0.4"."""
    try:
        hue, saturation, value = map(float, text.split(","))
    except ValueError:
        raise UserError(f"expected three numbers such as 0.015,0.7,0.4, got {text}") from None
    return hue, saturation, value


def parse_pair(text: str) -> tuple[str, object]:
    """Returns ("projection", True) of "projection=true", ("radius", "geometric") of "radius=geometric"."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise UserError(f"expected NAME=VALUE, got {text!r}.")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
