"""Reads the images of a data set that belong to the requested split."""

import dataclasses
import itertools
import os
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from keras_centernet.data.formats.request import DataRequest
from keras_centernet.data.names import is_usual_split, match_split, split_names
from keras_centernet.data.reading.finishing import to_source
from keras_centernet.data.reading.found import Found
from keras_centernet.data.reading.splits import TRAIN, VAL, make_split
from keras_centernet.data.reading.values import check_names
from keras_centernet.data.source import Source
from keras_centernet.errors import UserError
from keras_centernet.files.paths import AnyPath
from keras_centernet.files.remote_path import is_remote

ALL = "all"
_MISSING = object()


def read_parts(read: Callable[[DataRequest], Found], known: Sequence[str], request: DataRequest) -> Source:
    """Returns the split that a request names: one of the data set's own, "all", or part of a split that is made here.

    Args:
        read: function from a request, whose split is one of `known` or None, to what is found.
        known: names of the data set's splits; empty if it has none.
        request: the request.

    Raises:
        UserError: there is no such split and none can be made, or an error of `to_source`.
    """
    read = _checked(read)
    names, part = choose_part(known, request)
    if part is not None:
        return _part_of(_read_all(read, names, request), names, request)
    if names == (tuple(known) or (None,)):
        return to_source(_read_all(read, names, request), request)
    found = read(dataclasses.replace(request, split=names[0]))
    if found.classes is None and request.classes is None:  # all splits must number their classes alike
        others = (read(dataclasses.replace(request, split=name)) for name in known if name != names[0])
        found.classes = _names_of(found, *others)
    return to_source(found, request)


def choose_part(known: Sequence[str], request: DataRequest) -> tuple[tuple[str | None, ...], str | None]:
    """Returns (the splits to read, the part of them to use: "train" or "val", or None to use all).

    The splits are (None,) if the data set has none and all its images are read. Arguments and errors are those of
    `read_parts`.
    """
    base = _held_out_of(known, request)
    if base is not _MISSING:
        return tuple(known) or (None,) if base is None else (base,), _role(request.split)
    if request.split == ALL or not known or _is_one_pool(known):
        return tuple(known) or (None,), None
    name = match_split(request.split, known)
    if name is None:
        raise UserError(_no_split(known, request))
    return (name,), None


def _checked(read: Callable) -> Callable:
    def read_once(request: DataRequest) -> Found:
        found = read(request)
        check_names(found)
        found.merge_repeated()
        return found

    return read_once


def evaluation_split(known: Sequence[str]) -> str:
    """Returns the split on which a model is evaluated by default: the validation split, else all images."""
    return VAL if match_split(VAL, known) else ALL


def _no_split(known: Sequence[str], request: DataRequest) -> str:
    expected = f"a split of {', '.join(known)}, or {ALL}"
    train = match_split(TRAIN, known)
    advice = f" Pass holds_out={train!r} to hold a part of it out." if _role(request.split) == VAL and train else ""
    return f"{request.data}: expected {expected}, got {request.split!r}.{advice}"


def _is_one_pool(known: Sequence[str]) -> bool:
    """Returns whether a data set is in fact not split: its only split has no usual name of a split."""
    return len(known) == 1 and not is_usual_split(known[0])


def _held_out_of(known: Sequence[str], request: DataRequest) -> object:
    """Returns the split to divide into "train" and "val", None for all images; `_MISSING` if nothing is divided."""
    if _role(request.split) is None or not request.val_share:
        return _MISSING
    if request.holds_out == ALL or not known or _is_one_pool(known):
        return None
    if request.holds_out is None:
        return _MISSING
    name = match_split(request.holds_out, known)
    if name is None:
        expected = f"a split of {', '.join(known)} to hold images out of"
        raise UserError(f"{request.data}: expected {expected}, got {request.holds_out!r}.")
    return name


def _role(split: str) -> str | None:
    """Returns which part of a made split a name means, "train" or "val"; None for other names."""
    return next((part for part in (TRAIN, VAL) if split in split_names(part)), None)


def _read_all(read: Callable, known: Sequence[str | None], request: DataRequest) -> Found:
    """Returns the images of all splits, without those that an earlier split contains."""
    found, seen = None, set()
    for name in known:
        part = read(dataclasses.replace(request, split=name))
        part.keep([image not in seen for image in part.images])
        seen.update(part.images)
        if found is None:
            found = part
        else:
            found.extend(part)
    found.name = request.name
    return found


def _part_of(found: Found, names_of_splits: Sequence[str | None], request: DataRequest) -> Source:
    """Returns the requested part, "train" or "val", of the images that were found."""
    if not found.images:
        return to_source(found, request)  # raises the error about no images
    found.classes = _names_of(found) if found.classes is None else found.classes
    names, part = image_names(found, request), _role(request.split)
    made = _make_split(found, names, request.val_share) if request.made_split is None else request.made_split
    for what, others in compare_made(names, made, request).items():
        found.notes.setdefault(what, []).extend(others)
    chosen = set(made[part])
    if not chosen:
        problem = f"got {len(names)}; add images, or name other data to measure with"
        raise UserError(f"{request.data}: expected at least two images to hold one out for {part!r}, {problem}.")
    found.keep([name in chosen for name in names])
    found.name = f"{request.data} ({request.split}, {describe_made(made, names_of_splits)})"
    return dataclasses.replace(to_source(found, request), made_split=made)


def _make_split(found: Found, names: Sequence[str], share: float) -> dict[str, tuple[str, ...]]:
    numbers = {name: i for i, name in enumerate(found.classes)}
    visible = zip(found.rows, found.is_visible, strict=True)
    known = [(row[0], numbers[row[1]]) for row, is_visible in visible if is_visible and row[1] in numbers]
    image_index, classes = np.array(known, np.int64).reshape(-1, 2).T
    return make_split(names, image_index, classes, share)


def describe_made(made: Mapping[str, Sequence[str]], names: Sequence[str | None]) -> str:
    """Describes a made split for messages; `names` are the splits that it was made of, see `choose_part`."""
    share = f"{len(made[VAL])} of {len(made[VAL]) + len(made[TRAIN])} images"
    origin = f" of {names[0]}" if len(names) == 1 and names[0] is not None else ""
    return f"made by image names, {VAL} is {share}{origin}"


def compare_made(names: Sequence[str], made: Mapping[str, Sequence[str]], request: DataRequest) -> dict[str, list[str]]:
    """Returns {description: names} of the differences between the images and those of a split that was made before.

    Raises:
        UserError: no image is the same.
    """
    before, now = dict.fromkeys(name for part in made.values() for name in part), set(names)
    if not now & before.keys():
        expected = f"images of the split that was made before, such as {next(iter(before), None)!r}"
        raise UserError(
            f"{request.data}: expected {expected}, got others, such as {names[0]!r}; name the same data as before."
        )
    return {
        "image(s) left out, they are not in the split that was made before": [n for n in names if n not in before],
        "image(s) of the split that was made before are not there any more": [n for n in before if n not in now],
    }


def image_names(found: Found, request: DataRequest) -> list[str]:
    """Returns a unique name for each image, which does not depend on where the data set is stored.

    It is the path relative to the data set's folder. For images elsewhere it is the path relative to the folder that
    contains all of them. Repeated names get a number: "a.jpg#1".
    """
    root = _absolute(request.path if request.path.is_dir() else request.path.parent) + "/"
    paths = [_absolute(image) for image in found.images]
    elsewhere = _common_folder([path for path in paths if not path.startswith(root)])
    names = [path.removeprefix(root if path.startswith(root) else elsewhere) for path in paths]
    seen: dict[str, int] = {}
    for i, name in enumerate(names):
        seen[name] = seen.get(name, -1) + 1
        names[i] = f"{name}#{seen[name]}" if seen[name] else name
    return names


def _absolute(path: AnyPath | str) -> str:
    return str(path) if is_remote(path) else os.path.abspath(path)


def _common_folder(paths: Sequence[str]) -> str:
    """Returns the deepest folder that contains all files, with a slash at its end; "" for no paths."""
    parts = zip(*(path.split("/")[:-1] for path in paths), strict=False)
    return "".join(f"{names[0]}/" for names in itertools.takewhile(lambda names: len(set(names)) == 1, parts))


def _names_of(*founds: Found) -> tuple[str, ...]:
    return tuple(sorted({row[1] for found in founds for row in found.rows}))
