"""Texts of any script and length, prepared for a terminal."""

import re
import unicodedata

TWO_LINES = 160  # columns in two lines of a terminal
LONG_VALUE, LONG_END, LONG_PATH = 60, 120, 240
# Control, format, surrogate, private-use and unassigned characters, line and paragraph separators.
_ESCAPED = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_WITHOUT_WIDTH = ("Mn", "Me", "Cf")
_JOINERS = "\u200c\u200d"  # which Persian, Hindi and emojis need
# The most informative ends of a line: what was received and what to do, or only what to do.
_ENDS = (r"[,;] got:? (?!.*[,;] got:? ).*", r"(?<=[.;]) [^.;]+(?:[.;](?! )[^.;]*)*\Z")
_LIST = r"(?:[^\s,;:()]+, ){5,}[^\s,;:()]+"


def shorten(text: str, most: int = LONG_VALUE) -> str:
    """Returns the text, or its beginning and its end if it is longer than `most` characters.

    Examples:
        >>> shorten("9" * 5000, 40)
        '999999999...9999999999 (5000 characters)'
    """
    if len(text) <= most:
        return text
    told = f" ({len(text)} characters)"
    head = max(1, (most - len(told) - 3) // 2)
    return f"{text[:head]}...{text[len(text) - max(1, most - len(told) - 3 - head) :]}{told}"


def repr_of(value: object) -> str:
    """Returns `repr(value)`, or a description of a whole number with more digits than Python prints."""
    try:
        return repr(value)
    except ValueError:
        return "a number of thousands of digits"


def printable(text: str) -> str:
    r"""Returns the text with line ends, control characters and lone surrogates escaped, so that it moves no cursor.

    Examples:
        >>> print(printable("caf\u00e9\n\x1b[31m\udce9"))
        café\n\x1b[31m\udce9
    """
    if text.isascii() and text.isprintable():
        return text
    is_shown = {sign: unicodedata.category(sign) not in _ESCAPED or sign in _JOINERS for sign in set(text)}
    return "".join(sign if is_shown[sign] else ascii(sign)[1:-1] for sign in text)


def cells(text: str) -> int:
    """Returns how many columns of a terminal a text takes: Chinese characters take two, combining accents none.

    Examples:
        >>> cells("cat"), cells("\u732b"), cells("e\u0301")
        (3, 2, 1)
    """
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(sign) in "WF" for sign in text)
    return len(text) + wide - sum(unicodedata.category(sign) in _WITHOUT_WIDTH for sign in text)


def in_two_lines(line: str) -> str:
    """Returns the line that a command prints for an error, in at most `TWO_LINES` columns, not counting paths.

    Long words are shortened first, then lists of names, then what was received. Last, the end of what was expected is
    dropped.
    """
    line = re.sub(
        r"\S+", lambda word: shorten(word[0], LONG_PATH if _is_path(word[0]) else LONG_VALUE), printable(line)
    )
    line = re.sub(_LIST, lambda names: _some_names(names[0], _length(line) - TWO_LINES), line)
    if _length(line) > TWO_LINES:
        line = re.sub(
            r"(?<=got ).{60,}(?=[.;] )", lambda got: shorten(got[0]) if _length(got[0]) > LONG_VALUE else got[0], line
        )
    if _length(line) <= TWO_LINES:
        return line
    found = (re.search(pattern, line) for pattern in _ENDS)
    end = next((end[0] for end in found if end and _length(end[0]) <= LONG_END), "")
    words = line[: len(line) - len(end)].split(" ")
    while len(words) > 1 and _length(" ".join([*words, "...", end])) > TWO_LINES:
        words.pop()
    return f"{' '.join(words).rstrip(' ,;:.')} ...{end}"


def _is_path(word: str) -> bool:
    return "/" in word


def _length(line: str) -> int:
    """Returns the columns of a line without its paths."""
    return cells(line) - sum(cells(word) for word in line.split() if _is_path(word))


def _some_names(text: str, excess: int) -> str:
    """Returns a list of names, shortened by `excess` characters or, if that is impossible, to its first name."""
    if excess <= 0:
        return text
    names = text.split(", ")
    told = f", ... ({len(names)} in all)"
    kept = list(names)
    while len(kept) > 1 and len(text) - len(", ".join(kept) + told) < excess:
        kept.pop()
    return ", ".join(kept) + told
