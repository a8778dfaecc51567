"""Detections: what a user gets back."""

import json

import cv2
import numpy as np
import pytest

from keras_centernet.detections import Detections
from keras_centernet.errors import UserError

IMAGE = np.full((48, 64, 3), 120, np.uint8)


def street(**changes):
    values = {
        "boxes_xyxy": [[10, 20, 30, 40], [0, 0, 5, 6], [1.5, 2.25, 60, 44]],
        "scores": [0.9, 0.6, 0.3],
        "classes": [2, 2, 0],
        "class_names": ["car", "car", "person"],
        "image": IMAGE,
        "path": "photos/street.jpg",
    }
    return Detections(**{**values, **changes})


def nothing(**changes):
    return Detections(**{"boxes_xyxy": [], "scores": [], "classes": [], "class_names": [], **changes})


def test_arrays_get_their_types_and_shapes():
    found = street()
    assert (found.boxes_xyxy.dtype, found.scores.dtype, found.classes.dtype) == (np.float32, np.float32, np.int32)
    assert found.class_names == ("car", "car", "person")
    assert len(found) == 3


def test_none_found_is_legal_everywhere(tmp_path):
    found = nothing(image=IMAGE)
    assert found.boxes_xyxy.shape == (0, 4)
    assert (len(found), len(found.filter(0.5)), len(found[:3]), list(found)) == (0, 0, 0, [])
    assert found.to_coco(1) == []
    assert json.loads(found.to_json())["detections"] == []
    np.testing.assert_array_equal(found.draw(tmp_path / "empty.png"), IMAGE)


@pytest.mark.parametrize(
    ("found", "text"),
    [
        pytest.param(nothing(), "Detections(nothing)", id="nothing, no file"),
        pytest.param(nothing(path="a/b.png"), "Detections(b.png: nothing)", id="nothing in a file"),
        pytest.param(street(), "Detections(street.jpg: 2 car, 1 person)", id="most frequent first"),
        pytest.param(street(path=None), "Detections(2 car, 1 person)", id="no file"),
    ],
)
def test_repr(found, text):
    assert repr(found) == text


@pytest.mark.parametrize(
    ("index", "scores"),
    [
        pytest.param(0, [0.9], id="number"),
        pytest.param(-1, [0.3], id="from the end"),
        pytest.param(slice(0, 2), [0.9, 0.6], id="slice"),
        pytest.param(np.array([True, False, True]), [0.9, 0.3], id="mask"),
        pytest.param([2, 0], [0.9, 0.3], id="list: stays sorted by score"),
        pytest.param(np.array([], int), [], id="none"),
    ],
)
def test_indexing_keeps_rows_together(index, scores):
    part = street(extras={"depth": [[1.0], [2.0], [3.0]]})[index]
    np.testing.assert_allclose(part.scores, scores)
    rows = [[0.9, 0.6, 0.3].index(score) for score in scores]
    np.testing.assert_array_equal(part.boxes_xyxy, street().boxes_xyxy[rows])
    assert part.class_names == tuple(["car", "car", "person"][i] for i in rows)
    assert part.extras["depth"].tolist() == [[1.0 + i] for i in rows]
    assert part.path == "photos/street.jpg"


def test_an_index_beyond_the_end_is_an_index_error_so_that_iterating_ends():
    assert [len(one) for one in street()] == [1, 1, 1]
    with pytest.raises(IndexError):
        street()[3]


def test_filter_keeps_the_threshold_itself():
    assert len(street(scores=[0.75, 0.5, 0.25]).filter(0.5)) == 2


def test_to_json_follows_the_documented_schema(tmp_path):
    found = street(extras={"depth": np.float32([[1.1], [2], [3]])})
    text = found.to_json(tmp_path / "street.json")
    assert json.loads((tmp_path / "street.json").read_text()) == json.loads(text)
    assert json.loads(text) == {
        "path": "photos/street.jpg",
        "image_size": {"width": 64, "height": 48},
        "detections": [
            {"box_xyxy": [10, 20, 30, 40], "score": 0.9, "class_index": 2, "class_name": "car", "depth": [1.1]},
            {"box_xyxy": [0, 0, 5, 6], "score": 0.6, "class_index": 2, "class_name": "car", "depth": [2.0]},
            {"box_xyxy": [1.5, 2.25, 60, 44], "score": 0.3, "class_index": 0, "class_name": "person", "depth": [3.0]},
        ],
    }


def test_json_gives_back_exactly_the_same_numbers():
    boxes_xyxy = np.random.default_rng(0).uniform(0, 1000, (50, 4)).astype(np.float32)
    found = Detections(boxes_xyxy, np.linspace(1, 0, 50), [0] * 50, ["x"] * 50)
    rows = json.loads(found.to_json())["detections"]
    np.testing.assert_array_equal(np.float32([row["box_xyxy"] for row in rows]), boxes_xyxy)
    np.testing.assert_array_equal(np.float32([row["score"] for row in rows]), found.scores)


def test_to_coco():
    rows = street().to_coco(image_id=17)
    assert rows[0] == {
        "image_id": 17,
        "category_id": 3,
        "bbox": [10, 20, 20, 20],
        "score": pytest.approx(0.9),
    }
    assert [row["category_id"] for row in street().to_coco(17, category_ids=[1, 5, 90])] == [90, 90, 1]


@pytest.mark.parametrize("own", ["photo-a", 2**70, np.int64(5)])
def test_to_coco_takes_ids_of_any_kind(own):
    rows = json.loads(json.dumps(street().to_coco(own, category_ids=["a", 2, np.int32(3)])))
    assert {row["image_id"] for row in rows} == {own}
    assert [row["category_id"] for row in rows] == [3, 3, "a"]


def test_draw_returns_a_new_drawing_and_writes_it(tmp_path):
    found = street()
    before = IMAGE.copy()
    drawing = found.draw(tmp_path / "out.png")
    np.testing.assert_array_equal(found.image, before)
    assert not np.array_equal(drawing, before)
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "out.png"))[..., ::-1], drawing)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param(
            {"boxes_xyxy": [[1, 2, 3]] * 3}, "boxes_xyxy must have shape (N, 4), got (3, 3).", id="three corners"
        ),
        pytest.param({"scores": [0.5]}, "scores must have shape (3,), got (1,).", id="too few scores"),
        pytest.param({"classes": [[1]] * 3}, "classes must have shape (3,), got (3, 1).", id="a column of classes"),
        pytest.param(
            {"boxes_xyxy": [[1, 2, 3, np.nan]] * 3},
            "boxes_xyxy must be finite, got 3 numbers that are not.",
            id="NaN in a box",
        ),
        pytest.param({"class_names": ["car"]}, "class_names needs one row per box, 3; got 1.", id="too few names"),
        pytest.param({"extras": {"depth": [1]}}, "depth needs one row per box, 3; got 1.", id="too few extras"),
        pytest.param(
            {"scores": [0.1, 0.2, 0.3]}, "scores must descend, best first; sort the rows first.", id="not sorted"
        ),
        pytest.param(
            {"image": np.zeros((4, 4), np.uint8)},
            "image must be (H, W, 3) uint8 RGB, got shape (4, 4) and dtype uint8.",
            id="gray image",
        ),
        pytest.param(
            {"image": np.zeros((4, 4, 3))},
            "image must be (H, W, 3) uint8 RGB, got shape (4, 4, 3) and dtype float64.",
            id="float image",
        ),
    ],
)
def test_what_contradicts_itself_is_refused(changes, message):
    with pytest.raises(UserError) as error:
        street(**changes)
    assert str(error.value) == f"Detections: {message}"


def test_drawing_needs_the_image():
    with pytest.raises(UserError) as error:
        street(image=None).draw()
    assert str(error.value) == "draw: expected detections with their image, got image=None; set `.image` first."


def test_an_unwritable_json_is_named(tmp_path):
    path = tmp_path / "nowhere" / "out.json"
    with pytest.raises(UserError) as error:
        street().to_json(path)
    assert (
        str(error.value)
        == f"{path}: could not be written (No such file or directory). Free some space or name another path."
    )
