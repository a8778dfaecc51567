"""Pascal VOC folders: Annotations/*.xml, JPEGImages/, ImageSets/Main/<split>.txt."""

import os
import xml.etree.ElementTree as ElementTree

from tqdm import tqdm

from keras_centernet.data.annotations import build_annotations, drop_unreadable_images, find_labels
from keras_centernet.data.formats.request import DataRequest
from keras_centernet.data.images import IMAGE_SUFFIXES
from keras_centernet.data.names import check_classes
from keras_centernet.data.source import Source, source_from_annotations
from keras_centernet.errors import UserError
from keras_centernet.files.paths import AnyPath, list_names, map_files, to_path


def read_voc(request: DataRequest) -> Source:
    """Returns one split of a Pascal VOC folder.

    A split is a list in ImageSets/Main; XML files are in Annotations/, images in JPEGImages/. Boxes are taken as the
    files state them; "difficult" objects are kept and marked. Without `classes` the names found in all files of the
    folder, sorted, are the classes, so that all splits agree.

    Raises:
        UserError: a folder, a split or a value in a file is not what it should be.
    """
    folder, classes = request.path, request.classes
    annotation_folder = to_path(request.annotations) if request.annotations else folder / "Annotations"
    stems = _read_split(folder / "ImageSets" / "Main", request.split)
    paths = [annotation_folder / f"{stem}.xml" for stem in stems]
    there = find_labels(paths, "XML", request)
    stems, paths = [stems[i] for i in there], [paths[i] for i in there]

    parsing = map_files(_read_objects, paths)
    parsed = list(tqdm(parsing, "reading annotations", len(paths), delay=2, leave=False, disable=None))
    found = {name for objects, _ in parsed for name, *_ in objects}
    if classes is None:
        others = set(annotation_folder.glob("*.xml")) - set(paths)
        names = {name for objects, _ in map_files(_read_objects, sorted(others)) for name, *_ in objects}
        classes = tuple(sorted(found | names))
    check_classes(found, classes, str(folder))
    rows = [
        (i, *box_xyxy, classes.index(name), False, is_difficult, None)
        for i, (objects, _) in enumerate(parsed)
        for name, box_xyxy, is_difficult in objects
    ]
    images = _image_paths(to_path(request.images) if request.images else folder / "JPEGImages", stems)
    table = build_annotations(images, rows, image_hw=[image_hw for _, image_hw in parsed])
    return source_from_annotations(request.name, classes, drop_unreadable_images(table, request.strict))


def is_voc_folder(path: AnyPath) -> bool:
    """Whether a folder holds lists of images or XML files where VOC has them."""
    return (path / "ImageSets" / "Main").is_dir() or (path / "Annotations").is_dir()


def _read_split(list_folder: AnyPath, split: str) -> list[str]:
    path = list_folder / f"{split}.txt"
    if not path.is_file():
        found = ", ".join(sorted(p.stem for p in list_folder.glob("*.txt"))) or "none"
        raise UserError(f"{path}: expected a list of image names for split {split!r}, got none; splits found: {found}.")
    stems = [line.split()[0] for line in path.read_text().splitlines() if line.strip()]
    if not stems:
        raise UserError(f"{path}: expected image names, one per line, got an empty split; choose another.")
    return list(dict.fromkeys(stems))


def _image_paths(image_folder: AnyPath, stems: list[str]) -> list[str]:
    if not image_folder.is_dir():
        raise UserError(f"{image_folder}: expected a folder of images, got none; pass `images`.")
    splits = [os.path.splitext(name) for name in sorted(list_names(image_folder), reverse=True)]
    suffixes = {stem: suffix for stem, suffix in splits if suffix.lower() in IMAGE_SUFFIXES}
    return [str(image_folder / f"{stem}{suffixes.get(stem, '.jpg')}") for stem in stems]


def _read_objects(path: AnyPath) -> tuple[list[tuple], tuple[int, int]]:
    """Returns ([(name, box_xyxy, is difficult)], (height, width), zeros where the file has no size)."""
    try:
        root = ElementTree.fromstring(path.read_bytes())
    except ElementTree.ParseError as error:
        raise UserError(f"{path}: expected Pascal VOC XML, got a file that is not XML ({error}).") from None
    objects = []
    for number, node in enumerate(root.iter("object"), start=1):
        name = (node.findtext("name") or "").strip()
        texts = [node.findtext(f"bndbox/{key}") for key in ("xmin", "ymin", "xmax", "ymax")]
        if not name or None in texts:
            raise UserError(f"{path}: expected a name and a bndbox in object {number}, got neither or half.")
        try:
            box_xyxy = [float(text) for text in texts]
        except ValueError:
            raise UserError(f"{path}: expected four numbers in the bndbox of object {number}, got {texts}.") from None
        objects.append((name, box_xyxy, (node.findtext("difficult") or "0").strip() == "1"))
    size = (root.findtext("size/height"), root.findtext("size/width"))
    is_known = all(text is not None and text.strip().isdigit() for text in size)
    return objects, tuple(int(text) for text in size) if is_known else (0, 0)
