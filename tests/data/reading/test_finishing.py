"""From what a reader finds to a source: the line that reports what was read, and errors if nothing is left."""

import re

import pytest

from keras_centernet.data.formats.request import DataRequest
from keras_centernet.data.reading.finishing import to_source
from keras_centernet.data.reading.found import Found
from keras_centernet.errors import DataWarning, UserError
from keras_centernet.method.specs import FieldSpec
from keras_centernet.tasks.detection import build_detection
from keras_centernet.tasks.table import TASKS, TaskRow

DOG, CAT = ("dog", (5, 6, 25, 30)), ("cat", (1, 2, 3, 4))
REQUEST = DataRequest("data")


def line_of(capsys):
    return [line for line in capsys.readouterr().out.splitlines() if line.startswith("data (train)")][-1]


def test_objects_are_those_that_were_found(make_found):
    source = to_source(make_found({"a.jpg": [CAT, DOG], "b.jpg": [], "c.jpg": [DOG]}), REQUEST)
    assert source.classes == ("cat", "dog")
    assert source.annotations.boxes_xyxy.tolist() == [[1, 2, 3, 4], [5, 6, 25, 30], [5, 6, 25, 30]]
    assert source.annotations.image_index.tolist() == [0, 0, 2]
    assert source.annotations.image_hw.tolist() == [[48, 64]] * 3
    assert source.annotations.areas.tolist() == [4, 480, 480]


def test_objects_may_be_added_in_any_order(make_found):
    found = make_found({"a.jpg": [], "b.jpg": []})
    for number, (image, box) in enumerate([(1, (0, 0, 9, 9)), (0, (0, 0, 5, 5)), (1, (0, 0, 7, 7))]):
        found.add_object(image, "dog", box, number, alphas=number)
    annotations = to_source(found, REQUEST).annotations
    assert annotations.boxes_xyxy[:, 2].tolist() == [5, 9, 7]
    assert annotations.fields["alphas"].tolist() == [1, 0, 2]


def test_fields_of_images_have_the_type_of_their_schema(make_found, monkeypatch):
    weather = TaskRow(build_detection, (), fields={"is_night": FieldSpec("bool", (), True)})
    monkeypatch.setitem(TASKS, "weather", weather)
    found = make_found({"a.jpg": [DOG], "b.jpg": [CAT]})
    found.image_fields = {"is_night": [True, False], "hour": [23, 12]}
    fields = to_source(found, REQUEST).annotations.image_fields
    assert fields["is_night"].dtype == bool
    assert fields["is_night"].tolist() == [True, False]
    assert (fields["hour"].dtype, fields["hour"].tolist()) == ("float32", [23, 12])


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        ({"a.jpg": [DOG], "b.jpg": [CAT, DOG]}, "2 images, 3 objects of 2 classes (dog 2, cat 1)."),
        ({"a.jpg": [DOG], "b.jpg": []}, "2 images, 1 objects of 1 classes (dog 1); 1 images without objects."),
        (
            {"a.jpg": [DOG], "b.jpg": None},
            "2 images, 1 objects of 1 classes (dog 1); 1 images without label file; 1 images without objects.",
        ),
        ({"a.jpg": [("dog", (-3, 6, 25, 70))]}, "1 images, 1 objects of 1 classes (dog 1); 1 boxes over the border."),
        (
            {"a.jpg": [(f"class {i}", (0, 0, 9, 9 + i)) for i in range(8)]},
            "1 images, 8 objects of 8 classes (class 0 1, class 1 1, class 2 1, class 3 1, class 4 1, class 5 1, ...).",
        ),
    ],
    ids=["plain", "without objects", "without label file", "over the border", "many classes"],
)
def test_one_line_says_what_was_read(make_found, capsys, objects, expected):
    to_source(make_found(objects), REQUEST)
    assert line_of(capsys) == f"data (train): {expected}"


def test_the_line_says_what_was_skipped(make_found, capsys, tmp_path):
    found = make_found({"a.jpg": [DOG, ("dog", (9, 9, 9, 9))], "b.jpg": [DOG]})
    (tmp_path / "b.jpg").unlink()
    with pytest.warns(DataWarning) as caught:
        to_source(found, REQUEST)
    assert line_of(capsys).endswith("1 images, 1 objects of 1 classes (dog 1); 1 images skipped; 2 objects skipped.")
    assert [str(warning.message)[:30] for warning in caught] == [
        "1 of 2 images skipped, file mi",
        "1 object(s) skipped, box empty",
    ]


def test_the_line_says_what_is_hidden(make_found, capsys):
    found = make_found({"a.jpg": [], "b.jpg": []}, classes=("dog", "cat"))
    found.add_object(0, "dog", (0, 0, 9, 9), 1, is_hidden=False, is_crowd=True)
    for name in ("dog", "cat"):
        found.add_object(0, name, (0, 0, 20, 20), 2, is_hidden=True)
        found.add_object(1, name, (0, 0, 20, 20), 1, is_hidden=True)
    to_source(found, REQUEST)
    assert line_of(capsys).endswith(
        "2 images, 1 objects of 2 classes (dog 1, cat 0); 1 images without objects; 1 objects marked as crowd; "
        "2 hidden regions."
    )


def test_sizes_that_contradict_the_file_are_in_the_line(make_found, capsys):
    with pytest.warns(DataWarning, match="another size"):
        to_source(make_found({"a.jpg": [DOG]}, hw=(96, 128)), REQUEST)
    assert line_of(capsys).endswith("1 images whose stated size contradicts the file.")


def hidden(found):
    found.add_object(0, "dog", (0, 0, 9, 9), 1, is_hidden=True)
    found.note("object(s) without a leash", "a")


@pytest.mark.parametrize(
    ("objects", "change", "problem"),
    [
        ({"a.jpg": []}, None, "but all 1 image(s) are without objects."),
        ({"a.jpg": [], "b.jpg": None}, None, "but 1 of 2 image(s) have no label file, the others are without objects."),
        ({"a.jpg": None}, None, "but none of 1 image(s) has a label file; looked for labels/a.txt."),
        ({"a.jpg": []}, hidden, "but all of its objects are hidden: 1 object(s) without a leash."),
    ],
    ids=["no objects", "some labels", "no labels", "hidden"],
)
@pytest.mark.filterwarnings("ignore:1 object.s. without a leash")
def test_nothing_to_learn_stops_with_the_reason(make_found, objects, change, problem):
    found = make_found(objects, looked_for="labels/a.txt")
    if change:
        change(found)
    message = f"data (train): expected objects to learn from or to measure with, {problem}"
    with pytest.raises(UserError, match=re.escape(message)):
        to_source(found, REQUEST)


def test_no_images_are_refused():
    with pytest.raises(UserError, match=r"data \(train\): expected at least one image, got an empty split"):
        to_source(Found("data (train)"), REQUEST)


@pytest.mark.filterwarnings("ignore:2 object.s. skipped")
def test_only_bad_boxes_are_refused(make_found):
    found = make_found({"a.jpg": [("dog", (9, 9, 9, 9)), ("dog", (8, 8, 1, 1))]})
    with pytest.raises(UserError, match="expected objects, got only boxes without extent or outside of their images"):
        to_source(found, REQUEST)


def test_the_data_sets_own_numbers_of_classes(make_found):
    found = make_found({"a.jpg": [DOG, CAT]}, classes=("dog", "cat"), category_ids={"dog": 18, "cat": 3})
    assert to_source(found, DataRequest("data", classes=("cat", "owl", "dog"))).category_ids == (3, None, 18)
