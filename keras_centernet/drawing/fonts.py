"""Which fonts of this machine have the letters of a text, and how letters are written that none has."""

import functools
import os
import re
import unicodedata
import warnings

from keras_centernet.errors import DataWarning

_USUAL = "DejaVu Sans"  # comes with Matplotlib: Latin, Cyrillic, Greek, Arabic, Hebrew, some symbols
_FIRST_CHOICE = re.compile(r"noto ?sans(?!.*(mono|symbols))", re.IGNORECASE)
_JOINING = {"Cf", "Mn"}  # Unicode categories of characters that modify the one before
_said: set[str] = set()


def runs_of(text: str) -> list[tuple[str, str]]:
    """Returns (path of a font, the part of a text that it writes), in order.

    The usual font writes the letters that it has. Of the others, the font that has most of them writes those it has,
    and each that is left is written in a font of its own.
    """
    runs: list[tuple[str, str]] = []
    for character, path in zip(text, _fonts_of(text), strict=True):
        if runs and (path == runs[-1][0] or unicodedata.category(character) in _JOINING):
            runs[-1] = (runs[-1][0], runs[-1][1] + character)
        else:
            runs.append((path or usual_font(), character))
    return runs


def writable(text: str) -> str:
    r"""Returns a text as the fonts of this machine can write it; letters that none has become escapes of their code.

    A `DataWarning` reports such letters the first time, and again when there are 10, 100, ... of them.

    Examples:
        >>> writable("кошка\n2")
        'кошка\\n2'
    """
    if text.isascii() and text.isprintable():
        return text
    fonts = _fonts_of(text)
    _say({character for character, path in zip(text, fonts, strict=True) if path is None and character.isprintable()})
    return "".join(map(_written, text, fonts))


def _written(character: str, path: str | None) -> str:
    if path and (character.isprintable() or unicodedata.category(character) in _JOINING):
        return character
    if character.isspace() and character not in "\n\r\t\v\f":
        return " "
    return character.encode("unicode_escape").decode()


def _fonts_of(text: str) -> list[str | None]:
    """Returns for each letter the font that writes it, or None if none can."""
    others = frozenset(character for character in text if ord(character) not in _letters_of(usual_font()))
    common = _font_with(others)

    def font_of(character: str) -> str | None:
        if character not in others:
            return usual_font()
        path = common if ord(character) in _letters_of(common) else _font_with(frozenset(character))
        return path if ord(character) in _letters_of(path) else None

    return list(map(font_of, text))


def _say(missing: set[str]) -> None:
    before, new = len(_said), missing - _said
    _said.update(new)
    if new and (not before or len(str(len(_said))) > len(str(before))):
        first = ", ".join(f"U+{ord(character):04X}" for character in sorted(new)[:3])
        what = "letter(s) so far are drawn as their numbers, because no font of this machine has them"
        advice = "Install a font that has them, such as Noto Sans."
        warnings.warn(DataWarning(f"{len(_said)} {what}; first: {first}. {advice}"), stacklevel=4)


@functools.lru_cache(maxsize=4096)
def _font_with(letters: frozenset[str]) -> str:
    """Returns the first font with all these letters, or else the one with most of them."""
    codes, best = set(map(ord, letters)), usual_font()
    fewest = len(codes - _letters_of(best))
    for path in _other_fonts() if fewest else ():
        count = len(codes - _letters_of(path))
        if count < fewest:
            best, fewest = path, count
        if not fewest:
            break
    return best


@functools.cache
def usual_font() -> str:
    """Returns the path of the font that comes with Matplotlib."""
    from matplotlib import get_data_path

    return os.path.join(get_data_path(), "fonts", "ttf", f"{_USUAL.replace(' ', '')}.ttf")


@functools.cache
def _other_fonts() -> tuple[str, ...]:
    """Returns the paths of the installed fonts: Noto Sans first, regular styles before others.

    Matplotlib's own list is not used: it is kept in a file and lacks fonts that were installed since.
    """
    from matplotlib.font_manager import findSystemFonts

    def rank(path: str) -> tuple:
        name = os.path.basename(path)
        return not _FIRST_CHOICE.search(name), "regular" not in name.lower(), len(name), name

    return tuple(sorted(findSystemFonts(), key=rank))


@functools.cache
def _letters_of(path: str) -> frozenset[int]:
    """Returns the code points that a font can write; none if it cannot be read or scaled."""
    from matplotlib.ft2font import FT2Font

    try:
        font = FT2Font(path)
    except (OSError, RuntimeError, ValueError):
        return frozenset()
    is_usable = font.scalable and "Last Resort" not in font.family_name  # that one has a box for every letter
    return frozenset(font.get_charmap()) if is_usable else frozenset()
