import keras
import numpy as np
import pytest

from keras_centernet.data.own.box_formats import BOX_FORMATS, check_format, is_relative, to_xyxy
from keras_centernet.errors import UserError

KERAS_FORMATS = ["xyxy", "yxyx", "xywh", "center_xywh", "rel_xyxy", "rel_yxyx", "rel_xywh", "rel_center_xywh"]


def test_the_formats_have_the_names_of_keras():
    assert list(BOX_FORMATS) == KERAS_FORMATS
    assert check_format("CENTER_xywh") == "center_xywh"
    assert check_format(None) == "xyxy"


@pytest.mark.parametrize("box_format", KERAS_FORMATS)
def test_every_format_means_what_it_means_in_keras(box_format, rng):
    boxes = rng.uniform(0, 1, (3, 7, 4)).astype("float32") * (1 if box_format.startswith("rel") else 90)
    expected = keras.utils.bounding_boxes.convert_format(boxes, box_format, "xyxy", height=40, width=90)
    np.testing.assert_allclose(to_xyxy(boxes, box_format, np.float32([[[90, 40]]])), expected, rtol=1e-6, atol=1e-5)
    assert is_relative(box_format) == box_format.startswith("rel_")


@pytest.mark.parametrize(
    ("box_format", "box"),
    [
        ("xyxy", [10, 20, 40, 60]),
        ("yxyx", [20, 10, 60, 40]),
        ("xywh", [10, 20, 30, 40]),
        ("center_xywh", [25, 40, 30, 40]),
        ("rel_xyxy", [0.1, 0.25, 0.4, 0.75]),
        ("rel_yxyx", [0.25, 0.1, 0.75, 0.4]),
        ("rel_xywh", [0.1, 0.25, 0.3, 0.5]),
        ("rel_center_xywh", [0.25, 0.5, 0.3, 0.5]),
    ],
)
def test_one_box_by_hand(box_format, box):
    found = to_xyxy(np.float32([box]), box_format, np.float32([[100, 80]]))
    np.testing.assert_allclose(found, [[10, 20, 40, 60]], atol=1e-5)


def test_fractions_stay_fractions_where_no_side_is_known():
    np.testing.assert_allclose(to_xyxy(np.float32([[0.5, 0.5, 0.2, 0.1]]), "rel_center_xywh"), [[0.4, 0.45, 0.6, 0.55]])


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("coco", "; coco boxes are 'xywh'"),
        ("VOC", "; voc boxes are 'xyxy'"),
        ("pascal_voc", "; pascal_voc boxes are 'xyxy'"),
        ("yolo", "; yolo boxes are 'rel_center_xywh'"),
        ("xxyy", ""),
    ],
)
def test_an_unknown_format(name, advice):
    with pytest.raises(UserError) as error:
        check_format(name)
    known = ", ".join(KERAS_FORMATS)
    assert str(error.value) == f"bounding_box_format: expected one of {known}, got {name!r}{advice}."
