import re

import pytest

from keras_centernet.data.records.label_map import find_label_map, format_label_map, label_map_of, read_label_map
from keras_centernet.errors import UserError

# Written like the Object Detection API's own maps: gaps, display names, nested messages, comments.
API = """
# COCO
item {
  name: "/m/01g317"
  id: 1
  display_name: "person"
  keypoints { id: 1 label: "nose" }
}
item: { id: 18, display_name: 'dog', name: '/m/0bt9lr' }  # after a gap
item {
  id: 3
  name: "stra\\303\\237e"
}
"""


def test_map_of_the_api(tmp_path):
    path = tmp_path / "label_map.pbtxt"
    path.write_text(API)
    found = read_label_map(str(path))
    assert found.names == {1: "person", 3: "straße", 18: "dog"}
    assert found.classes == ("person", "straße", "dog")
    assert found.texts["/m/01g317"] == found.texts["person"] == "person"


def test_what_is_written_is_read(tmp_path):
    classes = ("cat", "dog's tail", 'a "b" \\ c', "straße", "{ }")
    path = tmp_path / "label_map.pbtxt"
    path.write_text(format_label_map(classes), encoding="utf-8")
    assert read_label_map(str(path)) == label_map_of(classes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "label_map.pbtxt: expected at least one item { id: 1 name: 'cat' }, got none."),
        ("item { id: 1 }", "label_map.pbtxt: expected items with id and name, got 'id: 1'."),
        ("item { id: 1 name: 'a' } item { id: 1 name: 'b' }", "expected different ids from 1 on, got 1 twice."),
        ("item { id: 0 name: 'a' }", "expected different ids from 1 on, got 0."),
        ("item { id: 1 name: 'a'", "line 1: expected a label map in protobuf's text format, got an error at 1:20"),
        ("item {\n  id: 1 \x01", "label_map.pbtxt, line 2: expected a label map in protobuf's text format"),
    ],
)
def test_bad_maps(text, message, tmp_path):
    path = tmp_path / "label_map.pbtxt"
    path.write_text(text)
    with pytest.raises(UserError, match=re.escape(message)):
        read_label_map(str(path))


def test_missing_map(tmp_path):
    with pytest.raises(UserError, match=r"no.pbtxt: expected a file, got none."):
        read_label_map(str(tmp_path / "no.pbtxt"))


def test_byte_order_marks_are_dropped(tmp_path):
    for encoding in ("utf-8-sig", "utf-16"):
        (tmp_path / "map.pbtxt").write_bytes("item { id: 1 name: 'Käfer' }".encode(encoding))
        assert read_label_map(tmp_path / "map.pbtxt").classes == ("Käfer",)
    (tmp_path / "map.pbtxt").write_bytes("item { id: 1 name: 'Käfer' }".encode("latin-1"))
    with pytest.raises(UserError, match=r"map.pbtxt, line 1: expected text in UTF-8, got other bytes"):
        read_label_map(tmp_path / "map.pbtxt")


CAT, DOG = "item { id: 1 name: 'cat' }", "item { id: 1 name: 'dog' }"


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ({}, None),
        ({"graph.pbtxt": "node { name: 'x' op: 'Add' }", "notes.pbtxt": "((("}, None),
        ({"label_map.pbtxt": CAT, "other_label_map.pbtxt": DOG}, ("cat",)),
        ({"Cells_label_map.pbtxt": CAT, "Birds_label_map.pbtxt": DOG}, ("cat",)),
        ({"labelmap.pbtxt": CAT, "graph.pbtxt": DOG}, ("cat",)),
        ({"object-detection.pbtxt": CAT, "graph.pbtxt": "node { name: 'x' }"}, ("cat",)),
        ({"../x_label_map.pbtxt": CAT}, ("cat",)),
        ({"a_label.pbtxt": CAT, "b_label.pbtxt": CAT}, ("cat",)),
    ],
)
def test_the_map_beside_records_is_found(texts, expected, tmp_path):
    folder = tmp_path / "train"
    folder.mkdir()
    for name, text in texts.items():
        (folder / name).write_text(text)
    found = find_label_map([folder / "Cells.tfrecord"], tmp_path)
    assert (found and found.classes) == expected


def test_maps_that_contradict_each_other(tmp_path):
    (tmp_path / "a_label.pbtxt").write_text(CAT)
    (tmp_path / "b_label.pbtxt").write_text(DOG)
    with pytest.raises(UserError, match=r"expected one label map, got a_label.pbtxt, b_label.pbtxt; pass one as"):
        find_label_map([tmp_path / "x.tfrecord"], tmp_path)
    for name, text in (("train", CAT), ("valid", DOG)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "map.pbtxt").write_text(text)
    files = [tmp_path / name / "x.tfrecord" for name in ("train", "valid")]
    with pytest.raises(UserError, match=r"valid/map.pbtxt: expected label maps that are equal, got different ones"):
        find_label_map(files, tmp_path / "train")
