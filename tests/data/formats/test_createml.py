"""CreateML's JSON: one list of images per split, boxes given by centre and size."""

import json
import re

import numpy as np
import pytest

from keras_centernet.data.formats.opening import read_source, splits_of
from keras_centernet.data.formats.table import find_format
from keras_centernet.errors import DataWarning, UserError

CAT = {"label": "cat", "coordinates": {"x": 15, "y": 18, "width": 20, "height": 24}}
DOG = {"label": "dog", "coordinates": {"x": "30.5", "y": 20, "width": 9, "height": 8}}


@pytest.fixture
def write_createml(tmp_path, write_image):
    """write_createml(place, {image name: annotations}) writes the file, and images of 48 x 64 beside it."""

    def write(place, objects_by_name, image_key="image", objects_key="annotations", images=None):
        path = tmp_path / place
        entries = [{image_key: name, objects_key: objects} for name, objects in objects_by_name.items()]
        for name in objects_by_name:
            write_image((path.parent if images is None else tmp_path / images) / name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(entries))
        return tmp_path

    return write


@pytest.mark.parametrize(
    ("image_key", "objects_key"),
    [("image", "annotations"), ("imageFilename", "annotations"), ("imagefilename", "annotation")],
)
def test_boxes_are_given_by_their_centres(image_key, objects_key, write_createml, examples_of):
    objects = {"a.jpg": [CAT, DOG], "b.jpg": [], "c.jpg": None}
    folder = write_createml("_annotations.createml.json", objects, image_key, objects_key)
    assert find_format(folder) == "createml"
    source = read_source(folder, "all")
    assert source.classes == ("cat", "dog")
    assert source.object_counts.tolist() == [2, 0, 0]
    np.testing.assert_array_equal(examples_of(source)[0]["boxes_xyxy"], [(5, 6, 25, 30), (26, 16, 35, 24)])


def test_splits_are_folders(write_createml):
    for split in ("train", "valid"):
        folder = write_createml(f"{split}/_annotations.createml.json", {"a.jpg": [CAT], f"{split}.jpg": [DOG]})
    assert splits_of(folder) == ("train", "valid")
    assert read_source(folder, "val").image_names == tuple(
        str(folder / "valid" / name) for name in ("a.jpg", "valid.jpg")
    )
    assert read_source(folder, "all").size == 4


@pytest.mark.parametrize(
    ("place", "images", "split"),
    [
        ("labels.json", "images", "labels"),
        ("annotations/train.json", "train", "train"),
        ("annotations/createml.json", "images", "createml"),
    ],
)
def test_other_places(place, images, split, write_createml):
    folder = write_createml(place, {"a.jpg": [CAT]}, images=images)
    assert find_format(folder) == find_format(folder / place) == "createml"
    assert find_format("photos", annotations=folder / place) == "createml"
    assert splits_of(folder) == (split,)
    assert read_source(folder, "all").image_names == (str(folder / images / "a.jpg"),)


def test_images_that_lie_together_are_split(write_createml):
    folder = write_createml("createml.json", {f"{letter}.jpg": [CAT] for letter in "abcdefghij"})
    parts = [read_source(folder, split).image_names for split in ("train", "val")]
    assert [len(part) for part in parts] == [8, 2]
    assert not set(parts[0]) & set(parts[1])


def test_image_that_is_listed_twice_is_read_once(write_createml):
    folder = write_createml("createml.json", {"a.jpg": [CAT], "./a.jpg": [DOG]})
    with pytest.warns(DataWarning, match="1 entries that name a file which another entry names"):
        assert read_source(folder, "all").object_counts.tolist() == [2]


def test_missing_image_is_skipped(write_createml):
    folder = write_createml("createml.json", {"a.jpg": [CAT], "b.jpg": [DOG]})
    (folder / "b.jpg").unlink()
    with pytest.warns(DataWarning, match=r"1 of 2 images skipped, file missing or unreadable; first: image .*b\.jpg"):
        assert read_source(folder, "all").size == 1
    (folder / "a.jpg").unlink()
    with pytest.raises(UserError, match=r"createml\.json: expected its images in .*, found none of the 2"):
        read_source(folder, "all")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[", "createml.json: expected JSON, got a file that is none"),
        ("[]", "createml.json: expected a list of images with 'annotations' as in CreateML, got []"),
        ('[{"image": "a.jpg", "annotations": []}, 5]', "createml.json, entry 1: expected an image with"),
        ('[{"image": 5, "annotations": []}]', "createml.json, entry 0: expected the name of a file as 'image', got 5"),
        ('[{"image": "a.jpg", "annotations": 5}]', "createml.json, entry 0: expected a list of annotations, got 5"),
        ('[{"image": "a.jpg", "annotations": [5]}]', "createml.json, annotation 0 of entry 0: expected a label and"),
        ('[{"image": "a.jpg", "annotations": [{"label": "cat"}]}]', "annotation 0 of entry 0: expected a label and"),
    ],
)
def test_damage_is_named(content, message, write_createml):
    folder = write_createml("createml.json", {"a.jpg": [CAT]})
    (folder / "createml.json").write_text(content)
    with pytest.raises(UserError, match=re.escape(message)):
        read_source(folder, "all", "createml", annotations=folder / "createml.json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"coordinates": [1, 2, 3, 4]}, "annotation 1 of entry 0: expected a label and coordinates"),
        ({"coordinates": {**CAT["coordinates"], "x": None}}, "annotation 1 of entry 0: expected a label and"),
        (
            {"coordinates": {**CAT["coordinates"], "x": "NaN"}},
            "annotation 1 of entry 0: expected 4 number(s) of at most",
        ),
        (
            {"coordinates": {**CAT["coordinates"], "width": 1e300}},
            "annotation 1 of entry 0: expected 4 number(s) of at",
        ),
        ({"label": 5}, "annotation 1 of entry 0: expected the name of a class, got 5"),
        ({"label": " "}, "annotation 1 of entry 0: expected the name of a class"),
    ],
)
def test_wrong_value_of_an_annotation_is_named(change, message, write_createml):
    folder = write_createml("createml.json", {"a.jpg": [CAT, CAT | change]})
    with pytest.raises(UserError, match=re.escape(f"createml.json, {message}")):
        read_source(folder, "all")


def test_two_files_of_one_split(write_createml):
    write_createml("train.json", {"a.jpg": [CAT]})
    folder = write_createml("annotations/train.json", {"a.jpg": [CAT]})
    with pytest.raises(UserError, match="expected one JSON file in CreateML's format for split 'train'"):
        read_source(folder, "train")
