"""Pascal VOC: one XML file per image."""

import xml.etree.ElementTree as ElementTree

from tqdm import tqdm

from keras_centernet.data.formats.request import DataRequest
from keras_centernet.data.formats.voc.finding import VocPart, find_parts
from keras_centernet.data.reading.found import Found
from keras_centernet.data.reading.image_files import ImageFiles
from keras_centernet.data.reading.texts import read_xml
from keras_centernet.errors import UserError
from keras_centernet.files.paths import AnyPath, map_files

_SIDES = ("xmin", "ymin", "xmax", "ymax")
_NO_LABELS = "image(s) left out, they have no XML file"
_OTHER_XML = "XML file(s) left out, they are not in Pascal VOC format (expected <annotation>)"
_OTHER_IMAGE = "image(s) with the name of the XML file used, although the file states another one, which exists, too"


def read_voc(request: DataRequest) -> Found:
    """Returns the content of the XML files of a split.

    Boxes are taken as stated; "difficult" objects are kept and marked. The image of an XML file is the one of the same
    name, else the one that the file states. Images without an XML file are left out, because it is not known that they
    show no objects.

    Raises:
        UserError: a folder, a split or a value in a file is missing or wrong.
    """
    found = Found(request.name)
    for part in find_parts(request):
        _add_part(found, part, request)
    return found


def _add_part(found: Found, part: VocPart, request: DataRequest) -> None:
    paths, missing = part.label_files()
    found.looked_for = f"*.xml in {part.label_folder}"
    if missing and (request.strict or not paths):
        where = f"{part.lists[0]}: expected images with an XML file in {part.label_folder}"
        raise UserError(f"{where}, got none for {len(missing)} of them, first {missing[0]!r}.")
    images = ImageFiles(part.image_folders, None if request.images else part.root)
    parsing = tqdm(map_files(read_xml, paths), "reading annotations", len(paths), delay=2, leave=False, disable=None)
    for path, root in zip(paths, parsing, strict=True):
        if root.tag == "annotation":
            _add_image(found, path, root, images, path.relative_to(part.label_folder).as_posix()[: -len(".xml")])
        else:
            found.note(_OTHER_XML, str(path))
    for name in missing if part.lists else map(str, images.others()):
        found.note(_NO_LABELS, name)
    for what, names in images.notes.items():
        found.notes.setdefault(what, []).extend(names)


def _add_image(found: Found, path: AnyPath, root: ElementTree.Element, images: ImageFiles, name: str) -> None:
    """Adds one image and its objects."""
    stated = (root.findtext("filename") or "").strip()
    image = images.find_stem(name) or images.find_stem(path.stem)
    if image is None:
        image = images.find(stated or f"{name}.jpg")
    elif stated and images.find_exactly(stated) not in (None, image):
        found.note(_OTHER_IMAGE, f"{path} states {stated}")
    index = found.add_image(image, path, hw=(root.findtext("size/height"), root.findtext("size/width")))
    for number, node in enumerate(root.iter("object"), start=1):
        name = (node.findtext("name") or "").strip()
        sides = node.find("bndbox")
        box = [None if sides is None else sides.findtext(key) for key in _SIDES]
        if not name or None in box:
            raise UserError(f"{path}: expected a name and a bndbox in object {number}, got an incomplete one.")
        is_difficult = (node.findtext("difficult") or "0").strip() == "1"
        found.add_object(index, name, box, number, is_difficult=is_difficult)
