"""Finds the image that a label file names, even if it was named on another system or has moved."""

import collections
import functools
import os
from collections.abc import Collection, Sequence

from keras_centernet.data.images import IMAGE_SUFFIXES
from keras_centernet.data.reading.listings import Listings
from keras_centernet.files.paths import AnyPath, join, to_path
from keras_centernet.files.remote_path import is_remote

_BACKSLASHES = "name(s) of images with backslashes, read as /"
_OTHER_CASE = "image(s) found under a name with other upper and lower case"
_OTHER_SUFFIX = "image(s) found under a name with another suffix"
_OTHER_FOLDER = "image(s) found in another folder than their label file says"
_SUFFIXES = (*IMAGE_SUFFIXES, *map(str.upper, IMAGE_SUFFIXES))
_JUNK = "__MACOSX"  # the folder that macOS adds to archives


class ImageFiles:
    """Finds images in folders by the names that label files use.

    Args:
        folders: where to look, in this order; folders that do not exist are ignored.
        root: folder below which an image is searched for if it is in none of `folders`; None does not search.
        also: further folders that names can be relative to; similar names are not searched for in them.

    Attributes:
        folders: the folders that exist.
        missing: names for which no image was found.
        notes: {what was guessed: names}, for `Found.notes`.
    """

    def __init__(self, folders: Sequence[AnyPath], root: AnyPath | None = None, also: Sequence[AnyPath] = ()):
        self.folders = [folder for folder in dict.fromkeys(folders) if folder.is_dir()]
        self.missing: list[str] = []
        self.notes: dict[str, list[str]] = {}
        self._root, self._also = root, list(also)
        self._listings = Listings()
        self._found: set[AnyPath] = set()

    def find(self, name: str) -> AnyPath:
        """Returns the path of the image with a name, which can contain folders; if none is found, the expected path.

        Tries in this order: the name in each folder, the name with / for backslashes, the name without its folders, and
        the only image below the folders and the root whose name differs just in case, suffix or folder.
        """
        return self.find_all([name])[0]

    def find_all(self, names: Sequence[str]) -> list[AnyPath]:
        """Returns the path of each image as `find` does; a file found for one name is not guessed for another."""
        plain, paths = list(names), [self.find_exactly(name) for name in names]
        for i, name in enumerate(names):
            if paths[i] is None and "\\" in name:
                plain[i] = name.replace("\\", "/")
                paths[i] = self.find_exactly(plain[i])
        taken = set(paths) - {None}
        for i, name in enumerate(plain):
            if paths[i] is None:
                paths[i] = self._guess(name, taken)
                taken.add(paths[i])
            if paths[i] is not None and name != names[i]:
                self._note(_BACKSLASHES, names[i])
        self._found |= taken - {None}
        self.missing += [name for name, path in zip(names, paths, strict=True) if path is None]
        first = self.folders[0] if self.folders else self._root
        return [join(first, name) if path is None else path for path, name in zip(paths, plain, strict=True)]

    def find_exactly(self, name: str) -> AnyPath | None:
        """Returns the image of exactly this name, relative to one of the folders or absolute, or None."""
        return self._in_folders(name, [*self.folders, *self._also])

    def find_stem(self, stem: str) -> AnyPath | None:
        """Returns the image whose name without its suffix is `stem`, which can contain folders, or None."""
        path = next((path for suffix in _SUFFIXES if (path := self.find_exactly(stem + suffix)) is not None), None)
        if path is not None:
            self._found.add(path)
        return path

    def all(self) -> list[AnyPath]:
        """Returns all images in the folders, sorted within each."""
        return list(dict.fromkeys(path for folder in self.folders for path in images_in(folder)))

    def others(self) -> list[AnyPath]:
        """Returns the images in the same folders as the found ones that no name referred to, sorted."""
        folders = {path.parent for path in self._found}
        names = ((folder, name) for folder in folders for name in self._listings.names(folder))
        beside = (folder / name for folder, name in names if _is_image_name(name))
        return sorted(path for path in beside if path not in self._found)

    def _in_folders(self, name: str, folders: Sequence[AnyPath]) -> AnyPath | None:
        paths = (join(folder, name) for folder in folders)
        if ".." in name:  # so that each file has only one path
            paths = (path if is_remote(path) else to_path(os.path.normpath(path)) for path in paths)
        return next((path for path in paths if self._is_there(path)), None)

    def _guess(self, name: str, taken: Collection[AnyPath]) -> AnyPath | None:
        """Returns the image of that name in another folder, or the only image with a similar name, or None."""
        base = name.rpartition("/")[2]
        path = self._in_folders(base, self.folders) if base != name else None
        if path is not None and path not in taken:
            self._note(_OTHER_FOLDER, name)
            return path
        by_name, by_stem = self._index
        stem = base.rpartition(".")[0] or base
        for known, key, what in (
            (by_name, base.casefold(), _OTHER_CASE),
            (by_stem, stem.casefold(), _OTHER_SUFFIX),
        ):
            paths = [path for path in known.get(key, ()) if path not in taken]
            if len(paths) == 1:
                self._note(what if paths[0].name != base else _OTHER_FOLDER, name)
                return paths[0]
        return None

    def _is_there(self, path: AnyPath) -> bool:
        return self._listings.has(path) and (is_remote(path) or path.is_file())

    @functools.cached_property
    def _index(self) -> tuple[dict, dict]:
        """({name: paths}, {stem: paths}) of all images below the folders and the root; the keys are in lower case."""
        by_name, by_stem = collections.defaultdict(list), collections.defaultdict(list)
        below = images_in(self._root) if self._root is not None and self._root.is_dir() else []
        for path in sorted({*self.all(), *below}):
            by_name[path.name.casefold()].append(path)
            by_stem[path.stem.casefold()].append(path)
        return by_name, by_stem

    def _note(self, what: str, name: str) -> None:
        self.notes.setdefault(what, []).append(name)


def images_in(folder: AnyPath) -> list[AnyPath]:
    """Returns all images in a folder and its subfolders, sorted."""
    return files_below(folder, IMAGE_SUFFIXES)


def files_below(folder: AnyPath, suffixes: tuple[str, ...]) -> list[AnyPath]:
    """Returns the files with one of these suffixes, in any case, in a folder and its subfolders, sorted.

    Hidden files such as "._a.jpg" or ".trash/a.jpg" are left out: they do not belong to the data.
    """
    start = len(folder.parts)
    paths = (path for path in folder.rglob("*") if path.name.lower().endswith(suffixes))
    shown = (path for path in paths if not any(part[0] == "." or part == _JUNK for part in path.parts[start:]))
    return sorted(path for path in shown if is_remote(path) or path.is_file())


def _is_image_name(name: str) -> bool:
    return name.lower().endswith(IMAGE_SUFFIXES) and not name.startswith(".")
