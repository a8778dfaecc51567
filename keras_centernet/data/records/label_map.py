"""Label maps of the TensorFlow Object Detection API: text files that say which number is which class."""

import dataclasses
import os
from collections.abc import Sequence

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

from keras_centernet.errors import UserError, first_line, shown
from keras_centernet.files.paths import AnyPath, to_path
from keras_centernet.files.texts import read_text

_LARGEST_LABEL = 2**31 - 1  # of the API
LABEL_MAP = "label_map.pbtxt"  # what `make-tfrecords` writes

# What is read of the API's `StringIntLabelMap`; other fields are ignored.
_SCHEMA = """
name: "label_map.proto"
message_type {
  name: "LabelMap"
  field { name: "item" number: 1 type: TYPE_MESSAGE type_name: ".Item" label: LABEL_REPEATED }
}
message_type {
  name: "Item"
  field { name: "name" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
  field { name: "id" number: 2 type: TYPE_INT64 label: LABEL_OPTIONAL }
  field { name: "display_name" number: 3 type: TYPE_STRING label: LABEL_OPTIONAL }
}
"""
_POOL = descriptor_pool.DescriptorPool()
_POOL.Add(text_format.Parse(_SCHEMA, descriptor_pb2.FileDescriptorProto()))
_Message = message_factory.GetMessageClass(_POOL.FindMessageTypeByName("LabelMap"))


@dataclasses.dataclass(frozen=True)
class LabelMap:
    """The classes of records.

    Attributes:
        names: {label: name}, by ascending label; labels may have gaps (COCO's go up to 90).
        texts: {what a record may call a class: its name}; keys are names and display names.
    """

    names: dict[int, str]
    texts: dict[str, str]

    @property
    def classes(self) -> tuple[str, ...]:
        """Names in the order of the labels."""
        return tuple(dict.fromkeys(self.names.values()))


def labels_of(classes: Sequence[str], category_ids: Sequence[int | None] | None = None) -> tuple[int, ...]:
    """Returns the labels of classes in records: their category ids where label maps allow those, else 1, 2, ...

    Examples:
        >>> labels_of(("cat", "dog"), (3, 18)), labels_of(("cat", "dog"), (0, 1))
        ((3, 18), (1, 2))
    """
    ids = [key for key in category_ids or () if type(key) is int and 1 <= key <= _LARGEST_LABEL]
    return tuple(ids) if len(set(ids)) == len(classes) else tuple(range(1, len(classes) + 1))


def label_map_of(classes: Sequence[str], category_ids: Sequence[int | None] | None = None) -> LabelMap:
    """Returns the map of classes with the labels of `labels_of`, in the order of the classes."""
    names = dict(zip(labels_of(classes, category_ids), classes, strict=True))
    return LabelMap(names, {name: name for name in classes})


def format_label_map(classes: Sequence[str], category_ids: Sequence[int | None] | None = None) -> str:
    """Returns the text of a label map with the labels of `labels_of`."""
    quoted = [name.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") for name in classes]
    labels = labels_of(classes, category_ids)
    return "\n".join(f"item {{\n  id: {i}\n  name: '{name}'\n}}" for i, name in zip(labels, quoted, strict=True)) + "\n"


def read_label_map(path: str | os.PathLike) -> LabelMap:
    """Returns the content of a .pbtxt file; a class is called by its display name if it has one.

    Raises:
        UserError: the file cannot be read, or an item has no id or no name.
    """
    try:
        found = text_format.Parse(read_text(to_path(path)), _Message(), allow_unknown_field=True)
    except text_format.ParseError as error:
        where = f"{path}, line {error.GetLine()}"
        found = f"an error at {first_line(error)}"
        raise UserError(f"{where}: expected a label map in protobuf's text format, got {found}") from None
    except (RecursionError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path}: expected a label map in protobuf's text format, got another text.") from None
    names, texts = {}, {}
    for item in found.item:
        label, name = item.id, item.display_name or item.name
        if not item.HasField("id") or not name:
            content = text_format.MessageToString(item, as_one_line=True)
            raise UserError(f"{path}: expected items with id and name, got {shown(content)}.")
        if label in names or label < 1:
            raise UserError(f"{path}: expected different ids from 1 on, got {label}{' twice' * (label in names)}.")
        names[label] = name
        texts |= {item.name or name: name, name: name}
    if not names:
        raise UserError(f"{path}: expected at least one item {{ id: 1 name: 'cat' }}, got none.")
    return LabelMap(dict(sorted(names.items())), texts)


def find_label_map(files: Sequence[AnyPath], root: AnyPath) -> LabelMap | None:
    """Returns the label map beside record files, else in the folder of the data set; None if there is none.

    In each folder the first of these counts: label_map.pbtxt, a file with "label" in its name that is named after a
    record file, any file with "label" in its name, any .pbtxt file that is a label map (not all are).

    Raises:
        UserError: it is damaged, or several contradict each other.
    """
    maps = {}
    for folder in dict.fromkeys(file.parent for file in files):
        path = _choose([one for one in files if one.parent == folder], folder) or _choose([], root)
        if path is not None:
            maps[path] = read_label_map(path)
    if len({str(one.names) for one in maps.values()}) > 1:
        shown = ", ".join(map(str, maps))
        raise UserError(f"{shown}: expected label maps that are equal, got different ones; pass one as `annotations`.")
    return next(iter(maps.values()), None)


def _choose(files: Sequence[AnyPath], folder: AnyPath) -> AnyPath | None:
    paths = sorted(folder.glob("*.pbtxt"))
    stems = [file.name.partition(".")[0] for file in files]
    for is_better in (
        lambda path: path.name == LABEL_MAP,
        lambda path: "label" in path.name.lower() and any(path.name.startswith(stem) for stem in stems),
        lambda path: "label" in path.name.lower(),
        _is_label_map,
    ):
        better = [path for path in paths if is_better(path)]
        if len(better) > 1 and len({str(read_label_map(path).names) for path in better}) > 1:
            names = ", ".join(path.name for path in better)
            raise UserError(f"{folder}: expected one label map, got {names}; pass one as `annotations`.")
        if better:
            return better[0]
    return None


def _is_label_map(path: AnyPath) -> bool:
    try:
        return bool(read_label_map(path).names)
    except UserError:
        return False
