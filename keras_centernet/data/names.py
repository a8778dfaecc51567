"""Names of splits and classes: what data sets call them, and what was asked for."""

from collections.abc import Collection

from keras_centernet.errors import UserError

_VALIDATION = ("val", "valid", "validation")


def split_names(split: str) -> tuple[str, ...]:
    """Returns the split's name and its usual other names, the name itself first.

    Example:
        >>> split_names("val")
        ('val', 'valid', 'validation')
    """
    return (split, *(name for name in _VALIDATION if split in _VALIDATION and name != split))


def check_classes(found: Collection[str], classes: Collection[str], name: str) -> None:
    """Raises unless every class name found in the data is one of the `classes` asked for; the line lists both."""
    if len(set(classes)) != len(classes):
        raise UserError(f"classes: expected different names, got {_show(classes)}.")
    unknown = [label for label in found if label not in set(classes)]
    if unknown:
        advice = f"the data's classes are {_show(sorted(found))}. Pass `classes` that hold all of them."
        got = _show(sorted(unknown))
        raise UserError(f"{name}: expected objects of the classes {_show(classes)}, got also {got}; {advice}")


def _show(names: Collection[str]) -> str:
    return "[" + ", ".join(names) + "]"
