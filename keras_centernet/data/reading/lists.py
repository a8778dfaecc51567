"""Lists of image names, with which data sets define their splits, and the label files of these names."""

import collections
from collections.abc import Sequence

from keras_centernet.data.images import IMAGE_SUFFIXES
from keras_centernet.data.reading.image_files import files_below
from keras_centernet.data.reading.texts import read_lines
from keras_centernet.files.paths import AnyPath

_LABEL_SUFFIXES = (".xml", ".txt", ".json")


def read_list(path: AnyPath) -> list[str]:
    """Returns the non-empty lines of a list, without quotes and with / for backslashes."""
    lines = [line.strip("\"'").replace("\\", "/") for line in read_lines(path)]
    return [line for line in lines if line]


def without_suffix(name: str) -> str:
    """Returns a name without the suffix of an image or label file; other dots are part of the name.

    Examples:
        >>> without_suffix("images/a.b.JPG"), without_suffix("a.b")
        ('images/a.b', 'a.b')
    """
    suffix = f".{name.rpartition('.')[2].lower()}"
    return name[: -len(suffix)] if suffix in (*IMAGE_SUFFIXES, *_LABEL_SUFFIXES) else name


def find_label_files(names: Sequence[str], folder: AnyPath, suffix: str) -> list[AnyPath | None]:
    """Returns the label file of each name, in or anywhere below a folder; None for a name without one.

    Names can have suffixes and folders, such as those of their images. If the folders do not match, the label file is
    the only one with that name, if there is just one.
    """
    known: dict[str, AnyPath] = {}
    by_stem: dict[str, list[AnyPath]] = collections.defaultdict(list)
    for path in files_below(folder, (suffix,)):
        name = path.relative_to(folder).as_posix()[: -len(suffix)]
        known[name] = path
        by_stem[name.rpartition("/")[2]].append(path)

    def find(name: str) -> AnyPath | None:
        parts = [part for part in name.split("/") if part not in ("", ".", "..")]
        tails = ("/".join(parts[i:]) for i in range(len(parts)))
        exact = next((known[tail] for tail in tails if tail in known), None)
        alone = by_stem.get(parts[-1], ()) if parts else ()
        return alone[0] if exact is None and len(alone) == 1 else exact

    return [find(name) or find(without_suffix(name)) for name in names]
