"""Numbers, sizes, names and ids in a label file, and impossible values."""

import re

import numpy as np
import pytest

from keras_centernet.data.reading import values
from keras_centernet.data.reading.found import Found
from keras_centernet.errors import UserError

BOX = (1, 2, 3, 4)


def found_with(box=BOX, name="dog", hw=(0, 0), image="a.jpg", image_ids=(None,), unit="object", **options):
    fields = {key: options.pop(key) for key in ("alphas", "is_hidden", "keypoints_xyv") if key in options}
    found = Found("data (train)", unit=unit, is_relative=options.pop("is_relative", False))
    for image_id in image_ids:
        found.add_image(image, "labels.txt", hw=hw, image_id=image_id)
    found.add_object(0, name, BOX, 1, **{key: column[0] for key, column in fields.items()})
    found.add_object(0, name, box, 2, **options, **{key: column[-1] for key, column in fields.items()})
    return found


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((5, 6, 7, 8), [5, 6, 7, 8]),
        ((5.5, -6, 7, 8e3), [5.5, -6, 7, 8000]),
        (("5", " 6.5 ", "7e0", "-8"), [5, 6.5, 7, -8]),
        ((5, "6", 7.0, np.float32(8)), [5, 6, 7, 8]),
    ],
    ids=["whole", "fractions", "texts", "mixed"],
)
def test_boxes(box, expected):
    np.testing.assert_array_equal(values.box_values(found_with(box)), [BOX, expected])


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "six",
        "²",
        "0x10",
        "nan",
        float("nan"),
        float("inf"),
        "-inf",
        1e300,
        10**400,
        "1e7",
        True,
        [1],
        {},
        "1,5",
    ],
    ids=repr,
)
def test_boxes_that_are_no_numbers_are_named_with_file_and_object(value):
    with pytest.raises(UserError) as caught:
        values.box_values(found_with((5, value, 7, 8), unit="line"))
    line = str(caught.value)
    assert line.startswith("labels.txt, line 2: expected 4 number(s) of at most 1e+06 in size as the box, got 5, ")
    assert len(line) < 250
    assert "\n" not in line


def test_pixels_in_place_of_fractions_are_refused():
    found = Found("data", is_relative=True)
    found.add_image("a.jpg", "labels.txt")
    found.add_object(0, "dog", (-0.5, 0.5, 0.7, 1.2), 1)  # cut off by the border
    assert len(values.box_values(found)) == 1
    found.add_object(0, "dog", (12, 0.5, 20, 0.7), 2)
    message = "labels.txt, object 2: expected fractions of the image (0 to 1), got pixels: 12 0.5 20 0.7."
    with pytest.raises(UserError, match=re.escape(message)):
        values.box_values(found)


@pytest.mark.parametrize(
    ("area", "expected"), [(7, 7), ("7.5", 7.5), (None, np.nan), (0, np.nan), (-3, np.nan)], ids=repr
)
def test_areas(area, expected):
    np.testing.assert_array_equal(values.area_values(found_with(area=area)), [np.nan, expected])


@pytest.mark.parametrize("area", ["many", float("nan"), 1e300, [3], True], ids=repr)
def test_areas_that_are_no_numbers_are_named(area):
    with pytest.raises(UserError, match=r"labels\.txt, object 2: expected 1 number\(s\) of at most 1e\+12 .* the area"):
        values.area_values(found_with(area=area))


def test_fields_have_the_type_of_their_schema():
    found = found_with(alphas=[1, "2.5"], is_hidden=[False, True], keypoints_xyv=[[[1, 2, 2]], [[3, "4", 0]]])
    alphas, is_hidden, keypoints = (values.field_values(found, key) for key in found.fields)
    assert (alphas.dtype, alphas.tolist()) == (np.float32, [1, 2.5])
    assert (is_hidden.dtype, is_hidden.tolist()) == (bool, [False, True])
    assert (keypoints.shape, keypoints.tolist()) == ((2, 1, 3), [[[1, 2, 2]], [[3, 4, 0]]])


@pytest.mark.parametrize("value", [float("nan"), "x", 1e300, [1, 2]], ids=repr)
def test_fields_that_are_no_numbers_are_named(value):
    with pytest.raises(
        UserError, match=r"labels\.txt, object 2: expected 1 number\(s\) of at most 1e\+06 .* as alphas"
    ):
        values.field_values(found_with(alphas=[1.0, value]), "alphas")


def test_fields_of_no_objects():
    found = Found("data", fields={"alphas": [], "keypoints_xyv": []})
    assert values.field_values(found, "alphas").shape == (0,)
    assert values.box_values(found).shape == (0, 4)


@pytest.mark.parametrize(
    ("hw", "expected"),
    [
        ((48, 64), [48, 64]),
        (("48", "64.0"), [48, 64]),
        ((None, None), [0, 0]),
        (("", None), [0, 0]),
        ((0, 64), [0, 0]),
        (("0", "0"), [0, 0]),
    ],
    ids=repr,
)
def test_stated_sizes(hw, expected):
    assert values.stated_sizes(found_with(hw=hw)).tolist() == [expected]


@pytest.mark.parametrize(
    "hw", [(48, "²"), (48, "9" * 30), (-48, 64), (48, None), ([48], 64), (48, float("nan"))], ids=repr
)
def test_sizes_that_are_no_numbers_are_named(hw):
    with pytest.raises(UserError, match=r"^labels\.txt: expected .*height and width.* as whole numbers, got "):
        values.stated_sizes(found_with(hw=hw))


@pytest.mark.parametrize("name", ["", " ", None, 7, ["dog"], "a\0b", "a\nb"], ids=repr)
def test_names_of_classes_are_texts(name):
    with pytest.raises(UserError, match=r"labels\.txt, object 1: expected the name of a class"):
        values.check_names(found_with(name=name))
    found = found_with()
    found.classes = ["dog", name]
    with pytest.raises(UserError, match=r"data \(train\): expected names of classes"):
        values.check_names(found)


def test_names_of_files_have_no_nul():
    with pytest.raises(UserError, match=r"labels\.txt: expected the name of an image file, got 'a\\x00\.jpg'"):
        values.check_names(found_with(image="a\0.jpg"))


@pytest.mark.parametrize(
    ("ids", "numbers", "own"),
    [
        ((30, 7), [30, 7], None),
        ((2**63 - 1, -(2**63)), [2**63 - 1, -(2**63)], None),
        ((None, None), [0, 1], None),
        ((2**63, 7), [0, 1], {0: 2**63, 1: 7}),
        (("a", "b"), [0, 1], {0: "a", 1: "b"}),
        ((7, "7"), [0, 1], {0: 7, 1: "7"}),
        ((1.5, True), [0, 1], {0: 1.5, 1: True}),
        ((7, 7), [0, 1], {0: 7, 1: 7}),
        ((None, 7), [0, 1], {1: 7}),
        (([1], {"a": 1}), [0, 1], {0: [1], 1: {"a": 1}}),
    ],
    ids=["numbers", "limits", "none", "too large", "texts", "mixed", "other", "twice", "some", "of JSON"],
)
def test_ids_of_images(ids, numbers, own):
    found_numbers, found_own = values.image_numbers(found_with(image_ids=ids))
    assert (found_numbers.dtype, found_numbers.tolist(), found_own) == (np.int64, numbers, own)
