"""Pascal VOC: an XML file per image, with or without lists of splits, in whichever folders.

Known layouts: Annotations/ + JPEGImages/ + ImageSets/Main/<split>.txt (also below VOCdevkit/VOC2012/ and the like),
annotations/, annots/, xmls/, labels/ beside images/, XML files beside their images, and each of these in split folders
train/, valid/, test/.
"""

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator

from tqdm import tqdm

from keras_centernet.data.formats.request import DataRequest
from keras_centernet.data.names import split_folders
from keras_centernet.data.reading.found import Found
from keras_centernet.data.reading.image_files import ImageFiles
from keras_centernet.data.reading.texts import read_beginning, read_lines, read_xml
from keras_centernet.errors import UserError
from keras_centernet.files.paths import AnyPath, map_files, to_path

LABEL_FOLDERS = ("Annotations", "annotations", "annots", "Annots", "xmls", "xml", "labels")
IMAGE_FOLDERS = ("JPEGImages", "images", "Images", "imgs", "img")
_LISTS = ("ImageSets", "Main")
_SIDES = ("xmin", "ymin", "xmax", "ymax")
_ABSENT = ("-1", "1")  # what a list of one class's images has behind a name: absent, present (0: difficult)


def read_voc(request: DataRequest) -> Found:
    """Returns what the XML files of a split say.

    Boxes are taken as the files state them; "difficult" objects are kept and marked. An image without XML file has
    no objects where the layout has lists or images of their own; XML files without image are skipped.

    Raises:
        UserError: a folder, a split or a value in a file is not what it should be.
    """
    root = _root(request.path)
    labels, folder = _labels_of_split(root, request)
    found = Found(f"{request.data} ({request.split or 'all'})", unit="object")
    images = ImageFiles(_image_folders(folder, request), root=root)
    there = [path for path in labels if path.is_file()]
    if request.strict and len(there) < len(labels):
        missing = next(path for path in labels if not path.is_file())
        raise UserError(f"{missing}: expected the XML file of an image of split {request.split!r}, got none.")
    parsing = tqdm(map_files(read_xml, there), "reading annotations", len(there), delay=2, leave=False, disable=None)
    for path, root_node in zip(there, parsing, strict=True):
        _add(found, path, root_node, images)
    for image in _images_without(there, labels, images):
        found.add_image(image, has_labels=False)
    found.looked_for = str(labels[0]) if labels else f"*.xml in {folder}"
    for what, names in images.notes.items():
        found.notes.setdefault(what, []).extend(names)
    return found


def voc_splits(request: DataRequest) -> tuple[str, ...]:
    """Returns the names of the lists in ImageSets/Main, or of folders train/, valid/, ... with XML files."""
    root = _root(request.path)
    lists = sorted(path.stem for path in root.joinpath(*_LISTS).glob("*.txt")) if _has_lists(root) else []
    if lists:
        stems = set(lists)  # "cat_train" lists the images of one class, beside the whole "train"
        return tuple(name for name in lists if name.rpartition("_")[2] not in stems or "_" not in name)
    return tuple(name for name, folder in split_folders(root).items() if _label_folder(folder))


def is_voc_folder(path: AnyPath) -> bool:
    """Whether a folder holds XML files of objects in one of the known layouts."""
    if not path.is_dir():
        return False
    root = _root(path)
    folders = [root, *split_folders(root).values()]
    return _has_lists(root) or any(_label_folder(folder) for folder in folders)


def _root(path: AnyPath) -> AnyPath:
    """Returns the folder itself, or the only one of VOC inside it, such as VOCdevkit/VOC2012."""
    if _has_lists(path) or _label_folder(path) or split_folders(path):
        return path
    inside = sorted([*path.glob("VOC*"), *path.glob("VOCdevkit/VOC*")]) if path.is_dir() else []
    years = [folder for folder in inside if _has_lists(folder) or _label_folder(folder)]
    if len(years) > 1:
        raise UserError(f"{path}: expected one VOC folder, got {', '.join(year.name for year in years)}; name one.")
    return years[0] if years else path


def _has_lists(folder: AnyPath) -> bool:
    return folder.joinpath(*_LISTS).is_dir()


def _label_folder(folder: AnyPath) -> AnyPath | None:
    """Returns where the XML files of images lie: in a folder of their own, or beside the images."""
    for candidate in (*(folder / name for name in LABEL_FOLDERS), folder):
        first = next(iter(candidate.glob("*.xml")), None) if candidate.is_dir() else None
        if first is not None and _is_of_image(first):
            return candidate
    return None


def _is_of_image(path: AnyPath) -> bool:
    """Whether an XML file looks as one of VOC, judged by its beginning: other tools write XML, too."""
    head = read_beginning(path, 4096).replace(b"\0", b"")
    return b"<annotation" in head and b"<annotations" not in head


def _labels_of_split(root: AnyPath, request: DataRequest) -> tuple[list[AnyPath], AnyPath]:
    """Returns (XML files that a split should have, the folder that it lies in)."""
    if request.split is not None and _has_lists(root):
        labels = to_path(request.annotations) if request.annotations else _label_folder(root) or root / LABEL_FOLDERS[0]
        stems = _read_list(root.joinpath(*_LISTS) / f"{request.split}.txt", labels)
        return [labels / f"{stem}.xml" for stem in stems], root
    folder = root / request.split if request.split is not None else root
    labels = to_path(request.annotations) if request.annotations else _label_folder(folder)
    paths = sorted(labels.rglob("*.xml")) if labels is not None else []
    if not paths:
        raise UserError(f"{folder}: expected XML files, got none; pass their folder as `annotations`.")
    return paths, folder


def _read_list(path: AnyPath, labels: AnyPath) -> list[str]:
    """Returns the names that a list has, one per line, maybe quoted, maybe with spaces, maybe with a mark behind."""
    stems = []
    for line in filter(None, read_lines(path)):
        whole = line.strip("\"'")
        name, _, mark = whole.rpartition(" ")
        if name and mark in (*_ABSENT, "0") and not (labels / f"{whole}.xml").is_file():
            if mark == _ABSENT[0]:
                continue
            whole = name.strip().strip("\"'")
        stems.append(whole.removesuffix(".xml"))
    if not stems:
        raise UserError(f"{path}: expected image names, one per line, got an empty split; choose another.")
    return list(dict.fromkeys(stems))


def _image_folders(folder: AnyPath, request: DataRequest) -> list[AnyPath]:
    if request.images is not None:
        return [to_path(request.images)]
    return [*(folder / name for name in IMAGE_FOLDERS), folder]


def _images_without(there: list[AnyPath], labels: list[AnyPath], images: ImageFiles) -> Iterator[AnyPath]:
    """Yields the images of a split that have no XML file."""
    stems = {path.stem for path in there}
    if len(there) < len(labels):
        missing = (images.find_stem(path.stem) for path in labels if path.stem not in stems)
        yield from (image for image in missing if image is not None)


def _add(found: Found, path: AnyPath, root: ElementTree.Element, images: ImageFiles) -> None:
    """Adds one image and its objects."""
    stated = (root.findtext("filename") or "").strip()
    image = images.find_stem(path.stem) or images.find(stated or f"{path.stem}.jpg")
    index = found.add_image(image, path, hw=(root.findtext("size/height"), root.findtext("size/width")))
    for number, node in enumerate(root.iter("object"), start=1):
        name = (node.findtext("name") or "").strip()
        box = [node.findtext(f"bndbox/{key}") for key in _SIDES]
        if not name or None in box:
            raise UserError(f"{path}: expected a name and a bndbox in object {number}, got neither or half.")
        is_difficult = (node.findtext("difficult") or "0").strip() == "1"
        found.add_object(index, name, box, number, is_difficult=is_difficult)
