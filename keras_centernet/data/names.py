"""Names of splits: what data sets call them, and what was asked for."""

import re
from collections.abc import Collection, Iterable

from keras_centernet.errors import UserError
from keras_centernet.files.paths import AnyPath

_ALIASES = (("train", "training"), ("val", "valid", "validation"), ("test", "testing"))
_NUMBER = re.compile(r"[-_]?\d+")
_USUAL = re.compile(rf"({'|'.join(name for names in _ALIASES for name in names)})([-_]?\d+)?", re.IGNORECASE)


def split_names(split: str) -> tuple[str, ...]:
    """Returns the split's name and its usual other names, the name itself first.

    Example:
        >>> split_names("val")
        ('val', 'valid', 'validation')
    """
    others = next((names for names in _ALIASES if split in names), ())
    return (split, *(name for name in others if name != split))


def match_split(split: str, known: Collection[str]) -> str | None:
    """Returns which of the known splits is meant: of that name, of a usual other one, or of one with a number behind.

    Upper and lower case do not matter where only one split is meant nevertheless.

    Raises:
        UserError: several are as likely.

    Example:
        >>> match_split("val", ["train2017", "val2017"]), match_split("val", ["train"])
        ('val2017', None)
    """
    names = split_names(split)
    exact = next((name for name in names if name in known), None)
    if exact is not None:
        return exact
    for is_meant in (
        lambda other, name: other.casefold() == name.casefold(),
        lambda other, name: other.casefold().startswith(name.casefold()) and _NUMBER.fullmatch(other[len(name) :]),
    ):
        for name in names:
            meant = sorted(other for other in known if is_meant(other, name))
            if len(meant) > 1:
                raise UserError(f"split: expected one of {', '.join(meant)}, got {split!r}, which may be each of them.")
            if meant:
                return meant[0]
    return None


def is_usual_split(name: str) -> bool:
    """Whether a name is that of a split, such as "train", "valid" or "test2017"."""
    return _USUAL.fullmatch(name) is not None


def split_folders(folder: AnyPath) -> dict[str, AnyPath]:
    """Returns {name: folder} of the folders inside a folder that are named as splits are."""
    found: Iterable[AnyPath] = folder.iterdir() if folder.is_dir() else ()
    usual = sorted(path for path in found if is_usual_split(path.name))  # not all of what may be thousands of files
    return {path.name: path for path in usual if path.is_dir()}
