"""Converting one batch: which objects are left out or kept, and pickling for worker processes."""

import dataclasses
import pickle

import numpy as np
import pytest

from keras_centernet.data.own.converter import Converter, Expected
from keras_centernet.errors import DataWarning, UserError
from keras_centernet.method.specs import FieldSpec

CLASSES, ROWS, SIDE = ("cat", "dog"), 128, 64
EXPECTED = Expected("fit", CLASSES, "xyxy", {}, (SIDE, SIDE), ROWS)


def assert_equal(found, expected):
    assert set(found) == set(expected)
    for key, values in expected.items():
        assert found[key].dtype == values.dtype, key
        np.testing.assert_allclose(found[key], values, rtol=1e-6, atol=1e-4, err_msg=key)


def test_padded_and_ragged_become_ours(images, boxes, labels, padded, ours):
    for given in (padded, {"boxes": boxes, "labels": labels}):
        found_images, objects = Converter(EXPECTED)((images, given))
        assert found_images is images
        assert_equal(objects, ours)


TO_FORMAT = {
    "xyxy": lambda x1, y1, x2, y2: (x1, y1, x2, y2),
    "yxyx": lambda x1, y1, x2, y2: (y1, x1, y2, x2),
    "xywh": lambda x1, y1, x2, y2: (x1, y1, x2 - x1, y2 - y1),
    "center_xywh": lambda x1, y1, x2, y2: ((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1),
}


@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("name", TO_FORMAT)
def test_all_formats_give_the_same_objects(name, relative, images, boxes, labels, ours):
    written = [np.stack(TO_FORMAT[name](*rows.T), axis=1) / (SIDE if relative else 1) for rows in boxes]
    expected = dataclasses.replace(EXPECTED, box_format="rel_" * relative + name)
    assert_equal(Converter(expected)((images, {"boxes": written, "labels": labels}))[1], ours)


def test_a_batch_in_our_own_form_is_not_copied(images, ours):
    batch = images, ours
    found_images, found = Converter(EXPECTED)(batch)
    assert found_images is images
    assert found is ours


def test_objects_of_no_class_are_left_out_and_counted(images, padded, ours):
    padded["labels"][1] = [0, 2, -1, -1, -1]
    padded["labels"][4, 0] = -7
    message = r"2 object\(s\) of fit left out, class is not 0 to 1 so far; first: labels 2 with box \[24\.0, 20\.0"
    with pytest.warns(DataWarning, match=message):
        _, objects = Converter(EXPECTED)((images, padded))
    expected = ours["mask"].copy()
    expected[1, 1] = expected[4, 0] = False
    np.testing.assert_array_equal(objects["mask"], expected)
    assert not objects["boxes_xyxy"][~expected].any()


def test_if_objects_exceed_rows_the_largest_are_kept_in_their_order(images, padded):
    message = r"1 image\(s\) of fit with more than 2 objects, only the largest are kept \(raise max_objects of load_da"
    with pytest.warns(DataWarning, match=message):
        _, objects = Converter(dataclasses.replace(EXPECTED, rows=2))((images, padded))
    assert objects["mask"].sum() == 7
    np.testing.assert_array_equal(objects["boxes_xyxy"][5], [[10, 2, 30, 40], [12, 2, 50, 60]])
    np.testing.assert_array_equal(objects["classes"][5], [1, 0])


def test_fields_follow_their_objects(images, padded):
    fields = {"alphas": FieldSpec(), "calibration": FieldSpec("float32", (3, 4), of_image=True)}
    given = padded | {"alphas": np.arange(30).reshape(6, 5), "calibration": np.ones((6, 3, 4))}
    with pytest.warns(DataWarning, match="more than 2 objects"):
        _, objects = Converter(dataclasses.replace(EXPECTED, fields=fields, rows=2))((images, given))
    np.testing.assert_array_equal(objects["alphas"], [[0, 0], [5, 6], [0, 0], [15, 0], [20, 0], [25, 26]])
    assert objects["calibration"].shape == (6, 3, 4)


def test_a_converter_can_be_pickled_for_workers(images, padded, ours):
    copy = pickle.loads(pickle.dumps(Converter(EXPECTED)))
    assert_equal(copy((images, padded))[1], ours)


def test_the_latest_problem_is_remembered(images, padded):
    converter = Converter(EXPECTED)
    with pytest.raises(UserError) as error:
        converter((images[:, :40], padded))
    assert converter.problem is error.value
