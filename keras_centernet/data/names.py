"""Names of splits: matches the split that was asked for with the names that data sets use."""

import re
from collections.abc import Collection

from keras_centernet.errors import UserError
from keras_centernet.files.paths import AnyPath, list_names

_ALIASES = (("train", "training"), ("val", "valid", "validation"), ("test", "testing"))
_NUMBER = re.compile(r"([-_]?\d+)?")
_USUAL = re.compile(rf"({'|'.join(name for names in _ALIASES for name in names)}){_NUMBER.pattern}", re.IGNORECASE)


def split_names(split: str) -> tuple[str, ...]:
    """Returns the split's name and its usual other names, the name itself first.

    Examples:
        >>> split_names("val")
        ('val', 'valid', 'validation')
    """
    others = next((names for names in _ALIASES if split.casefold() in names), ())
    return (split, *(name for name in others if name != split.casefold()))


def match_split(split: str, known: Collection[str]) -> str | None:
    """Returns the known split that is meant: by its name, a usual alias of it, or either with a number appended.

    An exact match wins; otherwise case is ignored. Returns None if no known split matches.

    Raises:
        UserError: several known splits match equally well.

    Examples:
        >>> match_split("val", ["train2017", "val2017"]), match_split("val", ["train"])
        ('val2017', None)
    """
    names = split_names(split)
    exact = next((name for name in names if name in known), None)
    if exact is not None:
        return exact
    folded = {other: other.casefold() for other in known}
    for name in map(str.casefold, names):
        begin = {other: text for other, text in folded.items() if text.startswith(name)}
        numbered = [other for other, text in begin.items() if _NUMBER.fullmatch(text[len(name) :])]
        alike = sorted([other for other in numbered if folded[other] == name] or numbered)
        if len(alike) > 1:
            raise UserError(f"split: expected one of {', '.join(alike)}, got {split!r}, which could be any of them.")
        if alike:
            return alike[0]
    return None


def is_usual_split(name: str) -> bool:
    """Returns whether a name is a usual name of a split, such as "train", "valid" or "test2017"."""
    return _USUAL.fullmatch(name) is not None


def split_folders(folder: AnyPath) -> dict[str, AnyPath]:
    """Returns {name: folder} for the subfolders of a folder that have usual names of splits."""
    names = sorted(filter(is_usual_split, list_names(folder))) if folder.is_dir() else ()
    return {name: folder / name for name in names if (folder / name).is_dir()}
