"""Chooses the class names: those of the data set, renamed, merged, selected and ordered as requested."""

import collections
from collections.abc import Iterable, Sequence

from keras_centernet.data.counting import warn_counted
from keras_centernet.data.formats.request import DataRequest
from keras_centernet.errors import UserError


def choose_classes(
    declared: Sequence[str] | None, of_objects: Iterable[str] | None, request: DataRequest
) -> tuple[tuple[str, ...], dict[str, int]]:
    """Returns (names of the classes, {name in the data set: its index, -1 for a class that is left out}).

    Objects of classes that were not requested are left out, with a warning that counts them by class.

    Args:
        declared: names that the data set declares, in order; None: the names that its objects have, sorted.
        of_objects: the class name of each object; None for a stream, which does not know them beforehand.
        request: its `classes`, `class_map` and `ignore_case` are used.

    Raises:
        UserError: a name is requested twice, or no object is of a requested class.
    """
    counts = collections.Counter(declared if of_objects is None else of_objects)
    names = list(dict.fromkeys((*(declared or ()), *sorted(counts))))
    renamed = _rename(names, request)
    if request.classes is None:
        classes = tuple(dict.fromkeys(renamed.values()))
    else:
        classes = tuple(request.classes)
        if len(set(classes)) != len(classes):
            raise UserError(f"classes: expected different names, got {_show(classes)}.")
    fold = str.casefold if request.ignore_case else str
    positions = {fold(name): i for i, name in reversed(list(enumerate(classes)))}
    indices = {name: positions.get(fold(new), -1) for name, new in renamed.items()}
    left_out = {name: counts[name] for name in names if indices[name] < 0 and counts[name]}
    if left_out:
        _say_left_out(left_out, classes, sum(counts.values()), request, is_counted=of_objects is not None)
    return classes, indices


def new_name(name: str, request: DataRequest) -> str | None:
    """Returns the new name of a class of the data set; None if the class was not requested."""
    fold = str.casefold if request.ignore_case else str
    renamed = {fold(old): new for old, new in request.class_map.items()}.get(fold(name), name)
    is_wanted = request.classes is None or fold(renamed) in map(fold, request.classes)
    return renamed if is_wanted else None


def _rename(names: list[str], request: DataRequest) -> dict[str, str]:
    """Returns {name in the data set: new name}."""
    fold = str.casefold if request.ignore_case else str
    wanted = {fold(old): new for old, new in request.class_map.items()}
    unknown = [old for old in request.class_map if fold(old) not in set(map(fold, names))]
    warn_counted(unknown, f"name(s) of class_map are not classes of {request.data}, which has {_show(names)}")
    renamed = {name: wanted.get(fold(name), name) for name in names}
    if request.ignore_case:  # the first spelling replaces the others
        first = {fold(new): new for new in reversed(renamed.values())}
        renamed = {name: first[fold(new)] for name, new in renamed.items()}
    return renamed


def _say_left_out(
    left_out: dict[str, int], classes: tuple[str, ...], total: int, request: DataRequest, is_counted: bool
) -> None:
    counted = ", ".join(f"{name} ({count})" if is_counted else name for name, count in left_out.items())
    folded = {name.casefold() for name in classes}
    is_other_case = any(name.casefold() in folded for name in left_out)
    advice = "pass ignore_case" if is_other_case else "class_map renames them"
    if sum(left_out.values()) == total:
        expected = f"objects of the classes {_show(classes)}"
        raise UserError(f"{request.name}: expected {expected}, got only others: {counted}; {advice}.")
    names = [f"{counted}; {advice}"] + [""] * (sum(left_out.values()) - 1)
    what = "object(s)" if is_counted else "class(es)"
    warn_counted(names, f"{what} of {request.name} left out, not among {_show(classes)}")


def _show(names: Iterable[str]) -> str:
    names = list(names)
    return "[" + ", ".join(names[:20]) + (", ..." if len(names) > 20 else "") + "]"
