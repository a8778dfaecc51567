"""Exceptions and warnings shown to users, and the functions that word their messages."""

import difflib
import os
from collections.abc import Iterable, Mapping

_LONGEST = 160  # characters of another library's message: Keras quotes whole configurations
_SHOWN = 80  # characters of a value


class UserError(ValueError):
    """A mistake that the user can mend: one line that says what was expected, what was received and what to do.

    Commands print it without a traceback and exit with code 2.
    """


class DataWarning(UserWarning):
    """Something in the data was skipped or changed; the message counts it and names the first case."""


def first_line(error: BaseException) -> str:
    """Returns the first line of an exception's message, cut if it is long; its class name if the message is empty.

    Examples:
        >>> first_line(ValueError("no such file\\n  at line 3")), first_line(KeyError())
        ('no such file', 'KeyError')
    """
    text = str(getattr(error, "message", None) or error).strip()  # TensorFlow's errors have a `message`
    return _cut(text.splitlines()[0], _LONGEST) if text else type(error).__name__


def shown(value: object) -> str:
    """Returns the `repr` of a value for messages, cut if it is long.

    Examples:
        >>> shown("cat"), len(shown([0] * 1000))
        ("'cat'", 83)
    """
    try:
        return _cut(repr(value), _SHOWN)
    except RecursionError:
        return f"a {type(value).__name__} that is nested too deeply"


def look_up(table: Mapping, key: str, what: str):
    """Returns a row of a table.

    Raises:
        UserError: the table has no such key; the message lists its keys and repeats the most similar one.
    """
    if key not in table:
        expected = f"expected one of {', '.join(table)}; got {shown(key)}."
        raise UserError(f"Unknown {what}: {expected}{did_you_mean(key, table)}")
    return table[key]


def did_you_mean(key: object, names: Iterable[str], value: str = "") -> str:
    """Returns what a message about an unknown name ends with: the most similar of some names and `value`, or nothing.

    Examples:
        >>> did_you_mean("mobile_smal", ["dla34", "mobile_small"]), did_you_mean("vgg", ["dla34", "mobile_small"])
        (' Did you mean mobile_small?', '')
    """
    by_lower = {name.lower(): name for name in names}
    close = difflib.get_close_matches(key.lower(), by_lower, 1) if isinstance(key, str) else []
    return f" Did you mean {by_lower[close[0]]}{value}?" if close else ""


def refuse_path(value: object, where: str, expected: str, advice: str) -> None:
    """Raises a UserError if a value is a path where data is expected.

    Args:
        value: what the user gave.
        where: how the message begins, such as "fit".
        expected: what is expected.
        advice: what to do; "{path}" in it stands for the path.
    """
    if isinstance(value, str | os.PathLike):
        path = shown(os.fspath(value))
        raise UserError(f"{where}: expected {expected}, got {path}; {advice.format(path=path)}.")


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}..."
