"""The meaning of the types in KITTI's label files: classes, regions that hide objects of a class, or nothing."""

import dataclasses
from collections.abc import Collection, Iterable

from keras_centernet.data.formats.kitti.labels import TYPES
from keras_centernet.data.formats.request import DataRequest
from keras_centernet.data.reading.classes import new_name
from keras_centernet.tasks.classes import KITTI_CLASSES

REGION = "DontCare"
# As published: a type that looks like a class is a hidden region in that class's heatmap; None: in all heatmaps.
HIDES_IN = {"Van": "Car", "Truck": "Car", "Person_sitting": "Pedestrian", REGION: None}
_KITTI = {kind.casefold(): kind for kind in TYPES}


@dataclasses.dataclass(frozen=True)
class Kinds:
    """The meaning of the types of a data set.

    Attributes:
        names: {type as written: the name that is used}.
        classes: the names that are classes, in order.
        hides_in: {name that is not a class: names of the classes in which it hides objects; () if it is left out}.
        are_published: whether all used classes have KITTI's names, as KITTI's metric needs.
    """

    names: dict[str, str]
    classes: tuple[str, ...]
    hides_in: dict[str, tuple[str, ...]]
    are_published: bool


def find_kinds(types: Collection[str], request: DataRequest) -> Kinds:
    """Returns the meaning of all types of a data set, given as written; `reading.read_kitti` states the rules."""
    asked = _asked_for(types, request)
    is_own = any(kind.casefold() not in _KITTI for kind in types)
    names = {kind: kind if is_own or kind in asked else _KITTI[kind.casefold()] for kind in types}
    names |= {kind: REGION for kind in types if kind.casefold() == REGION.casefold()}
    found = sorted(set(names.values()) - {REGION})
    if is_own:
        return Kinds(names, tuple(found), {REGION: _used(found, request)}, are_published=False)
    classes = (*KITTI_CLASSES, *(kind for kind in found if kind in asked and kind not in KITTI_CLASSES))
    used = _used(classes, request)
    hides_in = {}
    for kind in {*found, REGION} - set(classes):
        target = HIDES_IN.get(kind, kind)
        hides_in[kind] = tuple(name for name in used if target in (None, _KITTI[name.casefold()]))
    are_published = all(name in TYPES and new_name(name, request) == name for name in used)
    return Kinds(names, classes, hides_in, are_published)


def _asked_for(types: Iterable[str], request: DataRequest) -> set[str]:
    """Returns the types that the request names as classes."""
    fold = str.casefold if request.ignore_case else str
    wanted = set(map(fold, (*(request.classes or ()), *request.class_map)))
    return {kind for kind in types if fold(kind) in wanted}


def _used(classes: Iterable[str], request: DataRequest) -> tuple[str, ...]:
    """Returns one old name for each class that remains after the request's selection and renaming."""
    fold = str.casefold if request.ignore_case else str
    used = {fold(new): name for name in classes if (new := new_name(name, request)) is not None}
    return tuple(used.values())
