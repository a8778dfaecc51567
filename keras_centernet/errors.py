"""Exceptions and warnings shown to users, and the texts that they share."""

from collections.abc import Mapping


class UserError(ValueError):
    """A mistake that the user can mend: one line that says what was expected, what was received and what to do.

    Commands print it without a traceback and exit with code 2.
    """


class DataWarning(UserWarning):
    """Something in the data was skipped or changed; the message counts it and names the first case."""


def first_line(error: BaseException) -> str:
    """Returns the first line of what an exception says, or its class where it says nothing.

    Example:
        >>> first_line(ValueError("no such file\\n  at line 3")), first_line(KeyError())
        ('no such file', 'KeyError')
    """
    text = str(getattr(error, "message", None) or error).strip()  # TensorFlow's errors have a `message`
    return text.splitlines()[0] if text else type(error).__name__


def look_up(table: Mapping, key: str, what: str):
    """Returns a row of a table.

    Raises:
        UserError: there is no row of that key; the line lists the keys.
    """
    if key not in table:
        raise UserError(f"Unknown {what}: expected one of {', '.join(table)}; got {key!r}.")
    return table[key]
