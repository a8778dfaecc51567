"""CSV: columns, separators, layouts, and errors in a table."""

import re

import pytest

from keras_centernet.data.formats.opening import read_source
from keras_centernet.data.formats.table import find_format
from keras_centernet.errors import DataWarning, UserError

TENSORFLOW = "filename,width,height,class,xmin,ymin,xmax,ymax\n"
LINES = ("{}.jpg,64,48,dog,5,6,25,30", "{}.jpg,64,48,cat,1,2,3,4")
BOXES = [("dog", [5, 6, 25, 30]), ("cat", [1, 2, 3, 4])]


@pytest.fixture
def write(tmp_path, write_image):
    """write({path of the table: text}, images) writes tables and images of 48 x 64; returns their folder."""

    def write(tables, images=("a.jpg",), encoding="utf-8"):
        for image in images:
            write_image(tmp_path / "data" / image)
        for name, text in tables.items():
            path = tmp_path / "data" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode(encoding))
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


@pytest.mark.parametrize(
    "text",
    [
        TENSORFLOW + "a.jpg,64,48,dog,5,6,25,30\na.jpg,64,48,cat,1,2,3,4\n",
        "xmax,ymax,XMin,Ymin,Class,FileName\n25,30,5,6,dog,a.jpg\n3,4,1,2,cat,a.jpg\n",
        ",image name,label,x_min,y_min,x_max,y_max\r\n0,a.jpg,dog,5,6,25,30\r\n1,a.jpg,cat,1,2,3,4\r\n",
        '"path","x1","y1","x2","y2","class_name"\n"a.jpg","5","6","25","30","dog"\n\n"a.jpg",1,2,3,4,"cat"',
        "image_id, left, top, right, bottom, label\na.jpg, 5, 6, 25, 30, dog\na.jpg, 1, 2, 3, 4, cat\n",
        "filename;class;xmin;ymin;xmax;ymax\na.jpg;dog;5,0;6;25;30\na.jpg;cat;1;2;3;4\n",
        "filename\tclass\txmin\tymin\txmax\tymax\na.jpg\tdog\t5\t6\t25\t30\na.jpg\tcat\t1\t2\t3\t4\n",
        "a.jpg,5,6,25,30,dog\na.jpg,1,2,3,4,cat\n",
        "data/a.jpg|5|6|25|30|dog\ndata/a.jpg|1|2|3|4|cat\n",
    ],
    ids=["TensorFlow", "other order", "pandas", "quoted", "spaces", "semicolons", "tabs", "RetinaNet", "bars"],
)
@pytest.mark.filterwarnings("ignore:1 image.s. found in another folder")
def test_columns_and_separators(write, text):
    folder = write({"labels.csv": text})
    assert find_format(folder) == find_format(folder / "labels.csv") == "csv"
    source = read_source(folder, "all")
    assert source.classes == ("cat", "dog")
    assert objects_of(source) == {"a.jpg": BOXES}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_byte_order_marks_are_dropped(write, encoding):
    folder = write({"labels.csv": TENSORFLOW + "ä.jpg,64,48,dog,5,6,25,30\n"}, ["ä.jpg"], encoding)
    assert objects_of(read_source(folder, "all")) == {"ä.jpg": BOXES[:1]}


def test_lines_without_numbers_are_images_without_objects(write):
    folder = write({"annotations.csv": "b.jpg,,,,,\na.jpg,5,6,25,30,dog\n"}, ["a.jpg", "b.jpg"])
    assert objects_of(read_source(folder, "all")) == {"b.jpg": [], "a.jpg": BOXES[:1]}


def test_the_order_of_classes_is_that_of_their_file(write):
    tables = {"annotations.csv": "a.jpg,5,6,25,30,dog\na.jpg,1,2,3,4,cat\n", "classes.csv": "dog,0\nowl,2\ncat,1\n"}
    folder = write(tables)
    assert read_source(folder, "all").classes == ("dog", "cat", "owl")
    (folder / "classes.csv").write_text("dog,0\n")
    with pytest.raises(
        UserError, match=r"annotations\.csv, line 2: expected a class of classes\.csv \(dog\), got 'cat'"
    ):
        read_source(folder, "all")


@pytest.mark.parametrize("text", ["dog\n", "dog,x\n", "dog,0\ndog,1\n", "dog,0\ncat,0\n"])
def test_a_damaged_file_of_classes_is_named(write, text):
    folder = write({"annotations.csv": "a.jpg,5,6,25,30,dog\n", "classes.csv": text})
    with pytest.raises(UserError, match=r"classes\.csv.*: expected "):
        read_source(folder, "all")


# -- layouts


@pytest.mark.parametrize(
    ("table", "image"),
    [
        ("{}/_annotations.csv", "{}/a.jpg"),
        ("{}_labels.csv", "images/a-{}.jpg"),
        ("{}_labels.csv", "images/{}/a.jpg"),
        ("data/{}_labels.csv", "images/a-{}.jpg"),
        ("annotations/{}.csv", "{}/a.jpg"),
        ("{}.csv", "a-{}.jpg"),
    ],
    ids=["Roboflow", "raccoon", "folders of images", "in data/", "folders beside", "all together"],
)
def test_splits(write, table, image):
    for i, split in enumerate(("train", "test")):
        name = image.format(split).rpartition("/")[2]
        text = TENSORFLOW + f"{name},64,48,dog,{i},6,25,30\n"
        folder = write({table.format(split): text}, [image.format(split)])
    assert find_format(folder) == "csv"
    for i, split in enumerate(("train", "test")):
        assert objects_of(read_source(folder, split)) == {image.format(split): [("dog", [i, 6, 25, 30])]}
    assert len(objects_of(read_source(folder, "all"))) == 2
    with pytest.raises(UserError, match="expected a split of test, train, or all, got 'val'"):
        read_source(folder, "val")


@pytest.mark.parametrize("table", ["labels.csv", "data/labels.csv", "data/train.csv"])
def test_tables_beside_those_of_splits_are_not_read_and_reported(write, table):
    line = LINES[0].format("a") + "\n"
    splits = {f"{split}_labels.csv": TENSORFLOW + line * (split == "train") for split in ("train", "test")}
    folder = write(splits | {table: TENSORFLOW + line * 2})
    for split in ("train", "all"):
        with pytest.warns(DataWarning, match=rf"1 table\(s\) not read, .*; first: {re.escape(str(folder / table))}"):
            assert objects_of(read_source(folder, split)) == {"a.jpg": BOXES[:1]}


@pytest.mark.parametrize("table", ["annotations.csv", "_annotations.csv", "data/labels.csv"])
def test_a_pool_is_split_by_names(write, table):
    text = TENSORFLOW + "".join(line.format(i) + "\n" for i in range(10) for line in LINES)
    folder = write({table: text}, [f"images/{i}.jpg" for i in range(10)])
    train, val = objects_of(read_source(folder, "train")), objects_of(read_source(folder, "val"))
    assert (len(train), len(val)) == (8, 2)
    assert train | val == {f"images/{i}.jpg": BOXES for i in range(10)}


def test_a_table_and_a_folder_may_be_given(write, tmp_path):
    folder = write({"tables/a.csv": TENSORFLOW + "a.jpg,64,48,dog,5,6,25,30\n"}, ["photos/a.jpg"])
    places = {"annotations": folder / "tables" / "a.csv", "images": folder / "photos"}
    assert find_format(folder, places["annotations"]) == "csv"
    assert objects_of(read_source(folder, "all", **places)) == {"photos/a.jpg": BOXES[:1]}
    assert objects_of(read_source(folder / "tables" / "a.csv", "all", images=folder / "photos"))


def test_open_images(write):
    header = (
        "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside"
    )
    lines = "a1,x,/m/0bt9lr,1,0.25,0.5,0.5,0.75,0,0,0,0,0\na1,x,/m/0bt9lr,1,0,1,0,1,0,0,1,0,0\n"
    folder = write({"train-annotations-bbox.csv": f"{header}\n{lines}"}, ["train/a1.jpg"])
    source = read_source(folder, "train")
    assert objects_of(source) == {"train/a1.jpg": [("/m/0bt9lr", [16, 24, 32, 36]), ("/m/0bt9lr", [0, 0, 64, 48])]}
    assert source.annotations.is_crowd.tolist() == [False, True]


# -- guesses


def test_fractions_are_known_by_their_size(write):
    folder = write({"labels.csv": TENSORFLOW + "a.jpg,64,48,dog,.25,.5,.5,.75\n"})
    with pytest.warns(DataWarning, match=r"1 table\(s\) whose boxes are all below 2, read as fractions of the image"):
        assert objects_of(read_source(folder, "all")) == {"a.jpg": [("dog", [16, 24, 32, 36])]}


def test_images_that_no_line_names_are_left_out_and_counted(write):
    folder = write({"labels.csv": TENSORFLOW + "a.jpg,64,48,dog,5,6,25,30\n"}, ["a.jpg", "b.jpg"])
    with pytest.warns(DataWarning, match=r"1 image\(s\) left out, no line of the table names them; first: .*b\.jpg"):
        assert read_source(folder, "all").size == 1


def test_lines_that_contradict_each_other_are_counted(write):
    folder = write({"labels.csv": TENSORFLOW + "a.jpg,64,48,dog,5,6,25,30\na.jpg,48,64,dog,1,6,25,30\n"})
    with pytest.warns(DataWarning, match=r"1 line\(s\) that state another size .* first: .*labels\.csv, line 3"):
        assert read_source(folder, "all").size == 1


def test_stated_sizes_scale_boxes(write):
    folder = write({"labels.csv": TENSORFLOW + "a.jpg,128,96,dog,10,12,50,60\n"})
    with pytest.warns(DataWarning, match=r"1 image\(s\) of another size than their labels state, boxes are converted"):
        assert objects_of(read_source(folder, "all")) == {"a.jpg": BOXES[:1]}


def test_missing_images_are_counted(write):
    folder = write({"labels.csv": TENSORFLOW + "a.jpg,64,48,dog,5,6,25,30\nb.jpg,64,48,dog,5,6,25,30\n"})
    with pytest.warns(DataWarning, match=r"1 of 2 images skipped, file missing.*b\.jpg"):
        assert read_source(folder, "all").size == 1


# -- damage


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a.jpg,64,48,dog,5,6,25", "labels.csv, line 3: expected 8 columns as in the first line, got 7."),
        (
            "a.jpg,64,48,dog,5,6,25,thirty",
            "labels.csv, line 3: expected 4 number(s) of at most 1e+06 in size as the box",
        ),
        ("a.jpg,64,48,dog,5,6,25,nan", "labels.csv, line 3: expected 4 number(s)"),
        ("a.jpg,64,48,dog,5,6,25,1e300", "labels.csv, line 3: expected 4 number(s)"),
        ("a.jpg,64,48,dog,5,6,25,", "labels.csv, line 3: expected 4 number(s)"),
        ("a.jpg,64,48,,5,6,25,30", "labels.csv, line 3: expected the name of a class, got ''."),
        (",64,48,dog,5,6,25,30", "labels.csv, line 3: expected the name of an image, got none"),
        ('"a.jpg,64,48,dog,5,6,25,30', "labels.csv, line 3: expected a line of CSV, got a damaged one"),
    ],
)
def test_bad_lines_are_named(write, line, message):
    folder = write({"labels.csv": TENSORFLOW + "a.jpg,64,48,dog,5,6,25,30\n" + line})
    with pytest.raises(UserError, match=re.escape(message)):
        read_source(folder, "all")


@pytest.mark.parametrize("line", ["a.jpg,five,6,25,30,dog", "file,left,up,right,down,kind"])
def test_a_bad_first_line_is_named(write, line):
    folder = write({"labels.csv": f"{line}\na.jpg,1,2,3,4,cat\n"})
    with pytest.raises(UserError, match=r"labels\.csv, line 1: expected 4 number\(s\)"):
        read_source(folder, "all")


def test_a_table_without_any_object_stops(write):
    with pytest.raises(UserError, match=r"expected objects to learn from .* all 1 image\(s\) are without objects"):
        read_source(write({"labels.csv": "a.jpg,,,,,\n"}), "all")


def test_the_line_of_bytes_that_are_no_text_is_named(write):
    folder = write({"labels.csv": TENSORFLOW + "a.jpg,64,48,dog,5,6,25,30\n"})
    (folder / "labels.csv").write_bytes((folder / "labels.csv").read_bytes() + b"\xff\xfe\xfd,")
    with pytest.raises(UserError, match=r"labels\.csv, line 3: expected text in UTF-8"):
        read_source(folder, "all")


@pytest.mark.parametrize("text", ["epoch,loss\n1,2\n", "", "name,id\n", "a,b,c,d,e,f\n", "\n\n"])
def test_other_tables_are_not_taken_for_labels(write, text):
    folder = write({"history.csv": text})
    with pytest.raises(UserError, match=r"which holds none[.,]"):
        find_format(folder)
    with pytest.raises(UserError, match="expected the columns filename, class, xmin, ymin, xmax, ymax"):
        read_source(folder / "history.csv", "all", "csv")
