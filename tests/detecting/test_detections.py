"""`Detections`, the result that a user gets."""

import json
import sys
import types

import cv2
import numpy as np
import pytest

from keras_centernet.detecting.detections import Detections
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


@pytest.mark.parametrize(
    ("conditions", "rows"),
    [
        pytest.param({}, [0, 1, 2], id="none"),
        pytest.param({"min_score": 0.5}, [0, 1], id="score"),
        pytest.param({"classes": "car"}, [0, 1], id="one name"),
        pytest.param({"classes": 0}, [2], id="one index"),
        pytest.param({"classes": ["person", 2]}, [0, 1, 2], id="names and indices"),
        pytest.param({"classes": ("bus",)}, [], id="a class that was not found"),
        pytest.param({"classes": []}, [], id="no class"),
        pytest.param({"region": (0, 0, 25, 35)}, [0, 1], id="middles (20, 30) and (2.5, 3) in a rectangle"),
        pytest.param({"region": [(0, 0), (64, 0), (64, 50)]}, [2], id="(30.75, 23.1) above the diagonal of a triangle"),
        pytest.param({"min_score": 0.5, "classes": ["car"], "region": (10, 10, 64, 48)}, [0], id="all together"),
    ],
)
def test_filter_by_score_class_and_place(conditions, rows):
    np.testing.assert_array_equal(street().filter(**conditions).boxes_xyxy, street().boxes_xyxy[rows])


@pytest.mark.parametrize("region", [(1, 2, 3), [(1, 2), (3, 4)], "left", [(0, 0), (1, np.nan), (3, 3)]])
def test_an_invalid_region_is_refused(region):
    with pytest.raises(UserError, match=r"^region: expected x1, y1, x2, y2 or at least three corners"):
        street().filter(region=region)


@pytest.mark.parametrize("classes", [[1.5], True, [None]])
def test_invalid_classes_are_refused(classes):
    with pytest.raises(UserError, match=r"^classes: expected names or indices of classes, got"):
        street().filter(classes=classes)


def test_save_txt_writes_fractions_of_the_image(tmp_path):
    street().save_txt(tmp_path / "street.txt")
    lines = (tmp_path / "street.txt").read_text().splitlines()
    assert len(lines) == 3
    for line, box, score, index in zip(lines, street().boxes_xyxy, street().scores, street().classes, strict=True):
        x1, y1, x2, y2 = box.tolist()
        expected = [index, (x1 + x2) / 2 / 64, (y1 + y2) / 2 / 48, (x2 - x1) / 64, (y2 - y1) / 48, score]
        np.testing.assert_allclose([float(word) for word in line.split()], expected, atol=1e-6)
    nothing(image=IMAGE).save_txt(tmp_path / "nothing.txt")
    assert (tmp_path / "nothing.txt").read_text() == ""


def test_crops_are_copies_of_whole_pixels(rng):
    image = rng.integers(0, 256, (48, 64, 3), np.uint8)
    boxes_xyxy = [[10, 20, 30, 40], [1.5, 2.25, 60, 44.2], [-5, -5, 0.2, 0.2], [63.9, 47.9, 70, 70]]
    crops = Detections(boxes_xyxy, [0.9, 0.8, 0.7, 0.6], [0] * 4, ["x"] * 4, image=image).crops()
    expected = [image[20:40, 10:30], image[2:45, 1:60], image[:1, :1], image[47:, 63:]]
    for crop, part in zip(crops, expected, strict=True):
        np.testing.assert_array_equal(crop, part)
        assert not np.shares_memory(crop, image)


@pytest.mark.parametrize("name", ["crops", "save_txt"])
def test_what_needs_the_image_says_so(name, tmp_path):
    arguments = [tmp_path / "a.txt"] if name == "save_txt" else []
    with pytest.raises(UserError, match=f"^{name}: expected detections with their image, got image=None"):
        getattr(street(image=None), name)(*arguments)


def test_a_notebook_gets_the_drawing():
    encoded = np.frombuffer(street()._repr_png_(), np.uint8)
    np.testing.assert_array_equal(cv2.imdecode(encoded, cv2.IMREAD_COLOR)[..., ::-1], street().draw())
    assert street(image=None)._repr_png_() is None


def test_show_without_a_display_is_one_line(monkeypatch):
    import matplotlib.pyplot

    matplotlib.pyplot.switch_backend("agg")
    with pytest.raises(UserError, match=r"^show: expected a notebook or a display, got neither .*Write a file instead"):
        street().show()


def test_show_in_a_notebook_gives_the_drawing_to_it(monkeypatch):
    shown = []
    ipython = types.SimpleNamespace(get_ipython=lambda: types.SimpleNamespace(kernel=1))
    display = types.SimpleNamespace(Image=lambda data: data, display=shown.append)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    street().show()
    assert shown == [street()._repr_png_()]


@pytest.mark.parametrize(
    ("library", "convert", "extra"),
    [("pandas", "to_pandas", "pandas"), ("supervision", "to_supervision", "track")],
)
def test_a_library_that_is_missing_is_named_with_its_extra(library, convert, extra, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(UserError, match=rf"^{convert}: .*pip install .keras_centernet\[{extra}\]."):
        getattr(street(), convert)()


def test_to_pandas():
    pytest.importorskip("pandas")
    frame = street(extras={"depth": [1.0, 2, 3], "keypoints_xy": np.zeros((3, 2, 2))}).to_pandas()
    columns = ["path", "x1", "y1", "x2", "y2", "score", "class_index", "class_name", "depth", "keypoints_xy"]
    assert list(frame.columns) == columns
    np.testing.assert_array_equal(frame[["x1", "y1", "x2", "y2"]].to_numpy(), street().boxes_xyxy)
    assert frame["class_name"].tolist() == ["car", "car", "person"]
    assert len(nothing().to_pandas()) == 0


def test_to_supervision():
    pytest.importorskip("supervision")
    converted = street(extras={"track_ids": np.array([4, 5, 6]), "depth": np.ones(3)}).to_supervision()
    np.testing.assert_array_equal(converted.xyxy, street().boxes_xyxy)
    np.testing.assert_array_equal(converted.confidence, street().scores)
    assert converted.class_id.tolist() == [2, 2, 0]
    assert converted.tracker_id.tolist() == [4, 5, 6]
    assert converted.data["class_name"].tolist() == ["car", "car", "person"]
    assert len(nothing().to_supervision()) == 0
