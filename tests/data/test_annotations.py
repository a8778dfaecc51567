import dataclasses
import re

import numpy as np
import pytest

from keras_centernet.data.annotations import build_annotations, drop_bad_boxes
from keras_centernet.errors import DataWarning

NO_EXTENT = "1 object(s) skipped, box empty or inverted (expected x1 < x2 and y1 < y2); first: a.jpg "
OUTSIDE = "1 object(s) skipped, box completely outside the image; first: a.jpg "
TWICE = "1 object(s) skipped, class and box given twice in one image; first: a.jpg "


def row(box_xyxy, image=0, label=0, is_crowd=False):
    return (image, *box_xyxy, label, is_crowd, False, None)


def annotations_of(*rows, image_hw=(40, 60)):
    return build_annotations(["a.jpg", "b.jpg"], rows, image_hw=[image_hw] * 2)


@pytest.mark.parametrize(
    ("name", "box_xyxy", "warning"),
    [
        ("empty", (5, 6, 5, 6), NO_EXTENT + "[5, 6, 5, 6]"),
        ("no width", (5, 6, 5, 9), NO_EXTENT),
        ("inverted", (9, 6, 5, 9), NO_EXTENT),
        ("not a number", (float("nan"), 6, 5, 9), NO_EXTENT),
        ("right of the image", (60, 0, 70, 9), OUTSIDE + "[60, 0, 70, 9]"),
        ("above the image", (0, -9, 9, 0), OUTSIDE),
        ("twice", (1, 2, 3, 4), TWICE + "[1, 2, 3, 4]"),
    ],
)
def test_bad_boxes_are_skipped_and_counted(name, box_xyxy, warning):
    table = annotations_of(row((1, 2, 3, 4)), row(box_xyxy))
    with pytest.warns(DataWarning, match=re.escape(warning)):
        kept = drop_bad_boxes(table)
    np.testing.assert_array_equal(kept.boxes_xyxy, [(1, 2, 3, 4)])
    assert kept.image_names == ("a.jpg", "b.jpg")


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("none", None),
        ("partly outside", row((-5, -5, 3, 3))),
        ("same box of another class", row((1, 2, 3, 4), label=1)),
        ("same box in another image", row((1, 2, 3, 4), image=1)),
        ("same box as a crowd", row((1, 2, 3, 4), is_crowd=True)),
        ("one pixel", row((0, 0, 1, 1))),
    ],
)
def test_good_boxes_stay_as_they_are(name, other):
    rows = [row((1, 2, 3, 4))] + ([other] if other else [])
    kept = drop_bad_boxes(annotations_of(*rows))
    np.testing.assert_array_equal(kept.boxes_xyxy, [r[1:5] for r in rows])


def test_an_object_and_a_region_may_have_one_box():
    table = annotations_of(row((1, 2, 3, 4)), row((1, 2, 3, 4)))
    table = dataclasses.replace(table, fields={"is_hidden": np.array([False, True])})
    assert drop_bad_boxes(table).fields["is_hidden"].tolist() == [False, True]


def test_one_warning_counts_all_cases():
    rows = [row((i, 0, i, 5), image=1) for i in range(12)]
    with pytest.warns(DataWarning, match=re.escape("12 object(s) skipped, box empty")) as caught:
        kept = drop_bad_boxes(annotations_of(*rows))
    assert len(caught) == 1
    assert len(kept.boxes_xyxy) == 0


def test_a_wrong_stated_size_is_checked_against_the_image(tmp_path, write_image):
    write_image(tmp_path / "a.png", (48, 64))
    boxes = [(10, 10, 20, 20), (50, 30, 60, 45), (64, 0, 70, 5)]
    table = build_annotations([str(tmp_path / "a.png")], [row(box) for box in boxes], image_hw=[(24, 32)])
    with pytest.warns(DataWarning, match=re.escape("a.png [64, 0, 70, 5]")):
        kept = drop_bad_boxes(table)
    np.testing.assert_array_equal(kept.boxes_xyxy, boxes[:2])


def test_rows_are_sorted_by_image_and_split():
    table = annotations_of(row((1, 1, 2, 2), image=1), row((3, 3, 5, 5)), row((2, 2, 4, 6), image=1))
    np.testing.assert_array_equal(table.row_splits, [0, 1, 3])
    np.testing.assert_array_equal(table.boxes_xyxy[:, 0], [3, 1, 2])
    np.testing.assert_array_equal(table.areas, [4, 1, 8])


def test_dropping_images_renumbers_the_others():
    rows = [row((i, i, 9, 9), image=i) for i in (0, 1, 1, 2)]
    table = build_annotations(["a", "b", "c"], rows, image_ids=[5, 6, 7])
    kept = table.keep_images(np.array([False, True, True]))
    assert kept.image_names == ("b", "c")
    np.testing.assert_array_equal(kept.image_ids, [6, 7])
    np.testing.assert_array_equal(kept.image_index, [0, 0, 1])
    np.testing.assert_array_equal(kept.row_splits, [0, 2, 3])
