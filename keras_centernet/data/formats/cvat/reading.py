"""CVAT's XML, "CVAT for images 1.1": one file with the images of a task or project and their shapes."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator

from keras_centernet.data.formats.cvat.shapes import OTHER_SHAPES, SHAPES, box_xyxy
from keras_centernet.data.formats.request import DataRequest
from keras_centernet.data.names import is_usual_split, split_folders
from keras_centernet.data.reading.found import Found
from keras_centernet.data.reading.image_files import ImageFiles
from keras_centernet.data.reading.texts import read_xml
from keras_centernet.errors import UserError
from keras_centernet.files.paths import AnyPath, to_path
from keras_centernet.files.texts import read_beginning

_HEAD = 4096  # bytes by which a file is recognised
_PLACES = ("*.xml", "annotations/*.xml", "Annotations/*.xml")
_NO_SUBSET = "default"
_NOT_NAMED = "image(s) left out, no XML file names them"


def read_cvat(request: DataRequest) -> Found:
    """Returns the objects in the files of a split: boxes, and the extents of polygons, ellipses, masks and cuboids.

    Polylines, points, skeletons and tags are left out. The classes are the labels of the task, in their order. Splits
    are the subsets of the images, or folders train/, val/, ... with a file each.

    Raises:
        UserError: a file cannot be read, describes a video, or contains a wrong value.
    """
    found = Found(request.name)
    for path, subset in _files_of_split(request):
        root = read_xml(path)
        if root.find("track") is not None:
            expected = "'CVAT for images 1.1'"
            raise UserError(f"{path}: expected {expected}, got tracks of a video; export it in that format.")
        labels = _labels(root)
        found.classes = tuple(dict.fromkeys((*(found.classes or ()), *labels))) or None
        nodes = [node for node in root.iter("image") if subset is None or _subset(node) == subset]
        images = ImageFiles(_image_folders(path, request, subset), None if request.images else path.parent)
        files = images.find_all([node.get("name") or "" for node in nodes])
        for node, file in zip(nodes, files, strict=True):
            _add_image(found, path, node, file)
        for other in images.others() if subset is None else ():
            found.note(_NOT_NAMED, str(other))
        for what, names in images.notes.items():
            found.notes.setdefault(what, []).extend(names)
    return found


def is_cvat_data(path: AnyPath) -> bool:
    """Returns whether a path is an XML file of CVAT, or a folder that holds one."""
    if path.suffix.lower() == ".xml":
        return _is_of_cvat(path)
    return path.is_dir() and any(map(_files_in, (path, *split_folders(path).values())))


def cvat_splits(request: DataRequest) -> tuple[str, ...]:
    """Returns the names of the images' subsets, or of the split folders; () if the data set has neither."""
    files = _files(request)
    folders = {} if files else _split_files(request.path)
    if folders:
        return tuple(folders)
    subsets = dict.fromkeys(_subset(node) for path in files for node in read_xml(path).iter("image"))
    return tuple(subsets) if len(subsets) > 1 or any(map(is_usual_split, subsets)) else ()


def _files_of_split(request: DataRequest) -> Iterator[tuple[AnyPath, str | None]]:
    """Yields (file, the subset of its images that is the split, or None for all images)."""
    files = _files(request)
    if files:
        yield from ((path, request.split) for path in files)
    else:
        yield from ((path, None) for path in _split_files(request.path).get(request.split, ()))


def _files(request: DataRequest) -> list[AnyPath]:
    """Returns the XML files outside split folders."""
    if request.annotations is not None:
        return [to_path(request.annotations)]
    return _files_in(request.path) if request.path.is_dir() else [request.path]


def _files_in(folder: AnyPath) -> list[AnyPath]:
    return [
        path for place in _PLACES for path in sorted(folder.glob(place)) if path.name[0] != "." and _is_of_cvat(path)
    ]


def _split_files(folder: AnyPath) -> dict[str, list[AnyPath]]:
    found = {name: _files_in(path) for name, path in split_folders(folder).items()}
    return {name: paths for name, paths in found.items() if paths}


def _is_of_cvat(path: AnyPath) -> bool:
    head = read_beginning(path, _HEAD).replace(b"\0", b"")
    return b"<annotations" in head and (b"<version>" in head or b"<image " in head)


def _image_folders(path: AnyPath, request: DataRequest, subset: str | None) -> list[AnyPath]:
    if request.images is not None:
        return [to_path(request.images)]
    bases = [path.parent, request.path if request.path.is_dir() else path.parent, path.parent.parent]
    folders = [folder for base in bases[:2] for folder in (base / "images", base)] + [bases[2] / "images"]
    return [folder / subset for folder in folders if subset is not None] + folders


def _labels(root: ElementTree.Element) -> list[str]:
    """Returns the names of the labels of a task or project, without the labels of skeletons' parts."""
    meta = root.find("meta")
    nodes = [] if meta is None else [node for node in meta.iter("label") if not (node.findtext("parent") or "").strip()]
    return [name for node in nodes if (name := (node.findtext("name") or "").strip())]


def _subset(node: ElementTree.Element) -> str:
    return (node.get("subset") or "").strip() or _NO_SUBSET


def _add_image(found: Found, path: AnyPath, node: ElementTree.Element, file: AnyPath) -> None:
    """Adds one image and its objects."""
    where = f"{path}, image {node.get('name')!r}"
    if not node.get("name"):
        raise UserError(f"{path}: expected the name of each image, got none for image {node.get('id')}.")
    index = found.add_image(file, where, hw=(node.get("height"), node.get("width")))
    for number, shape in enumerate(node, start=1):
        if shape.tag in SHAPES:
            try:
                box = box_xyxy(shape)
            except ValueError as error:
                expected = f"numbers in the {shape.tag}"
                raise UserError(f"{where}, object {number}: expected {expected}, got {error}; correct it.") from None
            found.add_object(index, (shape.get("label") or "").strip(), box, number)
        elif shape.tag in OTHER_SHAPES:
            found.note(f"{shape.tag} of images left out, which has no box", f"{where}, object {number}")
