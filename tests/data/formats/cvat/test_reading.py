"""CVAT's XML: shapes, subsets, layouts, and errors in a file."""

import math
import re

import numpy as np
import pytest

from keras_centernet.data.formats.opening import read_source
from keras_centernet.data.formats.table import find_format
from keras_centernet.errors import DataWarning, UserError

META = (
    "<version>1.1</version><meta><task><id>7</id><labels><label><name>dog</name></label><label><name>cat</name></label>"
    "<label><name>paw</name><parent>dog</parent></label></labels></task></meta>"
)
BOX = '<box label="dog" source="manual" occluded="0" xtl="5.0" ytl="6.0" xbr="25.0" ybr="30.0" z_order="0"/>'
CAT = '<box label="cat" occluded="1" xtl="1" ytl="2" xbr="3" ybr="4"><attribute name="age">3</attribute></box>'


def image(name, *shapes, subset="", size=(48, 64)):
    where = f' subset="{subset}"' if subset else ""
    return f'<image id="0" name="{name}"{where} width="{size[1]}" height="{size[0]}">{"".join(shapes)}</image>'


@pytest.fixture
def write(tmp_path, write_image):
    """write(path of the XML file, its images, files) -> folder; image files are 48 x 64."""

    def write(name, nodes, files=("images/a.jpg",), meta=META, declaration="<?xml version='1.0' encoding='utf-8'?>"):
        for file in files:
            write_image(tmp_path / "data" / file)
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{declaration}\n<annotations>{meta}{''.join(nodes)}</annotations>")
        return tmp_path / "data"

    return write


def objects_of(source):
    """{path of the image below the data set: [(class name, box)]}."""
    examples = source.examples().as_numpy_iterator()
    names = [name.partition("/data/")[2] for name in source.image_names]
    return {
        name: [(source.classes[i], box) for i, box in zip(e["classes"], e["boxes_xyxy"].tolist(), strict=True)]
        for name, e in zip(names, examples, strict=True)
    }


DOG_BOX, CAT_BOX = ("dog", [5, 6, 25, 30]), ("cat", [1, 2, 3, 4])


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("annotations.xml", ["images/a.jpg", "images/b.jpg"]),
        ("annotations.xml", ["a.jpg", "b.jpg"]),
        ("annotations/task.xml", ["images/a.jpg", "images/b.jpg"]),
    ],
)
def test_images_and_boxes(write, name, files):
    folder = write(name, [image("a.jpg", BOX, CAT), image("b.jpg")], files)
    assert find_format(folder) == find_format(folder / name) == "cvat"
    for data in (folder, folder / name):
        source = read_source(data, "all")
        assert source.classes == ("dog", "cat")  # in the order of CVAT's task, without the parts of skeletons
        assert objects_of(source) == {files[0]: [DOG_BOX, CAT_BOX], files[1]: []}


def corners(*points):
    """CVAT's attributes of a cuboid whose faces have these corners."""
    names = [f"{side}{face}" for face in "12" for side in ("tl", "bl", "tr", "br")]
    return " ".join(f'x{name}="{x}" y{name}="{y}"' for name, (x, y) in zip(names, points, strict=True))


def turned(points_xy, center_xy, degrees):
    angle = math.radians(degrees)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    moved = (np.asarray(points_xy) - center_xy) @ turn.T + center_xy
    return [*moved.min(axis=0), *moved.max(axis=0)]


CIRCLE = np.stack([np.cos(np.linspace(0, 2 * np.pi, 9999)), np.sin(np.linspace(0, 2 * np.pi, 9999))], axis=1)
FACES = [(10, 9), (11, 20), (30, 8), (31, 22), (12, 7), (13, 21), (33, 6), (32, 23)]


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ('<polygon label="cat" points="5.5,30;20,6;25,10.5"/>', [5.5, 6, 25, 30]),
        ('<mask label="cat" rle="1, 2" left="5" top="6" width="20" height="24"/>', [5, 6, 25, 30]),
        ('<ellipse label="cat" cx="20" cy="15" rx="8" ry="4"/>', [12, 11, 28, 19]),
        (
            '<ellipse label="cat" cx="20" cy="15" rx="8" ry="4" rotation="30"/>',
            turned(CIRCLE * (8, 4) + (20, 15), (20, 15), 30),
        ),
        (
            '<box label="cat" xtl="10" ytl="12" xbr="30" ybr="20" rotation="30.0"/>',
            turned([(10, 12), (30, 12), (30, 20), (10, 20)], (20, 16), 30),
        ),
        (f'<cuboid label="cat" {corners(*FACES)}/>', [10, 6, 33, 23]),
    ],
    ids=["polygon", "mask", "ellipse", "turned ellipse", "turned box", "cuboid"],
)
def test_the_box_around_a_shape(write, shape, expected):
    source = read_source(write("annotations.xml", [image("a.jpg", shape)]), "all")
    np.testing.assert_allclose(source.annotations.boxes_xyxy, [expected], atol=1e-3)


@pytest.mark.parametrize("tag", ["points", "polyline", "tag", "skeleton"])
def test_what_has_no_box_is_left_out_and_counted(write, tag):
    shapes = (BOX, f'<{tag} label="cat" points="5,6"></{tag}>')
    folder = write("annotations.xml", [image("a.jpg", *shapes)])
    with pytest.warns(DataWarning, match=rf"1 {tag} of images left out, which has no box; first: .*'a\.jpg', object 2"):
        assert objects_of(read_source(folder, "all")) == {"images/a.jpg": [DOG_BOX]}


@pytest.mark.parametrize("place", ["images/{subset}/{name}", "images/{name}"])
def test_subsets_are_splits(write, place):
    names = {"Train": "a.jpg", "Validation": "b.jpg", "Test": "c.jpg"}
    nodes = [image(name, BOX, subset=subset) for subset, name in names.items()]
    files = {subset: place.format(subset=subset, name=name) for subset, name in names.items()}
    folder = write("annotations.xml", nodes, files.values())
    for split, subset in (("train", "Train"), ("val", "Validation"), ("test", "Test")):
        assert objects_of(read_source(folder, split)) == {files[subset]: [DOG_BOX]}
    assert len(objects_of(read_source(folder, "all"))) == 3


def test_one_subset_of_no_split_is_split_by_names(write):
    nodes = [image(f"{i}.jpg", BOX, subset="default") for i in range(10)]
    folder = write("annotations.xml", nodes, [f"images/{i}.jpg" for i in range(10)])
    assert [read_source(folder, split).size for split in ("train", "val", "all")] == [8, 2, 10]


def test_split_folders(write):
    write("train/annotations.xml", [image("a.jpg", BOX)], ["train/images/a.jpg"])
    folder = write("val/annotations.xml", [image("a.jpg", CAT)], ["val/images/a.jpg"])
    assert find_format(folder) == "cvat"
    assert objects_of(read_source(folder, "train")) == {"train/images/a.jpg": [DOG_BOX]}
    assert objects_of(read_source(folder, "val")) == {"val/images/a.jpg": [CAT_BOX]}


def test_files_of_several_tasks_are_read_together(write):
    write("one.xml", [image("a.jpg", BOX)])
    folder = write("two.xml", [image("a.jpg", CAT), image("b.jpg", BOX)], ["images/b.jpg"])
    with pytest.warns(DataWarning) as caught:
        objects = objects_of(read_source(folder, "all"))
    assert objects == {"images/a.jpg": [DOG_BOX, CAT_BOX], "images/b.jpg": [DOG_BOX]}
    assert any("1 label file(s) of an image that has another one" in str(warning.message) for warning in caught)


def test_names_with_folders_are_kept_apart(write):
    nodes = [image("x/a.jpg", BOX), image("y/a.jpg", CAT)]
    folder = write("annotations.xml", nodes, ["images/x/a.jpg", "images/y/a.jpg"])
    assert objects_of(read_source(folder, "all")) == {"images/x/a.jpg": [DOG_BOX], "images/y/a.jpg": [CAT_BOX]}


def test_places_may_be_given(write):
    folder = write("task.xml", [image("a.jpg", BOX)], ["photos/a.jpg"])
    places = {"annotations": folder / "task.xml", "images": folder / "photos"}
    assert find_format(folder / "photos", places["annotations"]) == "cvat"
    assert objects_of(read_source(folder / "photos", "all", **places)) == {"photos/a.jpg": [DOG_BOX]}


def test_images_that_no_file_names_are_left_out_and_counted(write):
    folder = write("annotations.xml", [image("a.jpg", BOX)], ["images/a.jpg", "images/b.jpg"])
    with pytest.warns(DataWarning, match=r"1 image\(s\) left out, no XML file names them; first: .*b\.jpg"):
        assert read_source(folder, "all").size == 1


def test_files_of_voc_are_not_taken_for_cvat(write, write_voc):
    assert find_format(write_voc({"a": []})) == "voc"
    assert find_format(write("annotations.xml", [image("a.jpg", BOX)])) == "cvat"


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (
            '<box label="dog" xtl="5" ytl="six" xbr="25" ybr="30"/>',
            "object 1: expected numbers in the box, got ytl='six'",
        ),
        ('<box label="dog" xtl="5" xbr="25" ybr="30"/>', "object 1: expected numbers in the box, got no 'ytl'"),
        ('<box label="dog" xtl="5" ytl="nan" xbr="25" ybr="30"/>', "object 1: expected 4 number(s) of at most 1e+06"),
        ('<box label="dog" xtl="5" ytl="6" xbr="1e300" ybr="30"/>', "object 1: expected 4 number(s) of at most 1e+06"),
        ('<polygon label="dog" points="5,6;7"/>', "object 1: expected numbers in the polygon, got points='5,6;7'"),
        ('<polygon label="dog"/>', "object 1: expected numbers in the polygon, got points=''"),
        ('<polygon label="dog" points="5,6;nan,8;9,9"/>', "object 1: expected 4 number(s) of at most 1e+06"),
        ('<box xtl="5" ytl="6" xbr="25" ybr="30"/>', "object 1: expected the name of a class, got ''"),
    ],
)
def test_bad_shapes_are_named(write, shape, message):
    folder = write("annotations.xml", [image("a.jpg", shape)])
    with pytest.raises(UserError, match=re.escape(f"annotations.xml, image 'a.jpg', {message}")):
        read_source(folder, "all")


def test_an_annotated_video_is_refused(write):
    folder = write("annotations.xml", ['<track id="0" label="dog"><box frame="0"/></track>'])
    with pytest.raises(UserError, match=r"annotations\.xml: expected 'CVAT for images 1\.1', got tracks of a video"):
        read_source(folder, "all")


def test_a_damaged_file_is_named(write):
    folder = write("annotations.xml", [image("a.jpg", BOX), "<image"])
    with pytest.raises(UserError, match=r"annotations\.xml: expected XML, got a file that cannot be read as such"):
        read_source(folder, "all")


def test_an_image_without_name_is_refused(write):
    folder = write("annotations.xml", [image("a.jpg", BOX), image("", BOX)])
    with pytest.raises(UserError, match=r"annotations\.xml: expected the name of each image, got none for image 0"):
        read_source(folder, "all")
