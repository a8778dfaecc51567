"""Exceptions and warnings shown to users, and the texts that they share."""

import re
import unicodedata
from collections.abc import Mapping

_LONGEST = 160  # characters of another library's message: Keras quotes whole configurations
_SHOWN = 80  # of a value
TWO_LINES = 160  # characters, of a terminal of 80 columns
LONG_VALUE, LONG_PATH = 60, 240


class UserError(ValueError):
    """A mistake that the user can mend: one line that says what was expected, what was received and what to do.

    Commands print it without a traceback and exit with code 2.
    """


class DataWarning(UserWarning):
    """Something in the data was skipped or changed; the message counts it and names the first case."""


def first_line(error: BaseException) -> str:
    """Returns the first line of what an exception says, cut where it is long, or its class where it says nothing.

    Example:
        >>> first_line(ValueError("no such file\\n  at line 3")), first_line(KeyError())
        ('no such file', 'KeyError')
    """
    text = str(getattr(error, "message", None) or error).strip()  # TensorFlow's errors have a `message`
    return _cut(text.splitlines()[0], _LONGEST) if text else type(error).__name__


def shown(value) -> str:
    """Returns a value from a file for messages, cut where it is long.

    Example:
        >>> shown("cat"), len(shown([0] * 1000))
        ("'cat'", 83)
    """
    try:
        return _cut(repr(value), _SHOWN)
    except RecursionError:
        return f"a {type(value).__name__} that is nested too deeply"


def shorten(text: str, most: int = LONG_VALUE) -> str:
    """Returns the text, or its beginning and its end where it is longer than `most` characters.

    Example:
        >>> shorten("9" * 5000, 40)
        '999999999...9999999999 (5000 characters)'
    """
    if len(text) <= most:
        return text
    told = f" ({len(text)} characters)"
    head = max(1, (most - len(told) - 3) // 2)
    return f"{text[:head]}...{text[len(text) - max(1, most - len(told) - 3 - head) :]}{told}"


def repr_of(value) -> str:
    """Returns `repr(value)`, also of a whole number with more digits than Python prints."""
    try:
        return repr(value)
    except ValueError:
        return "a number of thousands of digits"


def printable(text: str) -> str:
    r"""Returns the text with line ends, control characters and what no encoding has as escapes: it moves no cursor.

    Example:
        >>> print(printable("caf\u00e9\n\x1b[31m\udce9"))
        café\n\x1b[31m\udce9
    """
    if text.isascii() and text.isprintable():
        return text
    is_shown = {sign: unicodedata.category(sign) not in _ESCAPED or sign in _JOINERS for sign in set(text)}
    return "".join(sign if is_shown[sign] else ascii(sign)[1:-1] for sign in text)


def in_two_lines(line: str) -> str:
    """Returns what a command says of an error, in at most `TWO_LINES` characters besides those of paths.

    Long words are shortened, then lists of names, then what was received; then the end of what was expected is left out.
    """
    line = re.sub(
        r"\S+", lambda word: shorten(word[0], LONG_PATH if _is_path(word[0]) else LONG_VALUE), printable(line)
    )
    line = re.sub(_LIST, lambda names: _some_names(names[0], _length(line) - TWO_LINES), line)
    if _length(line) > TWO_LINES:
        line = re.sub(r"(?<=got ).{60,}(?=[.;] )", lambda received: shorten(received[0]), line)
    if _length(line) <= TWO_LINES:
        return line
    found = (re.search(pattern, line) for pattern in _ENDS)
    end = next((end[0] for end in found if end and _length(end[0]) <= TWO_LINES // 2), "")
    words = line[: len(line) - len(end)].split(" ")
    while len(words) > 1 and _length(" ".join([*words, "...", end])) > TWO_LINES:
        words.pop()
    return f"{' '.join(words).rstrip(' ,;:.')} ...{end}"


_ESCAPED = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # control, format, surrogate, separators of lines
_JOINERS = "\u200c\u200d"  # which Persian, Hindi and emojis need
# Ends of a line that say most: what was received with what to do, what to do alone.
_ENDS = (r"[,;] got (?!.*[,;] got ).*", r"(?<=[.;]) [^.;]+(?:[.;](?! )[^.;]*)*\Z")
_LIST = r"(?:[^\s,;:()]+, ){5,}[^\s,;:()]+"


def _is_path(word: str) -> bool:
    return "/" in word


def _length(line: str) -> int:
    """Returns the characters of a line without its paths."""
    return len(line) - sum(len(word) for word in line.split() if _is_path(word))


def _some_names(text: str, excess: int) -> str:
    """Returns a list of names that is shorter by `excess` characters or, failing this, has only its first name."""
    if excess <= 0:
        return text
    names = text.split(", ")
    told = f", ... ({len(names)} in all)"
    kept = list(names)
    while len(kept) > 1 and len(text) - len(", ".join(kept) + told) < excess:
        kept.pop()
    return ", ".join(kept) + told


def look_up(table: Mapping, key: str, what: str):
    """Returns a row of a table.

    Raises:
        UserError: there is no row of that key; the line lists the keys.
    """
    if key not in table:
        raise UserError(f"Unknown {what}: expected one of {', '.join(table)}; got {shown(key)}.")
    return table[key]


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}..."
