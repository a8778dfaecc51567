"""Agreement of the class names of the data with those of the model."""

from collections.abc import Collection

from keras_centernet.errors import UserError


def check_classes(found: Collection[str], classes: Collection[str], name: str) -> None:
    """Raises unless every class name found in the data is one of `classes`.

    Args:
        found: names in the annotations.
        classes: names that were asked for.
        name: of the data set, for the message.

    Raises:
        UserError: listing both.
    """
    if len(set(classes)) != len(classes):
        raise UserError(f"classes: expected different names, got {_show(classes)}.")
    unknown = [label for label in found if label not in set(classes)]
    if unknown:
        raise UserError(
            f"{name}: expected objects of the classes {_show(classes)}, got also {_show(sorted(unknown))}; the "
            f"data's classes are {_show(sorted(found))}. Pass `classes` that hold all of them."
        )


def _show(names: Collection[str]) -> str:
    return "[" + ", ".join(names) + "]"
