"""What is read from a COCO file about its images and objects, and errors in it."""

import json
import re

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from keras_centernet.data.formats.opening import read_source
from keras_centernet.errors import DataWarning, UserError

DOG = {"image_id": 30, "category_id": 18, "bbox": [5, 6, 20, 24], "area": 111.5, "iscrowd": 0}
CROWD_OF_CATS = {"image_id": 30, "category_id": 3, "bbox": [0, 0, 64, 48], "area": 2000, "iscrowd": 1}
WITHOUT_BOX = {"image_id": 30, "category_id": 18}


def test_boxes_ids_crowds_and_areas(write_coco, examples_of):
    source = read_source(write_coco([DOG, CROWD_OF_CATS]), "train")
    assert source.classes == ("cat", "dog")  # in the order of their ids
    assert source.category_ids == (3, 18)
    first, second = examples_of(source)
    np.testing.assert_array_equal(first["boxes_xyxy"], [(5, 6, 25, 30), (0, 0, 64, 48)])
    assert first["classes"].tolist() == [1, 0]
    assert first["is_crowd"].tolist() == [False, True]
    assert first["areas"].tolist() == [111.5, 2000]
    assert [first["image_id"], second["image_id"]] == [30, 7]
    assert second["boxes_xyxy"].shape == (0, 4)


def test_area_is_that_of_the_box_where_the_file_has_none(write_coco, examples_of):
    rows = [{key: DOG[key] for key in ("image_id", "category_id", "bbox")}, {**DOG, "bbox": [1, 1, 2, 2], "area": 0}]
    assert examples_of(read_source(write_coco(rows), "train"))[0]["areas"].tolist() == [480, 4]


def test_numbers_may_be_strings(write_coco, examples_of):
    row = {**DOG, "bbox": ["5", "6", "20", "24.0"], "area": "111.5", "iscrowd": "1"}
    (first, _) = examples_of(read_source(write_coco([row]), "train"))
    np.testing.assert_array_equal(first["boxes_xyxy"], [(5, 6, 25, 30)])
    assert (first["areas"].tolist(), first["is_crowd"].tolist()) == ([111.5], [True])


def test_order_of_classes_can_be_given(write_coco, examples_of):
    source = read_source(write_coco([DOG]), "train", classes=("dog", "horse", "cat"))
    assert source.classes == ("dog", "horse", "cat")
    assert source.category_ids == (18, None, 3)
    assert examples_of(source)[0]["classes"].tolist() == [0]


def test_names_that_are_numbers_are_their_digits(write_coco):
    categories = [{"id": 3, "name": 7}, {"id": 18, "name": "007"}]
    assert read_source(write_coco([DOG], categories=categories), "train").classes == ("7", "007")


def test_categories_of_one_name_are_one_class(write_coco):
    categories = [{"id": 0, "name": "dog"}, {"id": 3, "name": "cat"}, {"id": 18, "name": "dog"}]
    source = read_source(write_coco([DOG], categories=categories), "train")
    assert source.classes == ("dog", "cat")
    assert source.category_ids == (18, 3)  # the id that objects use


def test_file_that_two_entries_name_is_one_image(write_coco):
    images = [{"id": 30, "file_name": "a.jpg"}, {"id": 7, "file_name": "./a.jpg"}, {"id": 8, "file_name": "b.jpg"}]
    rows = [DOG, {**DOG, "image_id": 7, "bbox": [1, 2, 3, 4]}]
    with pytest.warns(DataWarning, match=r"1 entries of 'images' name a file that another entry names, too.*a\.jpg"):
        source = read_source(write_coco(rows, images=images), "train")
    assert source.object_counts.tolist() == [2, 0]


def test_entry_of_a_missing_file_is_skipped(write_coco):
    folder = write_coco([{**DOG, "image_id": 7}])
    (folder / "train2017" / "a.jpg").unlink()
    with pytest.warns(DataWarning, match=r"1 of 2 images skipped, file missing or unreadable; first: image .*a\.jpg"):
        assert read_source(folder, "train").size == 1


def test_annotation_of_an_unlisted_image_is_skipped(write_coco):
    with pytest.warns(DataWarning, match="1 annotation.* skipped, their image is not in the list.*; first: entry 1 of"):
        source = read_source(write_coco([DOG, {**DOG, "image_id": 99}]), "train")
    assert source.object_counts.tolist() == [1, 0]


RUNS = [48 * 10 + 5, 7, 48 - 7, 7, 48 * 64 - 48 * 11 - 5 - 7]  # two columns, 10 and 11, of rows 5 to 11
COMPRESSED = coco_mask.frPyObjects({"size": [48, 64], "counts": RUNS}, 48, 64)["counts"].decode()


@pytest.mark.parametrize(
    ("made_of", "box", "origin"),
    [
        ({"segmentation": [[10, 12, 20, 12, 15, 30]]}, (10, 12, 20, 30), "that of the segmentation"),
        ({"segmentation": [[10, 12, 20, 12, 15, 30], [40, 1, 41, 1, 41, 9]]}, (10, 1, 41, 30), "segmentation"),
        ({"segmentation": [10, 12, 20, 12, 15, 30]}, (10, 12, 20, 30), "segmentation"),
        ({"segmentation": [[10, 12], [20, 12], [15, 30]]}, (10, 12, 20, 30), "segmentation"),
        ({"segmentation": {"size": [48, 64], "counts": RUNS}}, (10, 5, 12, 12), "segmentation"),
        ({"segmentation": {"size": [48, 64], "counts": COMPRESSED}}, (10, 5, 12, 12), "segmentation"),
        ({"bbox": [], "segmentation": [[1, 2, 3, 4]]}, (1, 2, 3, 4), "segmentation"),
        (
            {"segmentation": [], "keypoints": [9, 8, 2, 0, 0, 0, 30, 7, 1]},
            (9, 7, 30, 8),
            "hull of the marked keypoints",
        ),
    ],
    ids=["polygon", "two polygons", "flat", "points", "runs", "compressed runs", "empty bbox", "keypoints"],
)
def test_a_box_that_is_not_stated_is_derived(made_of, box, origin, write_coco, examples_of):
    folder = write_coco([{**WITHOUT_BOX, **made_of}])
    with pytest.warns(DataWarning, match=f"1 annotation.* without bbox, the box is .*{origin}.*; first: entry 0 of"):
        source = read_source(folder, "train")
    np.testing.assert_array_equal(examples_of(source)[0]["boxes_xyxy"], [box])


def test_boxes_of_masks_are_those_that_pycocotools_gives(write_coco, examples_of):
    rng, masks = np.random.default_rng(0), []
    for density in (0.001, 0.01, 0.5, 0.99) * 10:
        y, x, height, width = rng.integers(0, 40, 4)
        mask = np.zeros((48, 64), np.uint8)
        mask[y : y + height, x : x + width] = rng.random(mask[y : y + height, x : x + width].shape) < density
        masks += [mask] if mask.any() else []
    texts = [coco_mask.encode(np.asfortranarray(mask)) for mask in masks]
    rows = [{**WITHOUT_BOX, "segmentation": {"size": [48, 64], "counts": text["counts"].decode()}} for text in texts]
    with pytest.warns(DataWarning):
        source = read_source(write_coco(rows), "train")
    x, y, width, height = np.array([coco_mask.toBbox(text) for text in texts]).T
    expected = np.unique(np.stack([x, y, x + width, y + height], axis=1), axis=0)
    np.testing.assert_array_equal(np.unique(examples_of(source)[0]["boxes_xyxy"], axis=0), expected)


def test_annotation_without_anything_is_skipped(write_coco):
    with pytest.warns(
        DataWarning, match="1 annotation.* skipped, they have neither bbox nor segmentation nor a marked"
    ):
        source = read_source(write_coco([DOG, {**WITHOUT_BOX, "keypoints": [1, 2, 0]}]), "train")
    assert source.object_counts.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("category_id", 5, "a category_id of [18, 3], got 5 in entry 0 of 'annotations'; add the category."),
        ("category_id", None, "expected a number or a text as category_id in entry 0 of 'annotations', got None"),
        ("category_id", [18], "expected a number or a text as category_id in entry 0 of 'annotations', got [18]"),
        ("image_id", {}, "expected a number or a text as image_id in entry 0 of 'annotations', got {}"),
        ("image_id", True, "expected a number or a text as image_id in entry 0 of 'annotations', got True"),
        ("image_id", float("nan"), "expected a number or a text as image_id in entry 0 of 'annotations', got nan"),
        (
            "bbox",
            [1, 2],
            "(x, y, width, height) in entry 0 of 'annotations', got [1, 2]",
        ),
        ("bbox", [1, 2, 3, None], "expected a bbox of four numbers"),
        ("bbox", [1, 2, True, 4], "expected a bbox of four numbers"),
        (
            "bbox",
            {"x": 1},
            "(x, y, width, height) in entry 0 of 'annotations', got {'x'",
        ),
        ("bbox", "1 2 3 4", "expected a bbox of four numbers"),
        ("bbox", [1, 2, 10**400, 4], "expected a bbox of four numbers"),
        (
            "bbox",
            [1, 2, float("nan"), 4],
            "entry 0 of 'annotations': expected 4 number(s) of at most 1e+06",
        ),
        ("bbox", [1, 2, 1e300, 4], "entry 0 of 'annotations': expected 4 number(s) of at most 1e+06"),
        ("area", "large", "in size as the area, got large"),
        ("area", {}, "in size as the area, got {}"),
        ("iscrowd", "no", "expected iscrowd of 0 or 1 in entry 0 of 'annotations', got 'no'"),
        ("iscrowd", [1], "expected iscrowd of 0 or 1 in entry 0 of 'annotations', got [1]"),
    ],
)
def test_wrong_value_of_an_annotation_is_named(key, value, message, write_coco):
    folder = write_coco([DOG | {key: value}])
    with pytest.raises(UserError, match=re.escape("instances_train2017.json") + ".*" + re.escape(message)):
        read_source(folder, "train")


@pytest.mark.parametrize(
    "segmentation",
    [
        "polygon",
        5,
        [[1, 2, 3]],
        [[1, 2, "a", 4]],
        [[[[[1, 2]]]]],
        [[1, 2, 3, 4], 5],
        {"size": [48, 64]},
        {"size": [48, 64], "counts": [1, 2]},
        {"size": [48, 64], "counts": [-1, 48 * 64 + 1]},
        {"size": [0, 64], "counts": "abc"},
        {"size": [48, 64], "counts": COMPRESSED + "o"},
        {"size": [48, 64], "counts": COMPRESSED[:-1]},
        {"size": [48, 64], "counts": "\0\x7f"},
        {"size": [48], "counts": "abc"},
        {"size": "48", "counts": "abc"},
        {"size": [48, 64], "counts": {}},
    ],
    ids=str,
)
def test_wrong_segmentation_is_named(segmentation, write_coco):
    folder = write_coco([DOG, {**WITHOUT_BOX, "segmentation": segmentation}])
    message = r"expected (a segmentation of|run lengths with) .* in entry 1 of 'annotations'"
    with pytest.raises(UserError, match=message):
        read_source(folder, "train")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"categories": None},
            "'categories' as in COCO, got no 'categories'",
        ),
        (
            {"annotations": {"0": DOG}},
            "'categories' as in COCO, got 'annotat",
        ),
        ({"images": []}, "expected at least one image, got an empty split; choose another split."),
        ({"images": ["a.jpg"]}, "expected id in entry 0 of 'images', got 'a.jpg'"),
        ({"images": [{"file_name": "a.jpg"}]}, "expected id in entry 0 of 'images', got {'file_name': 'a.jpg'}"),
        ({"images": [{"id": 1}]}, "a file as file_name in entry 0 of 'images', got None"),
        (
            {"images": [{"id": 1, "file_name": 5}]},
            "a file as file_name in entry 0 of 'images', got 5",
        ),
        ({"images": [{"id": 1, "file_name": ["a.jpg"]}]}, "expected the name of a file as file_name in entry 0"),
        ({"images": [{"id": 1, "file_name": " "}]}, "expected the name of a file as file_name in entry 0"),
        ({"images": [{"id": 1, "file_name": "a\0b.jpg"}]}, "expected the name of a file as file_name in entry 0"),
        ({"images": [{"id": None, "file_name": "a.jpg"}]}, "expected a number or a text as id in entry 0 of 'images'"),
        (
            {"images": [{"id": i, "file_name": "a.jpg"} for i in (4, 5, 4.0)]},
            "expected every id once, got 4.0 in entries 0 and 2 of 'images'; number them anew.",
        ),
        (
            {"images": [{"id": 30, "file_name": "a.jpg", "height": "tall", "width": 64}]},
            "expected height and width of ",
        ),
        ({"annotations": [[1, 2, 3]]}, "image_id, category_id in entry 0 of 'annotations', got [1, 2, 3]"),
        (
            {"annotations": [{"image_id": 30}]},
            "image_id, category_id in entry 0 of 'annotations', got {'image",
        ),
        ({"categories": ["cat"]}, "expected id, name in entry 0 of 'categories', got 'cat'"),
        ({"categories": [{"id": 18, "name": 5.5}]}, "expected a text as name in entry 0 of 'categories', got 5.5"),
        ({"categories": [{"id": 18, "name": True}]}, "expected a text as name in entry 0 of 'categories', got True"),
        ({"categories": [{"id": 18, "name": None}]}, "expected a text as name in entry 0 of 'categories', got None"),
        ({"categories": [{"id": [18], "name": "a"}]}, "expected a number or a text as id in entry 0 of 'categories'"),
        (
            {"categories": [{"id": 18, "name": "a"}, {"id": 18, "name": "b"}]},
            "expected every id once, got 18 in entries 0 and 1 of 'categories'",
        ),
    ],
)
def test_wrong_entry_is_named(changes, message, write_coco_file, tmp_path):
    path = tmp_path / "annotations" / "instances_train2017.json"
    write_coco_file(path, image_folder=tmp_path / "train2017", **changes)
    with pytest.raises(UserError, match=re.escape("instances_train2017.json") + ".*" + re.escape(message)):
        read_source(tmp_path, "train")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "expected JSON, got a file that is none"),
        (b"", "expected JSON, got a file that is none"),
        (b"[" * 100_000, "expected JSON, got one that is nested too deeply"),
        (b'{"images": "\xe4"}', "line 1: expected text in UTF-8, got other bytes"),
        (b"5", "expected lists 'images', 'annotations' and 'categories'"),
    ],
    ids=["cut off", "empty", "too deep", "Latin-1", "a number"],
)
def test_file_that_is_no_json(content, message, write_coco):
    folder = write_coco([DOG])
    (folder / "annotations" / "instances_train2017.json").write_bytes(content)
    with pytest.raises(UserError, match=f"instances_train2017.json.*{message}"):
        read_source(folder, "train")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_byte_order_mark_is_dropped(encoding, write_coco):
    folder = write_coco([DOG])
    path = folder / "annotations" / "instances_train2017.json"
    path.write_text(path.read_text(), encoding=encoding)
    assert read_source(folder, "train").size == 2


def test_split_without_objects_is_refused(write_coco):
    with pytest.raises(UserError, match=r"expected objects to learn from .*, but all 2 image\(s\) are without objects"):
        read_source(write_coco([]), "train")


def test_objects_of_other_classes_are_left_out(write_coco):
    with pytest.warns(DataWarning, match=re.escape("1 object(s) of ")):
        source = read_source(write_coco([DOG, CROWD_OF_CATS]), "train", classes=("cat", "horse"))
    assert source.object_counts.tolist() == [1, 0]


def test_a_damaged_json_file_that_is_given_by_name(write_coco, tmp_path):
    (tmp_path / "mine.json").write_text(json.dumps({"images": [], "annotations": 5, "categories": []}))
    with pytest.raises(UserError, match=r"mine\.json: expected lists .* got 'annotations': 5"):
        read_source(tmp_path / "mine.json", "train")
