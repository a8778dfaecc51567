"""COCO in any folder layout: its JSON files, which split each of them is, and its images."""

import json
import re

import pytest

from keras_centernet.data.formats.opening import read_source, splits_of
from keras_centernet.data.formats.table import find_format
from keras_centernet.errors import DataWarning, UserError

MANY = tuple(f"{'abcdefghij'[i]}.jpg" for i in range(10))


@pytest.mark.parametrize(
    ("place", "images", "split"),
    [
        ("annotations/instances_train.json", "images", "train"),
        ("annotations/instances_train2017.json", "train2017", "train2017"),
        ("annotations/instances_train.json", "images/train", "train"),
        ("annotations/instances_train2017.json", "images/train", "train2017"),
        ("annotations/instances_train.json", "train2017", "train"),
        ("annotations/train.json", "images", "train"),
        ("annotations/instances_default.json", "images/default", "default"),
        ("annotations/instances_default.json", "images", "default"),
        ("annotations/instances_Train.json", "images/Train", "Train"),
        ("train/_annotations.coco.json", "train", "train"),
        ("train/labels.json", "train/data", "train"),
        ("train/annotations/instances_default.json", "train/images", "default"),
        ("labels.json", "data", "labels"),
        ("result.json", "images", "result"),
        ("annotations.json", "images", "annotations"),
        ("mine.json", "", "mine"),
        ("train_annotations.json", "images", "train"),
        ("coco/annotations/instances_val2017.json", "coco/val2017", "val2017"),
        ("labels/train.json", "data", "train"),
    ],
)
def test_places(place, images, split, tmp_path, write_coco_file):
    write_coco_file(tmp_path / place, image_folder=tmp_path / images)
    assert find_format(tmp_path) == "coco"
    assert splits_of(tmp_path) == (split,)
    source = read_source(tmp_path, "all")
    assert source.image_names == (str(tmp_path / images / "a.jpg"),)


def test_splits_are_known_by_the_names_of_files_and_folders(tmp_path, write_coco_file):
    for part in ("train", "valid", "test"):
        write_coco_file(tmp_path / part / "_annotations.coco.json", (f"{part}.jpg",), tmp_path / part)
    assert set(splits_of(tmp_path)) == {"train", "valid", "test"}
    assert read_source(tmp_path, "val").image_names == (str(tmp_path / "valid" / "valid.jpg"),)
    assert read_source(tmp_path, "all").size == 3


def test_splits_of_any_name(tmp_path, write_coco_file):
    for part in ("more", "case", "test"):
        write_coco_file(tmp_path / "annotations" / f"instances_{part}.json", (f"{part}.jpg",), tmp_path / "photos")
    for part in ("more", "case", "test"):
        with pytest.warns(DataWarning, match="found in another folder"):
            assert read_source(tmp_path, part).image_names == (str(tmp_path / "photos" / f"{part}.jpg"),)
    with pytest.raises(UserError, match="expected a split of case, more, test, or all, got 'train'"):
        read_source(tmp_path, "train")


@pytest.mark.parametrize("place", ["annotations/instances_default.json", "result.json"])
def test_one_file_without_a_split_is_a_pool(place, tmp_path, write_coco_file):
    write_coco_file(tmp_path / place, MANY, tmp_path / "images")
    for data in (tmp_path, tmp_path / place):
        parts = [read_source(data, split).image_names for split in ("train", "val")]
        assert [len(names) for names in parts] == [8, 2]
        assert not set(parts[0]) & set(parts[1])


def test_file_that_is_named_after_a_split_is_that_split(tmp_path, write_coco_file):
    path = write_coco_file(tmp_path / "annotations" / "instances_val2017.json", MANY, tmp_path / "val2017")
    assert read_source(path, "val").size == read_source(tmp_path, "val", annotations=path).size == len(MANY)
    with pytest.raises(UserError, match="expected a split of val2017, or all, got 'train'"):
        read_source(path, "train")


def test_keypoints_and_instances_are_one_split(tmp_path, write_coco_file):
    """As in COCO itself, where files for other tasks lie beside them."""
    one = [{"id": 1, "name": "person", "keypoints": ["nose"]}]
    row = {"image_id": 0, "category_id": 1, "bbox": [1, 2, 3, 4], "keypoints": [2, 3, 2]}
    folder = tmp_path / "annotations"
    write_coco_file(folder / "instances_train2017.json", image_folder=tmp_path / "train2017")
    write_coco_file(folder / "person_keypoints_train2017.json", categories=one, annotations=[row])
    write_coco_file(folder / "captions_train2017.json")
    assert splits_of(tmp_path) == ("train2017",)
    assert read_source(tmp_path, "train").classes == ("cat", "dog")
    assert read_source(tmp_path, "train", fields=("keypoints_xyv",)).classes == ("person",)
    (folder / "instances_train2017.json").unlink()
    assert read_source(tmp_path, "train").classes == ("person",)


def test_two_files_that_may_be_meant(tmp_path, write_coco_file):
    for year in (2014, 2017):
        write_coco_file(tmp_path / "annotations" / f"instances_train{year}.json", image_folder=tmp_path / "images")
    with pytest.raises(UserError, match="expected one of train2014, train2017, got 'train', which could be any"):
        read_source(tmp_path, "train")
    assert read_source(tmp_path, "train2014").size == 1


def test_two_files_of_one_split(tmp_path, write_coco_file):
    write_coco_file(tmp_path / "train.json", image_folder=tmp_path / "images")
    write_coco_file(tmp_path / "annotations" / "train.json")
    with pytest.raises(UserError, match=r"expected one COCO file for split 'train', got .*; pass `annotations`"):
        read_source(tmp_path, "train")
    write_coco_file(tmp_path / "annotations" / "instances_train.json")
    with pytest.warns(DataWarning, match=r"2 JSON file\(s\) passed over, another one is of the same split"):
        assert read_source(tmp_path, "train").size == 1


def test_other_json_files_are_passed_over(tmp_path, write_coco_file):
    write_coco_file(tmp_path / "result.json", image_folder=tmp_path / "images")
    texts = {
        "package.json": {"name": "x", "version": "1.0"},
        "notes.json": {"categories": [{"id": 0, "name": "cat"}], "info": {}},
        "list.json": [{"images": [], "annotations": []}],
        "images/meta.json": {"images": 5},
    }
    for name, content in texts.items():
        (tmp_path / name).write_text(json.dumps(content))
    (tmp_path / "broken.json").write_text("{")
    assert find_format(tmp_path) == "coco"
    assert splits_of(tmp_path) == ("result",)
    (tmp_path / "result.json").unlink()
    with pytest.raises(UserError, match=r"which holds none[.,]"):
        find_format(tmp_path)


def test_json_with_a_long_beginning_is_known_by_its_first_list(tmp_path, write_coco_file):
    path = write_coco_file(tmp_path / "result.json", image_folder=tmp_path / "images")
    content = json.loads(path.read_text())
    many = [{"id": i, "file_name": f"{'x' * 50}{i}.jpg"} for i in range(10_000)]
    for order in (("images", "annotations", "categories"), ("annotations", "images", "categories")):
        texts = {key: content[key] for key in order} | {order[0]: many}
        path.write_text(json.dumps({"info": {"images": "no"}, **texts}))
        assert find_format(tmp_path) == "coco"


@pytest.mark.parametrize(
    ("stated", "there", "said"),
    [
        ("images/a.jpg", "images/a.jpg", None),
        ("../images/a.jpg", "images/a.jpg", None),
        ("../../media/a.jpg", "images/a.jpg", "1 image(s) found in another folder"),
        ("images\\a.jpg", "images/a.jpg", "1 name(s) of images with backslashes"),
        ("C:\\Users\\me\\a.jpg", "images/a.jpg", "1 image(s) found in another folder"),
        ("/home/me/photos/a.jpg", "images/a.jpg", "1 image(s) found in another folder"),
        ("upload/1/a.jpg", "images/a.jpg", "1 image(s) found in another folder"),
        ("A.JPG", "images/a.jpg", "1 image(s) found under a name with other upper and lower case"),
        ("a.png", "images/a.jpg", "1 image(s) found under a name with another suffix"),
        ("a\\b.jpg", "images/a\\b.jpg", None),
        ("my photo é.jpg", "images/my photo é.jpg", None),
    ],
)
def test_names_of_images(stated, there, said, tmp_path, write_coco_file, write_image, recwarn):
    """The ways in which Label Studio and other tools name a file."""
    write_coco_file(tmp_path / "labels" / "result.json", [stated])
    write_image(tmp_path / there)
    assert read_source(tmp_path, "all").image_names == (str(tmp_path / there),)
    if said is None:
        assert not recwarn.list
    else:
        assert any(said in str(warning.message) for warning in recwarn.list)


def test_image_without_a_name_gets_the_end_of_its_address_as_its_name(tmp_path, write_coco_file, write_image):
    images = [{"id": 0, "coco_url": "http://example.org/train2017/a.jpg"}]
    write_coco_file(tmp_path / "lvis_v1_train.json", images=images)
    write_image(tmp_path / "train2017" / "a.jpg")
    assert read_source(tmp_path, "train").image_names == (str(tmp_path / "train2017" / "a.jpg"),)


def test_a_missing_image_is_not_replaced_by_one_of_another_split(tmp_path, write_coco_file):
    write_coco_file(tmp_path / "annotations" / "instances_train.json", ("a.jpg", "b.jpg"), tmp_path / "train")
    write_coco_file(tmp_path / "annotations" / "instances_val.json", ("a.jpg", "c.jpg"), tmp_path / "val")
    (tmp_path / "val" / "a.jpg").unlink()
    with pytest.warns(DataWarning, match=r"1 of 2 images skipped, file missing .*val/a\.jpg"):
        assert read_source(tmp_path, "val").image_names == (str(tmp_path / "val" / "c.jpg"),)


def test_a_missing_image_is_not_replaced_by_one_of_another_entry(tmp_path, write_coco_file):
    write_coco_file(tmp_path / "result.json", ("one/a.jpg", "two/a.jpg"), tmp_path / "images")
    (tmp_path / "images" / "two" / "a.jpg").unlink()
    with pytest.warns(DataWarning, match=r"1 of 2 images skipped, file missing .*two/a\.jpg"):
        assert read_source(tmp_path, "all").image_names == (str(tmp_path / "images" / "one" / "a.jpg"),)


def test_file_and_folder_can_be_given(tmp_path, write_coco_file):
    path = write_coco_file(tmp_path / "here" / "mine.json", MANY, tmp_path / "there" / "photos")
    (tmp_path / "folder").mkdir()
    photos = tmp_path / "there" / "photos"
    assert read_source(tmp_path / "folder", "all", annotations=path, images=photos).size == len(MANY)
    assert read_source(path, "all", images=photos).size == len(MANY)
    with pytest.raises(UserError, match=r"mine\.json: expected its images in .*, found none of the 10 that it names"):
        read_source(path, "all")
    with pytest.raises(UserError, match=r"images: expected the folder of images, got .*, which is not a folder"):
        read_source(path, "all", images=path)


def test_missing_split_lists_those_found(tmp_path, write_coco_file):
    write_coco_file(tmp_path / "annotations" / "instances_train2017.json", image_folder=tmp_path / "images")
    advice = "Pass holds_out='train2017' to hold a part of it out."
    with pytest.raises(UserError, match=re.escape(f"expected a split of train2017, or all, got 'val'. {advice}")):
        read_source(tmp_path, "val")


def test_folder_without_json(tmp_path):
    with pytest.raises(UserError, match=r"expected COCO's JSON for split None, .* got none; pass `annotations`"):
        read_source(tmp_path, "train", "coco")
