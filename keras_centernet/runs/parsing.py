"""Parsers of typed texts; each raises a UserError that says what it expected."""

import functools
import json
import re
from collections.abc import Callable

from keras_centernet.errors import UserError
from keras_centernet.texts import shorten

MOST_DIGITS = 30  # longer numbers exceed every limit, and Python refuses to parse thousands of digits


def parse_whole(text: str) -> int:
    """Returns 300 for "300"; rejects "1_000" and the digits of other scripts."""
    if not re.fullmatch(rf"[+-]?[0-9]{{1,{MOST_DIGITS}}}", text, re.ASCII):
        raise UserError(f"expected a whole number, got {shorten(repr(text))}")
    return int(text)


def parse_number(text: str) -> float:
    """Returns 0.001 for "1e-3"."""
    try:
        if text.isascii() and "_" not in text:
            return float(text)
    except ValueError:
        pass
    raise UserError(f"expected a number, got {shorten(repr(text))}")


def parse_size(text: str) -> int | tuple[int, int]:
    """Returns the side for "320", or (height, width) for "384x1280"."""
    try:
        sides = tuple(map(parse_whole, text.lower().split("x")))
    except UserError:
        sides = ()
    if len(sides) not in (1, 2):
        raise UserError(f"expected a side such as 320 or HEIGHTxWIDTH, got {shorten(repr(text))}")
    return sides[0] if len(sides) == 1 else sides


def parse_several(parse: Callable[[str], object], example: str, text: str) -> tuple:
    """Returns (90, 120) for "90,120"; `parse` reads one item."""
    try:
        return tuple(parse(part.strip()) for part in text.split(","))
    except UserError:
        raise UserError(f"expected numbers such as {example}, got {shorten(repr(text))}") from None


parse_epochs = functools.partial(parse_several, parse_whole, "90,120")
parse_shares = functools.partial(parse_several, parse_number, "0.015,0.7,0.4")
parse_scales = functools.partial(parse_several, parse_number, "0.5,1,1.5")


def parse_names(text: str) -> tuple[str, ...]:
    """Returns ("cat", "dog") for "cat,dog"."""
    names = tuple(name.strip() for name in _in_utf_8(text).split(","))
    if not all(names):
        raise UserError(f"expected names such as cat,dog, got {shorten(repr(text))}")
    return names


def parse_renames(text: str) -> dict[str, str]:
    """Returns {"car": "vehicle", "van": "vehicle"} for "car=vehicle,van=vehicle"."""
    pairs = [part.partition("=") for part in _in_utf_8(text).split(",")]
    if not all(old.strip() and equals and new.strip() for old, equals, new in pairs):
        raise UserError(f"expected OLD=NEW,... such as car=vehicle,van=vehicle, got {shorten(repr(text))}")
    return {old.strip(): new.strip() for old, _, new in pairs}


def parse_pair(text: str) -> tuple[str, object]:
    """Returns ("projection", True) for "projection=true", ("radius", "geometric") for "radius=geometric"."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise UserError(f"expected NAME=VALUE, got {shorten(repr(text))}")
    try:
        return name, json.loads(value)
    except (ValueError, RecursionError):
        return name, value


def _in_utf_8(text: str) -> str:
    """Returns the text decoded as UTF-8, like label files: in an ASCII locale Python escapes the typed bytes."""
    try:
        return text.encode("ascii", "surrogateescape").decode("utf-8")
    except UnicodeError:
        return text
