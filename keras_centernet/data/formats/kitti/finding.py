"""Finds the label files of a split.

Known layouts: image_2/ + label_2/, images/ + labels/ or data/ + labels/ in training/, in the folder itself or in split
folders train/, val/, ...; the same with split folders inside images/ and labels/; lists of frames in
ImageSets/<split>.txt.
"""

import dataclasses
import itertools

from keras_centernet.data.formats.kitti.labels import is_kitti_line
from keras_centernet.data.formats.request import DataRequest
from keras_centernet.data.names import split_folders, split_names
from keras_centernet.data.reading.image_files import files_below
from keras_centernet.data.reading.lists import find_label_files, read_list
from keras_centernet.data.reading.texts import read_lines
from keras_centernet.errors import UserError
from keras_centernet.files.paths import AnyPath, to_path

_PUBLISHED, *_OTHERS = ("label_2", "labels")  # only KITTI uses the first name
_POOL, _TESTS = "training", "testing"  # the benchmark's folders; the second one has no labels
_ROOTS = (_POOL, "", "default")
_LIST_FOLDER = "ImageSets"
_TRIED = 20  # label files that are tried until one is not empty


@dataclasses.dataclass(frozen=True)
class KittiSplit:
    """The files of a split.

    Attributes:
        base: the folder that contains the folders of images, labels and calibrations.
        inside: name of the split's folder in each of these; "" if there is none.
        label_files: label files of its frames.
        names: names of its frames: paths of the label files relative to their folder, without suffix.
        without_labels: names of frames whose label file is missing.
        is_listed: whether a list names the frames.
        looked_for: where the label files were looked for, for errors.
    """

    base: AnyPath
    inside: str
    label_files: list[AnyPath]
    names: list[str]
    without_labels: list[str]
    is_listed: bool
    looked_for: str


def is_kitti_folder(folder: AnyPath) -> bool:
    """Returns whether a folder has KITTI's label files in one of the known layouts."""
    return folder.is_dir() and (_root(folder) is not None or bool(_split_bases(folder)))


def kitti_splits(request: DataRequest) -> tuple[str, ...]:
    """Returns the names of the lists of frames, else of the split folders; () if the data set has no splits."""
    if lists := _lists(request.path):
        return tuple(lists)
    bases = _split_bases(request.path)
    if set(bases) - {_POOL}:
        return tuple(bases)
    root = _root(request.path)
    folder = _label_folder(root) if root is not None and request.annotations is None else None
    return tuple(split_folders(folder)) if folder is not None else ()


def find_split(request: DataRequest) -> KittiSplit:
    """Returns the files of a split.

    Raises:
        UserError: there are no label files.
    """
    base = _base(request)
    folder = to_path(request.annotations) if request.annotations else _label_folder(base)
    if folder is None:
        raise UserError(
            f"{base}: expected {_PUBLISHED}/ with label files, got none; pass their folder as `annotations`."
        )
    list_file = _lists(request.path).get(request.split)
    inside = request.split if list_file is None and request.split and (folder / request.split).is_dir() else ""
    folder = folder / inside
    without, looked_for = [], f"*.txt in {folder}"
    if list_file is None:
        paths = files_below(folder, (".txt",))
    else:
        entries = read_list(list_file)
        found = find_label_files(entries, folder, ".txt")
        paths = list(dict.fromkeys(path for path in found if path is not None))
        without = [entry for entry, path in zip(entries, found, strict=True) if path is None]
    if without and (request.strict or not paths):
        problem = f"got none for {len(without)} of them, first {without[0]!r}"
        raise UserError(f"{list_file}: expected frames with a label file in {folder}, {problem}.")
    if not paths and list_file is None:
        raise UserError(f"{folder}: expected label files *.txt, got none; pass their folder as `annotations`.")
    names = [path.relative_to(folder).as_posix()[: -len(".txt")] for path in paths]
    return KittiSplit(base, inside, paths, names, without, list_file is not None, looked_for)


def label_folders(request: DataRequest) -> list[AnyPath]:
    """Returns the folders of label files of all splits."""
    if request.annotations:
        return [to_path(request.annotations)]
    bases = [_root(request.path), *_split_bases(request.path).values()]
    folders = [_label_folder(base) for base in dict.fromkeys(bases) if base is not None]
    return [folder for folder in folders if folder is not None]


def _base(request: DataRequest) -> AnyPath:
    """Returns the folder that contains the folders of a split's images and labels."""
    bases = _split_bases(request.path)
    if request.split in _lists(request.path):
        is_test = request.split in split_names(_TESTS)
        return bases.get(_TESTS if is_test else "") or _root(request.path) or request.path
    return bases.get(request.split) or _root(request.path) or request.path


def _root(folder: AnyPath) -> AnyPath | None:
    """Returns training/, the folder itself or default/, the first that contains KITTI's label folder; else None."""
    candidates = [folder / name if name else folder for name in _ROOTS]
    return next((base for base in candidates if _label_folder(base) is not None), None)


def _split_bases(folder: AnyPath) -> dict[str, AnyPath]:
    return {name: base for name, base in split_folders(folder).items() if _label_folder(base) is not None}


def _lists(folder: AnyPath) -> dict[str, AnyPath]:
    """Returns {split: list of its frames}, without the benchmark's test split if that has no labels."""
    root = _root(folder) or folder
    outer = root.parent if root.name == _POOL else root
    files = [path for base in dict.fromkeys((outer, root)) for path in sorted((base / _LIST_FOLDER).glob("*.txt"))]
    has_tests = not (outer / _TESTS).is_dir() or _label_folder(outer / _TESTS) is not None
    return {path.stem: path for path in files if has_tests or path.stem not in split_names(_TESTS)}


def _label_folder(base: AnyPath) -> AnyPath | None:
    if (base / _PUBLISHED).is_dir():
        return base / _PUBLISHED
    return next((base / name for name in _OTHERS if _is_of_kitti(base / name)), None)


def _is_of_kitti(folder: AnyPath) -> bool:
    """Returns whether a folder has a text file with KITTI's columns; other formats use the same names of folders."""
    if not folder.is_dir():
        return False
    for path in itertools.islice(itertools.chain(folder.glob("*.txt"), folder.glob("*/*.txt")), _TRIED):
        try:
            lines = list(filter(None, read_lines(path)))
        except UserError:
            continue
        if lines:
            return is_kitti_line(lines[0])
    return False
