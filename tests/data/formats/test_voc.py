import re
from pathlib import Path

import numpy as np
import pytest

from keras_centernet.data.formats.request import DataRequest
from keras_centernet.data.formats.voc import read_voc
from keras_centernet.errors import DataWarning, UserError

OBJECTS = {"a": [("dog", 5, 6, 25, 30), ("cat", 1, 2, 3, 4)], "b": [], "c": [("cat", 0, 0, 64, 48)]}
BCCD = Path(__file__).parents[4] / "shared" / "data" / "bccd"


def test_reads_boxes_names_and_empty_images(write_voc, examples_of):
    source = read_voc(DataRequest(write_voc(OBJECTS), "train"))
    assert source.classes == ("cat", "dog")
    assert source.size == 3
    assert source.object_counts.tolist() == [2, 0, 1]
    first, second, third = examples_of(source)
    np.testing.assert_array_equal(first["boxes_xyxy"], [(5, 6, 25, 30), (1, 2, 3, 4)])
    assert first["classes"].tolist() == [1, 0]
    assert first["areas"].tolist() == [480, 4]
    assert first["image"].shape == (48, 64, 3)
    assert second["boxes_xyxy"].shape == (0, 4)
    assert [e["image_id"] for e in (first, second, third)] == [0, 1, 2]


def test_difficult_objects_are_marked(write_voc, examples_of):
    folder = write_voc(OBJECTS)
    path = folder / "Annotations" / "a.xml"
    path.write_text(path.read_text().replace("<name>cat", "<difficult>1</difficult><name>cat"))
    example = examples_of(read_voc(DataRequest(folder, "train")))[0]
    assert example["is_difficult"].tolist() == [False, True]
    assert example["is_crowd"].tolist() == [False, False]


def test_classes_are_those_of_all_splits(write_voc):
    folder = write_voc(OBJECTS)
    write_voc({"d": [("bird", 1, 1, 9, 9)]}, split="val")
    assert read_voc(DataRequest(folder, "val")).classes == ("bird", "cat", "dog")
    assert read_voc(DataRequest(folder, "train", classes=("dog", "cat", "bird"))).classes == ("dog", "cat", "bird")


def test_class_names_that_do_not_match_are_both_listed(write_voc):
    message = (
        "expected objects of the classes [cat, horse], got also [dog]; the data's classes are [cat, dog]. "
        "Pass `classes` that hold all of them."
    )
    with pytest.raises(UserError, match=re.escape(message)):
        read_voc(DataRequest(write_voc(OBJECTS), "train", classes=("cat", "horse")))


def test_annotation_of_a_missing_image_is_skipped(write_voc):
    folder = write_voc(OBJECTS)
    (folder / "JPEGImages" / "b.jpg").unlink()
    message = f"1 of 3 images skipped, file missing or unreadable; first: image {folder}/JPEGImages/b.jpg"
    with pytest.warns(DataWarning, match=re.escape(message)):
        source = read_voc(DataRequest(folder, "train"))
    assert source.size == 2
    with pytest.raises(UserError, match=re.escape("b.jpg: expected a readable file")):
        read_voc(DataRequest(folder, "train", strict=True))


def test_image_without_annotation_is_skipped(write_voc):
    folder = write_voc(OBJECTS)
    (folder / "Annotations" / "a.xml").unlink()
    with pytest.warns(DataWarning, match=re.escape("1 of 3 images of split 'train' skipped, no XML file; first: ")):
        assert read_voc(DataRequest(folder, "train")).size == 2
    with pytest.raises(
        UserError, match=re.escape("a.xml: expected the XML file of an image of split 'train', got none.")
    ):
        read_voc(DataRequest(folder, "train", strict=True))


def test_images_of_any_suffix_are_found(write_voc, write_image, examples_of):
    folder = write_voc(OBJECTS)
    (folder / "JPEGImages" / "b.jpg").unlink()
    expected = write_image(folder / "JPEGImages" / "b.PNG", (10, 20))
    np.testing.assert_array_equal(examples_of(read_voc(DataRequest(folder, "train")))[1]["image"], expected)


def break_split(folder):
    (folder / "ImageSets" / "Main" / "train.txt").write_text("\n")


def break_xml(folder):
    (folder / "Annotations" / "b.xml").write_text("<annotation>")


def break_box(folder):
    path = folder / "Annotations" / "a.xml"
    path.write_text(path.read_text().replace("<xmin>5", "<xmin>five"))


def break_object(folder):
    path = folder / "Annotations" / "a.xml"
    path.write_text(path.read_text().replace("<name>dog</name>", ""))


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (break_split, "train.txt: expected image names, one per line, got an empty split; choose another."),
        (break_xml, "b.xml: expected Pascal VOC XML, got a file that is not XML"),
        (break_box, "a.xml: expected four numbers in the bndbox of object 1, got ['five', '6', '25', '30']."),
        (break_object, "a.xml: expected a name and a bndbox in object 1, got neither or half."),
    ],
)
def test_broken_files_are_named(break_it, message, write_voc):
    folder = write_voc(OBJECTS)
    break_it(folder)
    with pytest.raises(UserError, match=re.escape(message)):
        read_voc(DataRequest(folder, "train"))


def test_missing_split_lists_those_found(write_voc):
    with pytest.raises(
        UserError, match=r"test.txt: expected a list of image names for split 'test', got none; splits found: train."
    ):
        read_voc(DataRequest(write_voc(OBJECTS), "test"))


def test_split_without_any_object_has_no_classes(write_voc):
    with pytest.raises(UserError, match=r"expected at least one class, got none: no image of it has an object."):
        read_voc(DataRequest(write_voc({"a": []}), "train"))


@pytest.mark.skipif(not BCCD.is_dir(), reason="the BCCD photos are not beside the repository (../shared/data/bccd)")
@pytest.mark.parametrize(
    ("split", "size", "empty"), [("train", 205, "BloodImage_00343.jpg"), ("val", 87, "BloodImage_00338.jpg")]
)
def test_bccd_holds_two_empty_boxes(split, size, empty):
    with pytest.warns(DataWarning, match=rf"1 object\(s\) skipped, box empty or inverted .* first: .*{empty}"):
        source = read_voc(DataRequest(BCCD, split))
    assert source.classes == ("Platelets", "RBC", "WBC")
    assert source.size == size
    example = next(iter(source.examples(limit=1)))
    assert example["image"].shape == (480, 640, 3)
