import json
import re

import numpy as np
import pytest

from keras_centernet.data.formats.coco import is_coco_data, read_coco
from keras_centernet.data.formats.request import DataRequest
from keras_centernet.errors import DataWarning, UserError

DOG = {"image_id": 30, "category_id": 18, "bbox": [5, 6, 20, 24], "area": 111.5, "iscrowd": 0}
CROWD_OF_CATS = {"image_id": 30, "category_id": 3, "bbox": [0, 0, 64, 48], "area": 2000, "iscrowd": 1}


def test_reads_boxes_ids_crowds_and_areas(write_coco, examples_of):
    source = read_coco(DataRequest(write_coco([DOG, CROWD_OF_CATS]), "train"))
    assert source.classes == ("cat", "dog")  # in the order of their ids
    first, second = examples_of(source)
    np.testing.assert_array_equal(first["boxes_xyxy"], [(5, 6, 25, 30), (0, 0, 64, 48)])
    assert first["classes"].tolist() == [1, 0]
    assert first["is_crowd"].tolist() == [False, True]
    assert first["areas"].tolist() == [111.5, 2000]
    assert [first["image_id"], second["image_id"]] == [30, 7]
    assert second["boxes_xyxy"].shape == (0, 4)


def test_area_is_that_of_the_box_where_the_file_has_none(write_coco, examples_of):
    rows = [{key: DOG[key] for key in ("image_id", "category_id", "bbox")}, {**DOG, "bbox": [1, 1, 2, 2], "area": 0}]
    assert examples_of(read_coco(DataRequest(write_coco(rows), "train")))[0]["areas"].tolist() == [480, 4]


def test_file_and_folder_can_be_given(write_coco, examples_of, tmp_path):
    folder = write_coco([DOG])
    path = (folder / "annotations" / "instances_train2017.json").rename(tmp_path / "mine.json")
    images = (folder / "train2017").rename(tmp_path / "photos")
    assert len(examples_of(read_coco(DataRequest(folder, "val", annotations=path, images=images)))) == 2
    assert len(examples_of(read_coco(DataRequest(path, "val", images=images)))) == 2
    with pytest.raises(UserError, match=re.escape("mine.json: expected its images in ")):
        read_coco(DataRequest(path, "val"))
    with pytest.raises(UserError, match=re.escape("images: expected a folder, got 'nowhere', which is none.")):
        read_coco(DataRequest(path, "val", images="nowhere"))


def test_order_of_classes_can_be_given(write_coco, examples_of):
    source = read_coco(DataRequest(write_coco([DOG]), "train", classes=["dog", "horse", "cat"]))
    assert source.classes == ("dog", "horse", "cat")
    assert examples_of(source)[0]["classes"].tolist() == [0]


def test_class_names_that_do_not_match_are_both_listed(write_coco):
    with pytest.raises(UserError, match=re.escape("expected objects of the classes [cat, horse], got also [dog]")):
        read_coco(DataRequest(write_coco([DOG]), "train", classes=("cat", "horse")))


def test_entry_of_a_missing_file_is_skipped(write_coco):
    folder = write_coco([DOG])
    (folder / "train2017" / "a.jpg").unlink()
    with pytest.warns(DataWarning, match="1 of 2 images skipped, file missing or unreadable; first: image .*a.jpg"):
        source = read_coco(DataRequest(folder, "train"))
    assert source.size == 1


def test_annotation_of_an_unlisted_image_is_skipped(write_coco):
    with pytest.warns(
        DataWarning, match=re.escape("skipped, their image is not in its list of images; first: annotation 1")
    ):
        source = read_coco(DataRequest(write_coco([DOG, {**DOG, "image_id": 99}]), "train"))
    assert source.object_counts.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("annotation", "changes", "message"),
    [
        ({**DOG, "category_id": 5}, {}, "expected a category_id of [3, 18], got 5 in annotation 0; add the category."),
        ({**DOG, "bbox": [1, 2]}, {}, "expected a bbox of four numbers in annotation 0, got [1, 2]."),
        ({**DOG, "bbox": [1, 2, 3, None]}, {}, "expected a bbox of four numbers in annotation 0"),
        ({"image_id": 30}, {}, "expected image_id, category_id, bbox in entry 0 of 'annotations', got {'id': 0"),
        (DOG, {"categories": None}, "expected lists 'images', 'annotations' and 'categories', got no 'categories'."),
        (DOG, {"images": []}, "expected at least one image, got an empty split; choose another split."),
    ],
)
def test_broken_content_is_named(annotation, changes, message, write_coco):
    folder = write_coco([annotation], **changes)
    with pytest.raises(UserError, match=re.escape("instances_train2017.json") + ".*" + re.escape(message)):
        read_coco(DataRequest(folder, "train"))


def test_file_that_is_not_json(write_coco):
    folder = write_coco([DOG])
    (folder / "annotations" / "instances_train2017.json").write_text("{")
    with pytest.raises(UserError, match="expected a COCO JSON file, got a file that is not JSON"):
        read_coco(DataRequest(folder, "train"))
    with pytest.raises(UserError, match=r"no.json: expected a COCO JSON file, got 'No such file or directory'"):
        read_coco(DataRequest(folder, "train", annotations="no.json"))


def test_missing_split_lists_those_found(write_coco):
    with pytest.raises(
        UserError,
        match=re.escape("expected annotations/instances_val*.json for split 'val', got ") + ".*instances_train2017",
    ):
        read_coco(DataRequest(write_coco([DOG]), "val"))


def test_two_files_for_one_split(write_coco):
    folder = write_coco([DOG])
    (folder / "annotations" / "instances_train2014.json").write_text(json.dumps({}))
    with pytest.raises(
        UserError, match=r"expected one COCO file for split 'train', got .*2014.*2017.*; pass `annotations`"
    ):
        read_coco(DataRequest(folder, "train"))


@pytest.mark.parametrize(
    ("split", "place"),
    [
        ("train", "annotations/instances_train.json"),
        ("val", "annotations/instances_val2017.json"),
        ("val", "valid/_annotations.coco.json"),
        ("test", "annotations/test.json"),
    ],
)
def test_usual_places(split, place, tmp_path, write_image):
    path = tmp_path / place
    path.parent.mkdir(parents=True)
    write_image(tmp_path / "images" / "a.jpg")
    content = {"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [], "categories": [{"id": 1, "name": "x"}]}
    path.write_text(json.dumps(content))
    assert is_coco_data(tmp_path)
    assert read_coco(DataRequest(tmp_path, split)).size == 1
