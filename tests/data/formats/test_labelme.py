"""LabelMe's JSON: one file of shapes per image."""

import json
import re

import numpy as np
import pytest

from keras_centernet import load_dataset
from keras_centernet.data.formats.opening import read_source, splits_of
from keras_centernet.data.formats.table import find_format
from keras_centernet.errors import DataWarning, UserError


def shape(label, points, kind="rectangle", **more):
    return {"label": label, "points": points, "shape_type": kind, "group_id": None, "flags": {}, **more}


CAT = shape("cat", [[5, 6], [25, 30]])


@pytest.fixture
def write_labelme(tmp_path, write_image):
    """write_labelme({path of a JSON file: shapes}, images=...) writes them and images of 48 x 64; returns the folder.

    `images` is the folder of the images, relative to that of the JSON file; {} stands for the latter's name.
    """

    def write(shapes_by_place, images=".", suffix=".jpg", **changes):
        for place, shapes in shapes_by_place.items():
            path = tmp_path / place
            name = f"{images.format(path.parent.name)}/{path.stem}{suffix}".removeprefix("./")
            path.parent.mkdir(parents=True, exist_ok=True)
            write_image((path.parent / name).resolve())
            content = {"version": "5.0.1", "flags": {}, "shapes": shapes, "imagePath": name, "imageData": None}
            path.write_text(json.dumps({**content, "imageHeight": 48, "imageWidth": 64, **changes}))
        return tmp_path

    return write


@pytest.mark.parametrize(
    ("one", "box"),
    [
        (CAT, (5, 6, 25, 30)),
        (shape("cat", [[25, 30], [5, 6]]), (5, 6, 25, 30)),
        (shape("cat", [[5, 6], [25, 6], [25, 30], [5, 30]]), (5, 6, 25, 30)),
        (shape("cat", [[5, 6], [25, 10], [9, 30]], "polygon"), (5, 6, 25, 30)),
        (shape("cat", [[5, 6], [25, 10], [9, 30]], None), (5, 6, 25, 30)),
        (shape("cat", [[30, 20], [33, 24]], "circle"), (25, 15, 35, 25)),
        (shape("cat", [[5, 6], [25, 30]], "mask", mask="iVBORw0KGgo="), (5, 6, 25, 30)),
        (shape("cat", [[15, 6], [25, 16], [15, 26], [5, 16]], "rotation", direction=0.8), (5, 6, 25, 26)),
        (shape("cat", [["5", "6.5"], [25, 30]]), (5, 6.5, 25, 30)),
    ],
    ids=["rectangle", "turned", "four corners", "polygon", "no type", "circle", "mask", "rotation", "texts"],
)
def test_boxes_of_shapes(one, box, write_labelme, examples_of):
    source = read_source(write_labelme({"a.json": [one]}), "all", "labelme")
    np.testing.assert_allclose(examples_of(source)[0]["boxes_xyxy"], [box])
    assert source.classes == ("cat",)


@pytest.mark.parametrize(
    ("places", "images", "splits"),
    [
        (["a.json", "b.json"], ".", ()),
        (["labels/a.json", "labels/b.json"], "../images", ()),
        (["annotations/a.json"], "..", ()),
        (["one/a.json", "two/a.json"], ".", ()),
        (["train/a.json", "valid/a.json"], ".", ("train", "valid")),
        (["labels/train/a.json", "labels/val/b.json"], "../../images/{}", ("train", "val")),
        (["train/labels/a.json", "test/labels/a.json"], "../images", ("test", "train")),
        (["train/a.json", "more/a.json"], ".", ("more", "train")),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_places(places, images, splits, write_labelme):
    folder = write_labelme({place: [CAT] for place in places}, images)
    assert find_format(folder) == "labelme"
    assert set(splits_of(folder)) == set(splits)
    source = read_source(folder, "all")
    assert source.size == len(places)
    parents = [(folder / place).parent for place in places]
    expected = {
        (parent / images.format(parent.name)).resolve() / f"{place[-6]}.jpg"
        for parent, place in zip(parents, places, strict=True)
    }
    assert {str(path) for path in expected} == set(source.image_names)
    for split in splits:
        assert read_source(folder, split).size == 1


def test_images_that_lie_together_are_split(write_labelme):
    folder = write_labelme({f"{letter}.json": [CAT] for letter in "abcdefghij"})
    parts = [read_source(folder, split).image_names for split in ("train", "val")]
    assert [len(part) for part in parts] == [8, 2]
    assert not set(parts[0]) & set(parts[1])


def test_one_file(write_labelme):
    folder = write_labelme({"a.json": [CAT], "b.json": [CAT]})
    assert find_format(folder / "a.json") == "labelme"
    assert read_source(folder / "a.json", "all").image_names == (str(folder / "a.jpg"),)


def test_images_elsewhere(write_labelme, tmp_path):
    folder = write_labelme({"labels/a.json": [CAT]}, "../photos")
    labels, photos = (folder / "labels").rename(tmp_path / "mine"), folder / "photos"
    assert find_format(photos, annotations=labels) == "labelme"
    assert read_source(photos, "all", annotations=labels).size == 1
    assert read_source(tmp_path, "all", annotations=labels, images=photos).size == 1


def test_other_json_files_are_passed_over(write_labelme):
    folder = write_labelme({"b.json": [CAT]})
    (folder / "a_package.json").write_text('{"name": "x", "version": "1", "flags": 1}')
    (folder / "list.json").write_text("[1]")
    assert find_format(folder) == "labelme"
    with pytest.warns(DataWarning, match=r"2 JSON file\(s\) passed over, they hold no shapes"):
        assert read_source(folder, "all").size == 1


def test_image_without_label_file_is_left_out(write_labelme, write_image):
    folder = write_labelme({"labels/a.json": [CAT]}, "../images")
    write_image(folder / "images" / "b.jpg")
    with pytest.warns(DataWarning, match=r"1 image\(s\) without label file left out; first: .*b\.jpg"):
        assert read_source(folder, "all").size == 1


@pytest.mark.parametrize(
    "stated", ["C:\\photos\\a.jpg", "..\\old\\a.jpg", "renamed.jpg", None, "", "A.JPG"], ids=["drive", *"12345"]
)
def test_image_is_found_by_the_name_of_its_label_file(stated, write_labelme, recwarn):
    folder = write_labelme({"a.json": [CAT]}, imagePath=stated)
    assert read_source(folder, "all").image_names == (str(folder / "a.jpg"),)


def test_image_that_is_only_inside_its_label_file_is_reported(write_labelme):
    folder = write_labelme({"a.json": [CAT], "b.json": [CAT]}, imageData="AAAA" * 100_000)
    (folder / "a.jpg").unlink()
    assert find_format(folder) == "labelme"
    with pytest.warns(DataWarning) as said:
        assert read_source(folder, "all").size == 1
    texts = [str(warning.message) for warning in said]
    assert any(re.match(r"1 image\(s\) that are only inside of their label file.*first: .*a\.json", t) for t in texts)
    assert any("1 of 2 images skipped" in text for text in texts)


def test_two_label_files_of_one_image_are_joined(write_labelme):
    folder = write_labelme({"a.json": [CAT]})
    write_labelme({"b.json": [shape("dog", [[1, 2], [3, 4]])]}, imagePath="a.jpg")
    (folder / "b.jpg").unlink()
    with pytest.warns(DataWarning, match=r"1 label file\(s\) of an image that has another one"):
        assert read_source(folder, "all").object_counts.tolist() == [2]


def test_shapes_of_one_label_and_group_are_one_object(write_labelme, examples_of):
    parts = [
        shape("cat", [[1, 2], [9, 9]], group_id=3),
        shape("cat", [[20, 5], [30, 8], [22, 4]], "polygon", group_id=3),
    ]
    folder = write_labelme(
        {"a.json": [*parts, shape("dog", [[1, 1], [5, 5]], group_id=3), CAT, CAT | {"label": "dog"}]}
    )
    with pytest.warns(DataWarning, match=r"1 shape\(s\) of one label and group_id, taken for parts.*a\.json, shape 1"):
        source = read_source(folder, "all")
    np.testing.assert_array_equal(examples_of(source)[0]["boxes_xyxy"][0], (1, 2, 30, 9))
    assert source.object_counts.tolist() == [4]


def test_shapes_without_box_are_counted(write_labelme):
    shapes = [CAT, shape("edge", [[1, 2], [3, 4]], "line"), shape("x", [[1, 2]], "point"), shape("y", [[1, 2]], "star")]
    with pytest.warns(DataWarning) as said:
        source = read_source(write_labelme({"a.json": shapes}), "all")
    assert source.classes == ("cat",)
    texts = " | ".join(str(warning.message) for warning in said)
    assert re.search(r"1 shape\(s\) of type line skipped, which have no box; first: .*a\.json, shape 1", texts)
    assert re.search(r"1 point\(s\) skipped, they share no group_id .*; first: .*a\.json, shape 2", texts)
    assert re.search(r"1 shape\(s\) of type star skipped", texts)


def test_difficult_objects_are_marked(write_labelme, examples_of):
    folder = write_labelme({"a.json": [CAT, shape("cat", [[1, 2], [30, 40]], difficult=True)]})
    assert examples_of(read_source(folder, "all"))[0]["is_difficult"].tolist() == [False, True]


@pytest.fixture
def poses(examples_of):
    """poses(folder, split) -> (skeleton, keypoints of the objects of each image)."""

    def read(folder, split="all"):
        source = read_source(folder, split, fields=("keypoints_xyv",))
        return source.task_options["skeleton"], [example["keypoints_xyv"] for example in examples_of(source)]

    return read


@pytest.mark.slow
def test_points_in_groups_are_keypoints(write_labelme, poses):
    shapes = [
        shape("cat", [[5, 6], [25, 30]], group_id=1),
        shape("l_eye", [[10, 12]], "point", group_id=1),
        shape("r_eye", [[20, 13]], "point", group_id=1, difficult=True),
        shape("cat", [[30, 6], [50, 30], [35, 9]], "polygon", group_id="2"),
        shape("tail", [[40, 20]], "point", group_id="2"),
        CAT | {"points": [[1, 1], [9, 9]]},
    ]
    folder = write_labelme({"train/a.json": shapes, "val/b.json": shapes[:2]})
    skeleton, (found,) = poses(folder, "train")
    assert skeleton["names"] == ["l_eye", "r_eye", "tail"]
    assert skeleton["flip_pairs"] == [[0, 1]]
    np.testing.assert_allclose(
        found,
        [
            [(10, 12, 2), (20, 13, 1), (0, 0, 0)],
            [(0, 0, 0), (0, 0, 0), (40, 20, 2)],
            np.zeros((3, 3)),
        ],
    )
    other, _ = poses(folder, "val")  # this image shows only one of the keypoints
    assert other == skeleton
    data = load_dataset(folder, "train", task="pose", input_size=64, batch_size=1)
    assert next(iter(data))[1]["keypoints_xyv"].shape == (1, 32, 3, 3)


def test_names_of_keypoints_are_in_the_order_of_their_numbers(write_labelme, poses):
    points = [shape(str(i), [[10 + i, 12]], "point", group_id=1) for i in (10, 2, 1)]
    skeleton, _ = poses(write_labelme({"a.json": [CAT | {"group_id": 1}, *points]}))
    assert skeleton["names"] == ["1", "2", "10"]


def test_keypoint_that_is_given_twice_is_counted(write_labelme, poses):
    points = [shape("eye", [[x, 12]], "point", group_id=1) for x in (10, 15)]
    folder = write_labelme({"a.json": [CAT | {"group_id": 1}, *points]})
    with pytest.warns(DataWarning, match=r"1 point\(s\) skipped, their object has another one of that label.*shape 2"):
        _, (found,) = poses(folder)
    np.testing.assert_allclose(found, [[(10, 12, 2)]])


def test_poses_need_points(write_labelme, poses):
    with pytest.raises(UserError, match="expected points that share a group_id with a rectangle or polygon"):
        poses(write_labelme({"a.json": [CAT]}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"label": 5},
            "shape 1: expected a label, points, a text as shape_type, and a number or nothing as group_id, got",
        ),
        ({"label": None}, "shape 1: expected a label"),
        ({"label": " "}, "shape 1: expected a label"),
        ({"group_id": [1]}, "shape 1: expected a label"),
        ({"points": None}, "shape 1: expected points [[x, y], ...] in numbers, got None"),
        ({"points": []}, "shape 1: expected points"),
        ({"points": [1, 2, 3]}, "shape 1: expected points"),
        ({"points": [[1, 2, 3]]}, "shape 1: expected points"),
        ({"points": [["a", 2], [3, 4]]}, "shape 1: expected points"),
        ({"points": {"x": 1}}, "shape 1: expected points"),
        ({"points": [[float("nan"), 2], [3, 4]]}, "shape 1: expected 4 number(s) of at most 1e+06 in size as the box"),
        ({"points": [[1, 2], [3, 1e300]]}, "shape 1: expected 4 number(s) of at most 1e+06 in size as the box"),
        ({"points": [[1, 2]], "shape_type": "circle"}, "shape 1: expected a circle's centre and a point on it, got 1"),
    ],
)
def test_wrong_shape_is_named(change, message, write_labelme):
    folder = write_labelme({"a.json": [CAT, CAT | change]})
    with pytest.raises(UserError, match=re.escape(f"a.json, {message}")):
        read_source(folder, "all")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shapes": 5}, "a.json: expected a list of shapes, got 5"),
        ({"shapes": [5]}, "a.json, shape 0: expected a label"),
        ({"imagePath": 5}, "a.json: expected the name of a file as imagePath, got 5"),
        ({"imagePath": "a\0.jpg"}, "a.json: expected the name of a file as imagePath"),
        ({"imageHeight": "tall"}, "a.json: expected height and width of "),
        ({"shapes": []}, "expected objects to learn from or to measure with"),
    ],
)
def test_wrong_file_is_named(changes, message, write_labelme):
    with pytest.raises(UserError, match=re.escape(message)):
        read_source(write_labelme({"a.json": [CAT]}, **changes), "all")


def test_file_that_is_no_json(write_labelme):
    folder = write_labelme({"a.json": [CAT], "b.json": [CAT]})
    (folder / "b.json").write_text("{")
    with pytest.raises(UserError, match=r"b\.json: expected JSON, got a file that is none"):
        read_source(folder, "all")


def test_folder_without_label_files(tmp_path):
    with pytest.raises(UserError, match="expected JSON files in LabelMe's format, got none"):
        read_source(tmp_path, "all", "labelme")
