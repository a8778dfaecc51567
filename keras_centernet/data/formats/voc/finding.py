"""Finds the XML files and the images of a split.

Known layouts: Annotations/ + JPEGImages/ + ImageSets/Main/<split>.txt, also for several years below VOCdevkit/; folders
of XML files (annotations/, annots/, xmls/, labels/) beside folders of images (images/, imgs/); XML files beside their
images; and each of these within split folders train/, valid/, test/, or with split folders inside.
"""

import dataclasses
import re

from keras_centernet.data.formats.request import DataRequest
from keras_centernet.data.names import is_usual_split, match_split, split_folders
from keras_centernet.data.reading.image_files import files_below
from keras_centernet.data.reading.lists import find_label_files, read_list
from keras_centernet.errors import UserError
from keras_centernet.files.paths import AnyPath, to_path
from keras_centernet.files.texts import read_beginning

# In lower case.
LABEL_FOLDERS = ("annotations", "annotation", "annots", "xmls", "xml", "labels", "label")
IMAGE_FOLDERS = ("jpegimages", "images", "image", "imgs", "img", "photos")
_LIST_FOLDERS = ("ImageSets/Main", "ImageSets")
_YEARS = ("VOC*", "VOCdevkit/VOC*")
_MARK = re.compile(r"(.*\S)\s+(-1|0|1)")  # after a name in the list of one class: absent, difficult, present
_ABSENT = "-1"
_HEAD = 4096  # bytes by which an XML file is recognised


@dataclasses.dataclass(frozen=True)
class VocPart:
    """The files of a split, or of its part in one year's folder.

    Attributes:
        root: the folder of the data set.
        label_folder, image_folders: folders of XML files and of images; images can also be anywhere below the root.
        lists: files that name the images; empty: all XML files in the folder belong to the split.
        is_of_class: whether names that a list marks as absent are left out: true for the list of one class, whose
            absent images show no object of that class, false for the joined lists of several classes.
    """

    root: AnyPath
    label_folder: AnyPath
    image_folders: list[AnyPath]
    lists: tuple[AnyPath, ...] = ()
    is_of_class: bool = True

    def label_files(self) -> tuple[list[AnyPath], list[str]]:
        """Returns (XML files, names in the lists without an XML file)."""
        if not self.lists:
            return files_below(self.label_folder, (".xml",)), []
        names = list(dict.fromkeys(name for path in self.lists for name in read_list(path)))
        found = dict(zip(names, find_label_files(names, self.label_folder, ".xml"), strict=True))
        marked = {name: match for name, path in found.items() if path is None and (match := _MARK.fullmatch(name))}
        of_marked = find_label_files([match[1].strip("\"'") for match in marked.values()], self.label_folder, ".xml")
        found |= dict(zip(marked, of_marked, strict=True))
        absent = {name for name, match in marked.items() if match[2] == _ABSENT and self.is_of_class}
        kept = {name: path for name, path in found.items() if name not in absent}
        paths = dict.fromkeys(path for path in kept.values() if path is not None)
        return list(paths), [name for name, path in kept.items() if path is None]


def is_voc_folder(path: AnyPath) -> bool:
    """Returns whether a folder holds VOC's XML files in one of the known layouts."""
    return path.is_dir() and any(_lists(root) or _parts(root) for root in _roots(path))


def voc_splits(request: DataRequest) -> tuple[str, ...]:
    """Returns the names of the lists in ImageSets/Main, or of the split folders; () if the data set has no splits."""
    parts = [_parts(root, request) for root in _roots(request.path)]
    return tuple(dict.fromkeys(name for of_root in parts for name in of_root if name is not None))


def find_parts(request: DataRequest) -> list[VocPart]:
    """Returns the parts of a split, one per year.

    Raises:
        UserError: there are no XML files.
    """
    parts = [_parts(root, request).get(request.split) for root in _roots(request.path)]
    found = [part for part in parts if part is not None]
    if not found:
        raise UserError(f"{request.path}: expected XML files, got none; pass their folder as `annotations`.")
    return found


def _roots(path: AnyPath) -> list[AnyPath]:
    """Returns the folder itself, or VOC's folders inside it, such as VOCdevkit/VOC2007 and VOCdevkit/VOC2012."""
    if _lists(path) or _parts(path):
        return [path]
    inside = sorted({year for pattern in _YEARS for year in path.glob(pattern)})
    return [year for year in inside if _lists(year) or _parts(year)] or [path]


def _parts(root: AnyPath, request: DataRequest | None = None) -> dict[str | None, VocPart]:
    """Returns {split: its files}; the only key is None if the data set has no splits."""
    given = to_path(request.annotations) if request is not None and request.annotations else None
    labels = given or _label_folder(root)
    images = [to_path(request.images)] if request is not None and request.images else None
    folders = [*_folders_named(root, IMAGE_FOLDERS), root]
    if lists := _lists(root, None if request is None else request.split):
        labels = labels or root / "Annotations"
        return {
            split: VocPart(root, labels, images or folders, paths, len(paths) == 1) for split, paths in lists.items()
        }
    bases = {} if given else next(filter(None, map(_split_bases, (root, *folders))), {})
    if bases or labels is None:
        return {
            name: VocPart(base, folder, images or [*_folders_named(base, IMAGE_FOLDERS), base])
            for name, (base, folder) in bases.items()
        }
    return {
        name: VocPart(root, base, images or [folder / name for folder in folders] + folders)
        for name, base in (split_folders(labels) if labels != root else {}).items()
        if _has_labels(base)
    } or {None: VocPart(root, labels, images or folders)}


def _split_bases(folder: AnyPath) -> dict[str, tuple[AnyPath, AnyPath]]:
    """Returns {split: (its folder, the folder of its XML files)}."""
    found = {name: (base, _label_folder(base)) for name, base in split_folders(folder).items()}
    return {name: (base, labels) for name, (base, labels) in found.items() if labels is not None}


def _lists(root: AnyPath, asked: str | None = None) -> dict[str, tuple[AnyPath, ...]]:
    """Returns {split: lists of its images}: one list, or those of all classes if there is no list of the whole split.

    A list of one class, such as cat_train.txt beside train.txt, is a split only if it is requested.
    """
    folder = next((root / name for name in _LIST_FOLDERS if next(iter((root / name).glob("*.txt")), None)), None)
    paths = {path.stem: path for path in sorted(folder.glob("*.txt"))} if folder is not None else {}
    lists, of_classes = {}, {}
    for stem, path in paths.items():
        split = stem.rpartition("_")[2]
        if split == stem or not (split in paths or is_usual_split(split)):
            lists[stem] = (path,)
        elif split not in paths:
            of_classes.setdefault(split, []).append(path)
    lists |= {split: tuple(found) for split, found in of_classes.items()}
    return lists if asked not in paths or match_split(asked, lists) else lists | {asked: (paths[asked],)}


def _label_folder(base: AnyPath) -> AnyPath | None:
    """Returns the folder of the XML files: one of a usual name, or the folder itself; None if there are none."""
    return next((path for path in (*_folders_named(base, LABEL_FOLDERS), base) if _has_labels(path)), None)


def _folders_named(base: AnyPath, names: tuple[str, ...]) -> list[AnyPath]:
    """Returns the folders of these names, in any case, in the order of the names."""
    found = {path.name.lower(): path for path in base.iterdir()} if base.is_dir() else {}
    return [found[name] for name in names if name in found and found[name].is_dir()]


def _has_labels(folder: AnyPath) -> bool:
    """Returns whether a folder or one of its subfolders holds an XML file of VOC."""
    if not folder.is_dir():
        return False
    paths = (path for pattern in ("*.xml", "*/*.xml") for path in folder.glob(pattern) if path.name[0] != ".")
    return any(_is_of_image(path) for path in paths)


def _is_of_image(path: AnyPath) -> bool:
    """Returns whether an XML file looks like VOC's, judged by its beginning; other tools write XML, too."""
    head = read_beginning(path, _HEAD).replace(b"\0", b"")
    return b"<annotation" in head and b"<annotations" not in head
