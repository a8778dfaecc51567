"""What mobile clients read beside the graph: names, labels, what the numbers mean.

MediaPipe Tasks and the Task Library refuse a detector without it. Packages that write it are broken or mislabel
outputs, so it is written here with `flatbuffers`. A table is a dict {number of the field in the schema: value}.

Source: `metadata_schema.fbs` of TensorFlow Lite Support, version 1.4.
"""

import io
import json
import os
import zipfile

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from keras_centernet.errors import UserError, first_line
from keras_centernet.exporting.facts import FACTS_FILE
from keras_centernet.exporting.tflite.flatbuffer import read_content, read_flatbuffer, to_text, write_flatbuffer
from keras_centernet.files.archive import DAMAGES, read_member

ENTRY = "TFLITE_METADATA"
FILE_IDENTIFIER = b"M001"
LABEL_FILE, NOTES_FILE = "labels.txt", "detector.json"
TASK, TASK_OPTIONS = "task", "task_options"  # keys of the notes
IMAGES = "images"  # name of the input
_MOST_BYTES = 1 << 24  # of a file in the zip
PARSER_VERSION = "1.0.0"
IMAGE_PROPERTIES, BOUNDING_BOX_PROPERTIES = 2, 3  # kinds of ContentProperties
NORMALIZATION_OPTIONS = 1  # kind of ProcessUnitOptions
RGB = 1
BOUNDARIES, RATIO = 1, 0
TENSOR_VALUE_LABELS = 3
# Where left, top, right and bottom stand in (ymin, xmin, ymax, xmax); a wrong order transposes boxes silently.
CORNER_INDEX = (1, 0, 3, 2)
_EARLIEST = (1980, 1, 1, 0, 0, 0)  # a fixed date: the same content gives the same file

# {output: (its name for clients, description, fields of its TensorMetadata)}; other outputs keep their names.
_CORNERS = {0: (0, BOUNDING_BOX_PROPERTIES), 1: {0: np.uint32(CORNER_INDEX), 1: np.int8(BOUNDARIES), 2: np.int8(RATIO)}}
_LABELS = {0: LABEL_FILE, 1: "Names of the classes.", 2: np.int8(TENSOR_VALUE_LABELS)}
DETECTION_OUTPUTS = {
    "location": ("location", "Boxes: ymin, xmin, ymax, xmax as fractions of the input.", {3: _CORNERS}),
    "category": ("category", "Class indices.", {6: [_LABELS]}),
    "score": ("score", "Scores, the highest first.", {}),
    "count": ("number of detections", "Number of boxes; always the same, scores tell.", {}),
}


def add_metadata(content: bytes, name: str, labels: tuple[str, ...], notes: dict | None = None) -> bytes:
    """Returns the TFLite file with its metadata, and the labels and notes as files in an uncompressed zip at its end.

    Args:
        content: a TFLite file with one image as input, the outputs in their final order.
        name: of the model.
        labels: names of the classes.
        notes: what the file says about itself, see `facts.describe`; `TFLiteDetector` decodes raw heads by its "task".
    """
    model = read_flatbuffer(content)
    packed = np.frombuffer(_describe(model, name, (notes or {}).get("licence")), np.uint8)
    model.buffers = [*model.buffers, schema.BufferT(packed)]
    earlier = [entry for entry in model.metadata or [] if to_text(entry.name) == ENTRY]
    for entry in earlier:
        model.buffers[entry.buffer].data = None
    kept = [entry for entry in model.metadata or [] if entry not in earlier]
    model.metadata = [*kept, schema.MetadataT(ENTRY, len(model.buffers) - 1)]
    files = {LABEL_FILE: "\n".join(labels)} | ({NOTES_FILE: json.dumps(notes, default=str)} if notes else {})
    return _append_zip(write_flatbuffer(model), files)


def read_labels(content: bytes, path: str = "TFLite file") -> tuple[str, ...]:
    """Returns the names of the classes in a TFLite file, () if it has no labels; `path` is for messages."""
    text = _read_text(content, LABEL_FILE, path)
    return tuple(text.split("\n")) if text else ()


def read_notes(content: bytes, path: str = "TFLite file") -> dict:
    """Returns the notes of `add_metadata`, {} if the file has none; raises a UserError if they are damaged."""
    text = _read_text(content, NOTES_FILE, path)
    return FACTS_FILE.parse(text, f"{path}: {NOTES_FILE}") if text else {}


def read_tflite_facts(path: os.PathLike) -> dict:
    """Returns what a file says about itself; nothing of it runs."""
    content = read_content(path)
    labels = read_labels(content, str(path))
    return ({"classes": list(labels)} if labels else {}) | read_notes(content, str(path))


def _read_text(content: bytes, name: str, path: str) -> str:
    """Returns the text of a file in the zip at the end; "" if there is no zip or no such file in it."""
    if not zipfile.is_zipfile(io.BytesIO(content)):
        return ""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as files:
            return read_member(files, name, path, _MOST_BYTES).decode() if name in files.namelist() else ""
    except DAMAGES as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path}: expected {name} in it, which cannot be read: {first_line(error)}.") from None


def _describe(model, name: str, licence: str | None) -> bytes:
    graph = model.subgraphs[0]
    (image,) = (graph.tensors[index] for index in graph.inputs)
    outputs = [to_text(graph.tensors[index].name) for index in graph.outputs]
    rows = [DETECTION_OUTPUTS.get(output, (output, "", {})) for output in outputs]
    tables = [{0: client_name, 1: description, **fields} for client_name, description, fields in rows]
    subgraph = {2: [_image_table(image)], 3: tables}
    builder = flatbuffers.Builder(1024)
    root = {0: name, 1: "CenterNet: objects as points.", 3: [subgraph], 7: PARSER_VERSION}
    if licence:
        root[5] = licence
    builder.Finish(_add_table(builder, root), FILE_IDENTIFIER)
    return bytes(builder.Output())


def _image_table(tensor) -> dict:
    height, width = (np.uint32(side) for side in tensor.shape[1:3])
    description = "RGB image in 0..255, letterboxed to the input; the graph normalises it."
    properties = {0: (0, IMAGE_PROPERTIES), 1: {0: np.int8(RGB), 1: {0: width, 1: height}}}
    table = {0: to_text(tensor.name), 1: description, 3: properties}
    if tensor.type == schema.TensorType.FLOAT32:  # clients insist on it for floats, and refuse it for bytes
        identity = {0: np.float32([0.0]), 1: np.float32([1.0])}
        table[4] = [{0: (0, NORMALIZATION_OPTIONS), 1: identity}]
    return table


def _append_zip(content: bytes, files: dict[str, str]) -> bytes:
    stream = io.BytesIO(content)
    with zipfile.ZipFile(stream, "a", zipfile.ZIP_STORED) as archive:  # clients map the file and do not inflate
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name, _EARLIEST), text)
    return stream.getvalue()


def _add_table(builder, fields: dict) -> int:
    """Writes a table of strings, tables (dicts), lists of tables, vectors and numbers; (0, kind) is a union's kind."""
    offsets = {slot: _add_value(builder, value) for slot, value in fields.items()}
    builder.StartObject(max(fields) + 1)
    for slot, value in fields.items():
        if isinstance(value, tuple):
            builder.PrependUint8Slot(slot, value[1], value[0])
        elif isinstance(value, np.int8):
            builder.PrependInt8Slot(slot, int(value), 0)
        elif isinstance(value, np.uint32):
            builder.PrependUint32Slot(slot, int(value), 0)
        else:
            builder.PrependUOffsetTRelativeSlot(slot, offsets[slot], 0)
    return builder.EndObject()


def _add_value(builder, value) -> int | None:
    if isinstance(value, str):
        return builder.CreateString(value)
    if isinstance(value, np.ndarray):
        return builder.CreateNumpyVector(value)
    if isinstance(value, dict):
        return _add_table(builder, value)
    if isinstance(value, list):
        tables = [_add_table(builder, table) for table in value]
        builder.StartVector(4, len(tables), 4)
        for table in reversed(tables):
            builder.PrependUOffsetTRelative(table)
        return builder.EndVector()
    return None  # numbers stand in the table itself
