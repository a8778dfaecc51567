"""Names that data sets give to one and the same split."""

_OTHER_NAMES = {
    "val": ("valid", "validation"),
    "valid": ("val", "validation"),
    "validation": ("val", "valid"),
}


def split_names(split: str) -> tuple[str, ...]:
    """Returns the split's name and its usual other names, the name itself first.

    Example:
        >>> split_names("val")
        ('val', 'valid', 'validation')
    """
    return (split, *_OTHER_NAMES.get(split, ()))
