"""Pascal VOC: layouts, which image an XML file describes, and errors in a data set."""

import re
from pathlib import Path

import numpy as np
import pytest

from keras_centernet.data.formats.opening import read_source
from keras_centernet.data.formats.table import find_format
from keras_centernet.errors import DataWarning, UserError

OBJECTS = {"a": [("dog", 5, 6, 25, 30), ("cat", 1, 2, 3, 4)], "b": [], "c": [("cat", 0, 0, 64, 48)]}
SHARED = Path(__file__).parents[5] / "shared" / "data"


@pytest.fixture
def write_pair(tmp_path, write_image):
    """write_pair(image path, XML path, box, ...) writes an image of 48 x 64 and its XML file; returns the folder."""

    def write(image, labels, box=(5, 6, 25, 30), name="dog", filename=None, text=None):
        if image is not None:
            write_image(tmp_path / "data" / image)
        x1, y1, x2, y2 = box
        stated = f"<filename>{filename}</filename>" if filename else ""
        text = text or (
            f"<annotation>{stated}<size><width>64</width><height>48</height></size><object><name>{name}</name><bndbox>"
            f"<xmin>{x1}</xmin><ymin>{y1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox></object></annotation>"
        )
        path = tmp_path / "data" / labels
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return tmp_path / "data"

    return write


def boxes_of(source):
    """{path of the image below the data set: boxes}."""
    examples = source.examples().as_numpy_iterator()
    names = [name.partition("/data/")[2] for name in source.image_names]
    return {name: example["boxes_xyxy"].tolist() for name, example in zip(names, examples, strict=True)}


def test_reads_boxes_names_and_empty_images(write_voc, examples_of):
    source = read_source(write_voc(OBJECTS), "train")
    assert source.classes == ("cat", "dog")
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
    example = examples_of(read_source(folder, "train"))[0]
    assert example["is_difficult"].tolist() == [False, True]
    assert example["is_crowd"].tolist() == [False, False]


# -- layouts


@pytest.mark.parametrize(
    ("image", "labels"),
    [
        ("JPEGImages/{}.jpg", "Annotations/{}.xml"),
        ("images/{}.jpg", "annotations/{}.xml"),
        ("images/{}.jpg", "annots/{}.xml"),
        ("images/{}.png", "annotations/xmls/{}.xml"),
        ("Images/{}.jpg", "Labels/{}.xml"),
        ("{}.jpg", "{}.xml"),
        ("{}.jpg", "annotations/{}.xml"),
        ("images/{}.jpg", "images/{}.xml"),
        ("part/{}.jpg", "part/{}.xml"),
        ("JPEGImages/x/{}.jpg", "Annotations/x/{}.xml"),
        ("JPEGImages/my photo {}.jpg", "Annotations/my photo {}.xml"),
    ],
)
def test_a_pool_in_any_layout(write_pair, image, labels):
    for i in range(10):
        folder = write_pair(image.format(i), labels.format(i), (i, 6, 25, 30))
    assert find_format(folder) == "voc"
    expected = {image.format(i): [[i, 6, 25, 30]] for i in range(10)}
    assert boxes_of(read_source(folder, "all")) == expected
    train, val = boxes_of(read_source(folder, "train")), boxes_of(read_source(folder, "val"))
    assert (len(train), len(val)) == (8, 2)
    assert train | val == expected


@pytest.mark.parametrize(
    ("image", "labels"),
    [
        ("{}/1.jpg", "{}/1.xml"),
        ("images/{}/1.jpg", "images/{}/1.xml"),
        ("{}/images/1.jpg", "{}/annotations/1.xml"),
        ("images/{}/1.jpg", "annotations/{}/1.xml"),
    ],
    ids=["Roboflow", "TensorFlow's tutorials", "folders in splits", "splits in folders"],
)
def test_split_folders(write_pair, image, labels):
    for i, split in enumerate(("train", "valid", "test")):
        folder = write_pair(image.format(split), labels.format(split), (i, 6, 25, 30))
    assert find_format(folder) == "voc"
    for i, (split, name) in enumerate((("train", "train"), ("val", "valid"), ("test", "test"))):
        assert boxes_of(read_source(folder, split)) == {image.format(name): [[i, 6, 25, 30]]}
    assert len(boxes_of(read_source(folder, "all"))) == 3


@pytest.mark.parametrize(
    "line", ["{}", "'{}'", '"{}"', "JPEGImages/{}.jpg", "./Annotations\\{}.xml", "{}  1", "{}.jpg"]
)
@pytest.mark.parametrize("stem", ["a", "my photo 1", "a.b", "1"])
def test_names_in_lists(write_voc, line, stem):
    folder = write_voc({stem: [("dog", 5, 6, 25, 30)], "other": [("cat", 5, 6, 25, 30)]})
    (folder / "ImageSets" / "Main" / "train.txt").write_text(line.format(stem) + "\n\n")
    source = read_source(folder, "train")
    assert [name.rpartition("/")[2] for name in source.image_names] == [f"{stem}.jpg"]
    assert source.classes == ("dog",)


def test_lists_may_lie_directly_in_image_sets(write_voc):
    folder = write_voc(OBJECTS)
    (folder / "ImageSets" / "Main" / "train.txt").rename(folder / "ImageSets" / "train.txt")
    assert read_source(folder, "train").size == 3


@pytest.fixture
def class_lists(write_voc):
    """A data set with lists of single classes: in cat_train, image c has no cat and image b a difficult one."""
    folder = write_voc({stem: [("cat", 1, 2, 30, 40)] for stem in "abcd"})
    (folder / "ImageSets" / "Main" / "cat_train.txt").write_text("a  1\nb  0\nc -1\n")
    (folder / "ImageSets" / "Main" / "cat_val.txt").write_text("d  1\n")
    return folder


def test_lists_of_single_classes_are_no_splits_unless_asked_for(class_lists):
    with pytest.raises(UserError, match="expected a split of train, val, or all, got 'test'"):
        read_source(class_lists, "test")
    assert read_source(class_lists, "cat_train").size == 2


def test_the_lists_of_all_classes_together_replace_a_missing_list(class_lists):
    (class_lists / "ImageSets" / "Main" / "train.txt").unlink()
    (class_lists / "ImageSets" / "Main" / "dog_train.txt").write_text("c 1\nd -1\n")
    assert read_source(class_lists, "train").size == 4
    assert read_source(class_lists, "val").size == 1


@pytest.mark.parametrize("devkit", ["VOCdevkit/", ""])
def test_a_devkit_is_read_with_all_its_years(write_voc, devkit):
    folder = write_voc({"1": [("cat", 1, 2, 30, 40)]})
    years = folder.parent / "years"
    for year, split in (("VOC2007", "train"), ("VOC2012", "train")):
        target = years / devkit / year
        target.parent.mkdir(parents=True, exist_ok=True)
        write_voc({year: [("cat", 1, 2, 30, 40)]}, split=split).rename(target)
    assert find_format(years) == "voc"
    assert read_source(years, "train").size == 2
    assert read_source(years / devkit / "VOC2012", "train").size == 1


def test_classes_are_those_of_all_splits(write_voc):
    folder = write_voc(OBJECTS)
    write_voc({"d": [("bird", 1, 1, 9, 9)]}, split="val")
    assert read_source(folder, "val").classes == ("bird", "cat", "dog")
    assert read_source(folder, "train", classes=("dog", "cat", "bird")).classes == ("dog", "cat", "bird")


def test_objects_of_classes_that_were_not_asked_for_are_left_out_and_counted(write_voc):
    with pytest.warns(DataWarning, match=r"1 object\(s\) of .* left out, not among \[cat, horse\].*dog \(1\)"):
        source = read_source(write_voc(OBJECTS), "train", classes=("cat", "horse"))
    assert source.object_counts.tolist() == [1, 0, 1]


# -- which image, which XML file


@pytest.mark.parametrize(
    ("image", "labels", "filename", "message"),
    [
        ("images/a.PNG", "annotations/a.xml", None, None),
        ("images/a.webp", "annotations/a.xml", "other.jpg", None),
        ("images/img_7.jpg", "annotations/0.xml", "img_7.jpg", None),
        ("images/img_7.jpg", "annotations/0.xml", "IMG_7.JPG", r"1 image\(s\) found under a name with other upper"),
        ("images/img_7.jpg", "annotations/0.xml", "img_7", r"1 image\(s\) found under a name with another suffix"),
        ("images/x/7.jpg", "annotations/0.xml", "7.jpg", r"1 image\(s\) found in another folder"),
    ],
)
def test_the_image_of_an_xml_file(write_pair, image, labels, filename, message):
    folder = write_pair(image, labels, filename=filename)
    if message is None:
        assert list(boxes_of(read_source(folder, "all"))) == [image]
    else:
        with pytest.warns(DataWarning, match=message):
            assert list(boxes_of(read_source(folder, "all"))) == [image]


def test_names_with_windows_paths(write_pair):
    folder = write_pair("images/7.jpg", "annotations/0.xml", filename="C:\\photos\\7.jpg")
    backslashes, other_folder = r"1 name\(s\) of images with backslashes", r"1 image\(s\) found in another folder"
    with pytest.warns(DataWarning, match=backslashes), pytest.warns(DataWarning, match=other_folder):
        assert list(boxes_of(read_source(folder, "all"))) == ["images/7.jpg"]


def test_the_name_of_the_xml_file_comes_before_the_name_in_it(write_pair):
    write_pair("images/b.jpg", "annotations/b.xml")
    folder = write_pair("images/a.jpg", "annotations/a.xml", (1, 2, 3, 4), filename="b.jpg")
    with pytest.warns(
        DataWarning, match=r"1 image\(s\) with the name of the XML file used, .* first: .*a\.xml states b\.jpg"
    ):
        assert boxes_of(read_source(folder, "all"))["images/a.jpg"] == [[1, 2, 3, 4]]


def test_equal_names_in_different_folders_are_different_images(write_pair):
    write_pair("JPEGImages/x/1.jpg", "Annotations/x/1.xml", (1, 2, 3, 4))
    folder = write_pair("JPEGImages/y/1.jpg", "Annotations/y/1.xml", (5, 6, 7, 8))
    expected = {"JPEGImages/x/1.jpg": [[1, 2, 3, 4]], "JPEGImages/y/1.jpg": [[5, 6, 7, 8]]}
    assert boxes_of(read_source(folder, "all")) == expected


def test_two_xml_files_of_one_image_are_joined(write_pair):
    write_pair("images/a.jpg", "annotations/a.xml", (1, 2, 3, 4))
    folder = write_pair(None, "annotations/a_more.xml", (5, 6, 7, 8), filename="a.jpg")
    with pytest.warns(DataWarning, match=r"1 label file\(s\) of an image that has another one.*first: .*a_more\.xml"):
        assert boxes_of(read_source(folder, "all")) == {"images/a.jpg": [[1, 2, 3, 4], [5, 6, 7, 8]]}


def test_xml_without_image_is_skipped(write_voc):
    folder = write_voc(OBJECTS)
    (folder / "JPEGImages" / "b.jpg").unlink()
    message = f"1 of 3 images skipped, file missing or unreadable; first: image {folder}/JPEGImages/b.jpg"
    with pytest.warns(DataWarning, match=re.escape(message)):
        assert read_source(folder, "train").size == 2
    with pytest.raises(UserError, match=re.escape("b.jpg: expected a readable file")):
        read_source(folder, "train", strict=True)


def test_listed_image_without_xml_is_left_out(write_voc):
    folder = write_voc(OBJECTS)
    (folder / "Annotations" / "a.xml").unlink()
    with pytest.warns(DataWarning, match=r"1 image\(s\) left out, they have no XML file; first: a"):
        assert read_source(folder, "train").size == 2
    message = f"train.txt: expected images with an XML file in {folder}/Annotations, got none for 1 of them, first 'a'"
    with pytest.raises(UserError, match=re.escape(message)):
        read_source(folder, "train", strict=True)


def test_image_of_a_pool_without_xml_is_left_out(write_pair, write_image):
    folder = write_pair("images/a.jpg", "annotations/a.xml")
    write_image(folder / "images" / "b.jpg")
    write_image(folder / "annotations" / "mask.png")  # no image with a label file lies in this folder
    with pytest.warns(DataWarning, match=r"1 image\(s\) left out, they have no XML file; first: .*b\.jpg"):
        assert read_source(folder, "all").size == 1


def test_xml_of_other_tools_is_left_out(write_pair):
    folder = write_pair("a.jpg", "a.xml")
    write_pair(None, "project.xml", text="<?xml version='1.0'?><project><object/></project>")
    with pytest.warns(DataWarning, match=r"1 XML file\(s\) left out, they are not in Pascal VOC format.*project\.xml"):
        assert read_source(folder, "all").size == 1


def test_hidden_files_and_folders_are_not_read(write_pair):
    folder = write_pair("a.jpg", "a.xml")
    (folder / "._a.xml").write_bytes(b"\0\5\26\7")
    (folder / "._a.jpg").write_bytes(b"\0\5\26\7")
    write_pair(".ipynb_checkpoints/b.jpg", ".ipynb_checkpoints/b.xml")
    assert read_source(folder, "all").size == 1


def test_places_may_be_given(write_pair, tmp_path):
    write_pair("../photos/a.jpg", "../marks/a.xml", (1, 2, 3, 4))
    write_pair("images/a.jpg", "annotations/a.xml")
    options = {"annotations": tmp_path / "marks", "images": tmp_path / "photos", "format": "voc"}
    source = read_source(tmp_path / "data", "all", **options)
    assert source.image_names == (f"{tmp_path}/photos/a.jpg",)
    assert source.annotations.boxes_xyxy.tolist() == [[1, 2, 3, 4]]


# -- damage


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("</annotation>", "", "a.xml: expected XML, got a file that cannot be read as such"),
        (
            "<xmin>5",
            "<xmin>five",
            "a.xml, object 1: expected 4 number(s) of at most 1e+06 in size as the box, got five",
        ),
        (
            "<xmin>5",
            "<xmin>nan",
            "a.xml, object 1: expected 4 number(s) of at most 1e+06 in size as the box, got nan, 6",
        ),
        ("<ymax>30", "<ymax>1e300", "a.xml, object 1: expected 4 number(s)"),
        ("<ymax>30</ymax>", "", "a.xml: expected a name and a bndbox in object 1, got an incomplete one."),
        ("<name>dog</name>", "", "a.xml: expected a name and a bndbox in object 1, got an incomplete one."),
        ("<width>64", "<width>²", "a.jpg as whole numbers, got ('48', '²')"),
        ("<width>64", "<width>9" + "9" * 30, "a.xml: expected height and width of "),
        ("<annotation>", "<?xml version='1.0' encoding='foo'?><annotation>", "got 'foo'; save it as UTF-8."),
    ],
)
def test_broken_files_are_named(old, new, message, write_voc):
    folder = write_voc(OBJECTS)
    path = folder / "Annotations" / "a.xml"
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(UserError, match=re.escape(message)):
        read_source(folder, "train")


def test_empty_list(write_voc):
    folder = write_voc(OBJECTS)
    (folder / "ImageSets" / "Main" / "val.txt").write_text("\n")
    with pytest.raises(UserError, match=r"\(val\): expected at least one image, got an empty split; choose another"):
        read_source(folder, "val")
    assert read_source(folder, "all").size == 3


def test_missing_split_lists_those_found(write_voc):
    with pytest.raises(UserError, match="expected a split of train, or all, got 'test'"):
        read_source(write_voc(OBJECTS), "test")


def test_split_without_any_object_stops(write_voc):
    with pytest.raises(UserError, match=r"expected objects to learn from .* all 1 image\(s\) are without objects"):
        read_source(write_voc({"a": []}), "train")


# -- data sets in the wild


@pytest.mark.skipif(not SHARED.is_dir(), reason="no data beside the repository (../shared/data)")
@pytest.mark.parametrize(
    ("split", "size", "empty"), [("train", 205, "BloodImage_00343.jpg"), ("val", 87, "BloodImage_00338.jpg")]
)
def test_bccd_holds_two_empty_boxes(split, size, empty):
    with pytest.warns(DataWarning, match=rf"1 object\(s\) skipped, box empty or inverted .* first: .*{empty}"):
        source = read_source(SHARED / "bccd", split)
    assert source.classes == ("Platelets", "RBC", "WBC")
    assert source.size == size
    example = next(iter(source.examples(limit=1)))
    assert example["image"].shape == (480, 640, 3)


@pytest.mark.skipif(not SHARED.is_dir(), reason="no data beside the repository (../shared/data)")
def test_raccoon_has_no_lists():
    source = read_source(SHARED / "raccoon", "all")
    assert (source.classes, source.size, source.object_counts.sum()) == (("raccoon",), 200, 217)
    assert [read_source(SHARED / "raccoon", split).size for split in ("train", "val")] == [160, 40]
