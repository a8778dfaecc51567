"""The metadata that clients read. MediaPipe itself reads it in `test_clients.py`."""

import io
import zipfile

import flatbuffers
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

import keras_centernet
from keras_centernet.exporting import TFLiteDetector
from keras_centernet.exporting.tflite.metadata import add_metadata, read_labels, read_notes

NAMES = ("location", "category", "score", "number of detections")


def packed_metadata(content):
    """The packed table, found through the schema's own classes."""
    model = schema.Model.GetRootAs(content)
    entries = [model.Metadata(i) for i in range(model.MetadataLength())]
    (entry,) = (entry for entry in entries if entry.Name() == b"TFLITE_METADATA")
    return model.Buffers(entry.Buffer()).DataAsNumpy().tobytes()


def field(table, slot):
    """The sub-table in a slot of a table."""
    return flatbuffers.table.Table(table.Bytes, table.Indirect(table.Pos + table.Offset(4 + 2 * slot)))


def items(table, slot):
    """The sub-tables of the vector in a slot."""
    start, count = table.Vector(table.Offset(4 + 2 * slot)), table.VectorLen(table.Offset(4 + 2 * slot))
    return [flatbuffers.table.Table(table.Bytes, table.Indirect(start + 4 * i)) for i in range(count)]


def output_names(content):
    """The names of the outputs in the metadata."""
    _, outputs = tensors(content)
    return tuple(table.String(table.Offset(4) + table.Pos).decode() for table in outputs)


def tensors(content):
    """(tables of the inputs, tables of the outputs): subgraph_metadata[0].input_tensor_metadata, .output_..."""
    buffer = packed_metadata(content)
    root = flatbuffers.table.Table(buffer, int.from_bytes(buffer[:4], "little"))
    (graph,) = items(root, 3)
    return items(graph, 2), items(graph, 3)


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_labels_and_names_are_read_back(export_once, precision):
    content = export_once(precision)[1].read_bytes()
    assert read_labels(content) == ("cat", "dog")
    assert output_names(content) == NAMES
    assert TFLiteDetector(content).classes == ("cat", "dog")
    assert packed_metadata(content)[4:8] == b"M001"


def test_names_are_in_the_order_of_the_outputs(export_once):
    path = export_once()[1]
    shapes = [tuple(detail["shape"]) for detail in Interpreter(str(path)).get_output_details()]
    assert dict(zip(output_names(path.read_bytes()), shapes, strict=True)) == {
        "location": (1, 20, 4),
        "category": (1, 20),
        "score": (1, 20),
        "number of detections": (1,),
    }


def test_corners_are_named_so_that_boxes_are_not_transposed(export_once):
    """BoundingBoxProperties: index (left, top, right, bottom among ymin, xmin, ymax, xmax), BOUNDARIES, RATIO."""
    _, outputs = tensors(export_once()[1].read_bytes())
    content = field(outputs[0], 3)
    assert content.Get(flatbuffers.number_types.Uint8Flags, content.Pos + content.Offset(4)) == 3
    box = field(content, 1)
    start = box.Vector(box.Offset(4))
    index = [box.Get(flatbuffers.number_types.Uint32Flags, start + 4 * i) for i in range(box.VectorLen(box.Offset(4)))]
    assert index == [1, 0, 3, 2]
    assert box.Get(flatbuffers.number_types.Int8Flags, box.Pos + box.Offset(6)) == 1
    assert not box.Offset(8)  # RATIO is the default


@pytest.mark.parametrize(("precision", "normalizations"), [("float32", 1), ("int8", 0)])
def test_only_float_inputs_state_their_normalisation(export_once, precision, normalizations):
    """MediaPipe refuses a float input without normalisation, and Task Library a byte input with it."""
    ((image,), _) = tensors(export_once(precision)[1].read_bytes())
    assert (len(items(image, 4)) if image.Offset(12) else 0) == normalizations


def test_labels_lie_stored_in_a_zip_at_the_end(export_once):
    content = export_once()[1].read_bytes()
    with zipfile.ZipFile(io.BytesIO(content)) as files:
        labels, notes = files.infolist()
    assert [info.filename for info in (labels, notes)] == ["labels.txt", "detector.json"]
    assert {info.compress_type for info in (labels, notes)} == {zipfile.ZIP_STORED}
    assert content[labels.header_offset :].endswith(content[-22:])
    facts = read_notes(content)
    assert (facts["task"], facts["task_options"], facts["classes"]) == ("detection", {}, ["cat", "dog"])
    assert facts["keras_centernet"] == keras_centernet.__version__
    assert facts["boxes"] == "location: ymin, xmin, ymax, xmax as fractions of the letterboxed input"
    assert content.count(b"cat\ndog") == 1


def test_new_labels_replace_the_old_ones(export_once):
    content = export_once()[1].read_bytes()
    renamed = add_metadata(content, "other", ("Katze", "Hund", "Schnabeltier ½"))
    assert read_labels(renamed) == ("Katze", "Hund", "Schnabeltier ½")
    assert output_names(renamed) == NAMES
    assert renamed.count(b"cat\ndog") == 0


def test_a_file_without_metadata_has_no_labels(export_once):
    content = export_once()[1].read_bytes()
    bare = content[: content.index(b"PK\x03\x04")]
    assert read_labels(bare) == ()
    assert read_notes(bare) == {}
