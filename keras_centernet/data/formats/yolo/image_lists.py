"""Reads lists of images, whose paths can be those of another machine."""

import collections
import re
from collections.abc import Sequence

from keras_centernet.data.reading.image_files import ImageFiles
from keras_centernet.data.reading.listings import Listings
from keras_centernet.data.reading.texts import read_lines
from keras_centernet.errors import UserError
from keras_centernet.files.paths import AnyPath, exists, join

_OTHER_MACHINE = "image(s) found by the end of their path, which is one of another machine"
_BACKSLASHES = "name(s) of images with backslashes, read as /"
_ABSOLUTE = re.compile(r"/|[A-Za-z]:/")


class ImageLists:
    """Finds the images of lists by their paths, else by the longest end of a path that exists.

    Args:
        folders: folders that paths can be relative to.
        root: folder of the data set, below which images with similar names are searched for last.

    Attributes:
        notes: {what was guessed: names}, for `Found.notes`.
    """

    def __init__(self, folders: Sequence[AnyPath], root: AnyPath):
        self._folders = [folder for folder in folders if exists(folder)]
        self._root = root
        self._listings = Listings()
        self.notes: dict[str, list[str]] = collections.defaultdict(list)

    def read(self, path: AnyPath) -> list[AnyPath]:
        """Returns the images in a list, one per line; for images that are not found, the expected path.

        Raises:
            UserError: the list cannot be read, or a line is not a path.
        """
        lines = [line.strip("\"'") for line in read_lines(path)]
        damaged = next((line for line in lines if "\0" in line), None)
        if damaged is not None:
            raise UserError(f"{path}: expected the paths of images, one a line, got {damaged[:60]!r}.")
        names, places = list(filter(None, lines)), {}
        bases = list(dict.fromkeys((path.parent, *self._folders)))
        self.notes[_BACKSLASHES] += [name for name in names if "\\" in name]
        names = [name.replace("\\", "/") for name in names]
        found = [self._find(name, bases, places) for name in names]
        rest = [name for name, image in zip(names, found, strict=True) if image is None]
        files = ImageFiles(bases, root=self._root)
        others = iter([files.find(name) for name in rest])
        for what, those in files.notes.items():
            self.notes[what] += those
        return [next(others) if image is None else image for image in found]

    def _find(self, name: str, bases: list[AnyPath], places: dict[str, list[AnyPath]]) -> AnyPath | None:
        folder, _, base = name.rpartition("/")
        if folder not in places:
            places[folder] = self._places(folder, bases)
        path = next((place / base for place in places[folder] if base in self._listings.names(place)), None)
        if path is not None and _ABSOLUTE.match(name) and str(path) != name:
            self.notes[_OTHER_MACHINE].append(name)
        return path

    def _places(self, folder: str, bases: list[AnyPath]) -> list[AnyPath]:
        """Returns the existing folders that a folder in a list could refer to, the best first."""
        parts = [part for part in folder.split("/") if part not in ("", ".", "..")]
        ends = [folder, *("/".join(parts[start:]) for start in range(len(parts) + 1))]
        places = (join(base, end) for end in ends for base in bases)
        return list(dict.fromkeys(place for place in places if self._listings.names(place)))
