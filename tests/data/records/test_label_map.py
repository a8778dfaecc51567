import re

import pytest

from keras_centernet.data.records.label_map import format_label_map, label_map_of, read_label_map
from keras_centernet.errors import UserError

# As the Object Detection API's own maps are written: gaps, display names, messages within items, comments.
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
        ("item { id: 1 }", "label_map.pbtxt: expected items with id and name, got { id: 1 }."),
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
    with pytest.raises(UserError, match=r"no.pbtxt: expected a label map \(.pbtxt\), it cannot be read"):
        read_label_map(str(tmp_path / "no.pbtxt"))
