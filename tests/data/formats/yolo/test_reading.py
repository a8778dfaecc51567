"""Which images and label files are read in each layout, and what is reported of those without a partner."""

import re
import time

import cv2
import numpy as np
import pytest

from keras_centernet.data.formats.opening import read_source, splits_of
from keras_centernet.data.formats.table import find_format
from keras_centernet.errors import DataWarning, UserError

CAT, DOG = "0 0.5 0.5 0.25 0.5\n", "1 .125 .25 .25 .5\n"
CAT_BOX, DOG_BOX = ("cat", 24, 12, 40, 36), ("dog", 0, 0, 16, 24)
YAML = "train: images/train\nval: images/val\nnames: [cat, dog]\n"
NAMES = "cat\ndog\n"
NOTES = {"categories": [{"id": 1, "name": "dog"}, {"id": 0, "name": "cat"}], "info": {"year": 2026}}
OBJ_DATA = "classes = 2\ntrain = data/train.txt\nvalid = data/test.txt\nnames = data/obj.names\nbackup = backup/\n"


def splits(first, second, image="{}/{}", label="{}/{}", stems=("a", "b")):
    """Returns the files of two splits with an image each: a cat in the first, a dog in the second."""
    return {
        f"{image.format(first, stems[0])}.png": None,
        f"{label.format(first, stems[0])}.txt": CAT,
        f"{image.format(second, stems[1])}.png": None,
        f"{label.format(second, stems[1])}.txt": DOG,
    }


ABSOLUTE = "/home/someone/set/images/train/my photo 1.png\n"
POOL = {"images/a.png": None, "labels/a.txt": CAT, "images/b.png": None, "labels/b.txt": DOG}
LAYOUTS = {
    "images/train": splits("train", "val", "images/{}/{}", "labels/{}/{}") | {"data.yaml": YAML},
    "train/images": splits("train", "valid", "{}/images/{}", "{}/labels/{}")
    | {"data.yaml": "train: ../train/images\nval: ../valid/images\ntest: ../test/images\nnc: 2\nnames: [cat, dog]"},
    "names with spaces": splits("train", "val", "my images/{}/{}", "my images/{}/{}", ("a b", "c (1)"))
    | {"my set.yaml": "path: .\ntrain: my images/train\nval: my images/val\nnames: [cat, dog]"},
    "folders as lists in lists": splits("one", "two", "images/{}/{}", "labels/{}/{}")
    | {"data.yaml": "train: [[images/one], images/one]\nval:\n- images/two\nnames: {0: cat, 1: dog}"},
    "lists, YAML without names of splits in folders": splits("x", "y", "images/{}/{}", "labels/{}/{}")
    | {
        "data.yml": "train: l.txt\nval: ./m.txt\nnames: [cat, dog]",
        "l.txt": "./images/x/a.png\n",
        "m.txt": "images/y/b.png\n",
    },
    "backslashes in the YAML": splits("train", "val", "images/{}/{}", "labels/{}/{}")
    | {"data.yaml": "path: C:\\set\ntrain: C:\\set\\images\\train\nval: .\\images\\val\nnames: [cat, dog]"},
    "paths that begin with a slash": splits("train", "val", "images/{}/{}", "labels/{}/{}")
    | {"data.yaml": "train: /images/train/\nval: /images/val/\nnames: [cat, dog]"},
    "YAML of names alone": splits("train", "val", "images/{}/{}", "labels/{}/{}") | {"x.yaml": "names: [cat, dog]"},
    "YAML of another folder": splits("train", "val", "images/{}/{}", "labels/{}/{}")
    | {"data.yaml": f"path: ../datasets/coco8\n{YAML}", "hyper.yaml": "lr0: 0.01\n"},
    "classes.txt": splits("train", "val", "images/{}/{}", "labels/{}/{}") | {"classes.txt": NAMES},
    "classes.txt of each folder": splits("train", "val", "{}/{}", "{}/{}")
    | {"train/classes.txt": NAMES, "val/classes.txt": NAMES},
    "classes.txt with the labels": splits("train", "val", "images/{}/{}", "labels/{}/{}")
    | {"labels/train/classes.txt": NAMES},
    "notes.json": splits("train", "validation", "{}/images/{}", "{}/labels/{}") | {"notes.json": NOTES},
    "_darknet.labels": splits("train", "valid", "{}/{}", "{}/{}")
    | {"train/_darknet.labels": NAMES, "valid/_darknet.labels": NAMES, "README.txt": "7 photos of 2 animals at 1 zoo"},
    "labels of folders": splits("train", "val2", "{}/{}", "labels/{}/{}") | {"classes.txt": NAMES},
    "lists beside classes.txt": POOL | {"classes.txt": NAMES, "train.txt": "images/a.png", "val.txt": "images/b.png"},
    "VOC's images": splits("x", "y", "{}/JPEGImages/{}", "{}/labels/{}")
    | {"data.yaml": "train: x/JPEGImages\nval: y/JPEGImages\nnames: [cat, dog]"},
    "darknet": splits("one", "two", "obj/{}/{}", "obj/{}/{}")
    | {
        "obj.data": OBJ_DATA,
        "obj.names": NAMES,
        "train.txt": "data/obj/one/a.png\n",
        "test.txt": "data\\obj\\two\\b.png\n",
    },
}


@pytest.mark.filterwarnings("ignore:.*with backslashes, read as /:keras_centernet.errors.DataWarning")
@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts_with_splits(name, write_files, read, boxes_of):
    folder = write_files(LAYOUTS[name])
    first, second = splits_of(folder)
    for split, box in ((first, CAT_BOX), (second, DOG_BOX)):
        source = read(folder, split)
        assert source.classes == ("cat", "dog")
        assert list(boxes_of(source).values()) == [[box]]
    assert len(boxes_of(read(folder, "all"))) == 2


POOLS = {
    "images/ and labels/": POOL | {"labels/classes.txt": NAMES},
    "Label Studio": POOL | {"classes.txt": NAMES, "notes.json": NOTES},
    "side by side": {"a.png": None, "a.txt": CAT, "b.png": None, "b.txt": DOG, "classes.txt": NAMES},
    "images in the root": {
        "a.png": None,
        "b.png": None,
        "labels/a.txt": CAT,
        "labels/b.txt": DOG,
        "classes.txt": NAMES,
    },
    "folders in folders": {
        "images/mon/a.png": None,
        "labels/mon/a.txt": CAT,
        "images/tue/b.png": None,
        "labels/tue/b.txt": DOG,
        "classes.txt": NAMES,
    },
    "FiftyOne": {
        "data/a.png": None,
        "data/a.txt": CAT,
        "data/b.png": None,
        "data/b.txt": DOG,
        "obj.names": NAMES,
        "images.txt": "data/a.png\ndata/b.png\n",
    },
    "YAML and a pool": POOL | {"data.yaml": "names: [cat, dog]\n"},
    "an archive of a Mac": POOL | {"classes.txt": NAMES, "images/._a.png": b"\0\5", "__MACOSX/images/a.png": b"\0\5"},
}


@pytest.mark.parametrize("name", POOLS)
def test_layouts_without_splits(name, write_files, read, boxes_of):
    folder = write_files(POOLS[name])
    assert splits_of(folder) == ()
    assert boxes_of(read(folder)) == {"a.png": [CAT_BOX], "b.png": [DOG_BOX]}
    train, val = (read(folder, split, val_share=0.5) for split in ("train", "val"))
    assert boxes_of(train) | boxes_of(val) == {"a.png": [CAT_BOX], "b.png": [DOG_BOX]}
    assert (train.size, val.size) == (1, 1)


def test_classes_without_names_are_numbers(write_files, read):
    folder = write_files(splits("train", "val", "images/{}/{}", "labels/{}/{}"))
    with pytest.warns(DataWarning, match=r"2 class\(es\) without a name are called by their number, .*; first: 0"):
        source = read(folder, "train")  # this split has only the class 0
    assert source.classes == ("0", "1")


def test_places_can_be_given(write_files, read, boxes_of):
    folder = write_files({"data.yaml": YAML, **splits("train", "val", "photos/{}/{}", "texts/{}/{}")})
    places = {"images": folder / "photos", "annotations": folder / "texts"}
    assert boxes_of(read(folder, "val", **places)) == {"b.png": [DOG_BOX]}
    assert boxes_of(read(folder, "val", annotations=folder / "texts" / "val", images=folder / "photos" / "val")) == {
        "b.png": [DOG_BOX]
    }
    for data in (folder / "data.yaml", folder):
        assert boxes_of(read(data, "train", **places)) == {"a.png": [CAT_BOX]}


def test_paths_of_another_machine_are_found_by_their_end(write_files, read, boxes_of):
    files = splits("train", "val", "images/{}/{}", "labels/{}/{}", ("1", "1"))
    lists = {"train.txt": "/home/me/set/images/train/1.png\n", "val.txt": "C:\\data\\set\\images\\val\\1.png\n"}
    yaml = "path: /home/me/set\ntrain: train.txt\nval: /home/me/set/val.txt\nnames: [cat, dog]"
    folder = write_files(files | lists | {"data.yaml": yaml})
    with pytest.warns(DataWarning, match=r"1 image\(s\) found by the end of their path, which is one of another mach"):
        assert boxes_of(read(folder, "train")) == {"1.png": [CAT_BOX]}
    with pytest.warns(DataWarning) as caught:
        assert boxes_of(read(folder, "val")) == {"1.png": [DOG_BOX]}
    first = r"C:\data\set\images\val\1.png"
    assert f"1 name(s) of images with backslashes, read as /; first: {first}" in map(str, [w.message for w in caught])


def test_the_end_of_a_path_counts_only_if_it_names_the_split(write_files, read):
    folder = write_files({"data.yaml": "train: /x/val/images\nnames: [cat]", "images/a.png": None, "labels/a.txt": CAT})
    with pytest.raises(UserError, match=r"data.yaml: expected a folder or a list of images for split 'train', got '/x"):
        read(folder, "train")


def test_listed_images_that_are_missing_are_counted(write_files, read, boxes_of):
    files = POOL | {"l.txt": "images/A.PNG\nimages/none.png\n", "data.yaml": "train: l.txt\nnames: [cat, dog]"}
    folder = write_files(files)
    with pytest.warns(DataWarning) as caught:
        assert boxes_of(read(folder, "train")) == {"a.png": [CAT_BOX]}
    said = [str(warning.message) for warning in caught]
    assert any(line.startswith("1 of 2 images skipped, file missing or unreadable; first: image") for line in said)
    assert any("found under a name with other upper and lower case; first: images/A.PNG" in line for line in said)
    with (
        pytest.raises(UserError, match=r"none.png: expected a readable file"),
        pytest.warns(DataWarning, match="upper and lower case"),
    ):
        read(folder, "train", strict=True)


def test_images_and_label_files_without_a_partner_are_counted(write_files, read, capsys):
    files = {
        "images/c.png": None,
        "images/d.png": None,
        "labels/d.txt": "",
        "labels/e.txt": CAT,
        "labels/.DS_Store": "",
    }
    folder = write_files(POOL | files | {"classes.txt": NAMES})
    with pytest.warns(DataWarning, match=r"1 label file\(s\) skipped, there is no image of that name; first: .*e.txt"):
        source = read(folder)
    assert source.object_counts.tolist() == [1, 1, 0, 0]
    assert "1 images without label file; 2 images without objects" in capsys.readouterr().out


def test_label_files_of_other_splits_are_not_reported(write_files, read):
    folder = write_files(POOL | {"classes.txt": NAMES, "train.txt": "images/a.png", "val.txt": "images/b.png"})
    assert read(folder, "train").size == 1  # without a warning


@pytest.mark.parametrize("other", ["label", "Labels", "labels_yolo", "txt/train"])
def test_a_label_folder_of_another_name_is_named(other, write_files, read):
    images = "images/train" if "/" in other else "images"
    files = {f"{images}/a.png": None, f"{images}/b.png": None, f"{other}/b.txt": DOG}
    folder = write_files(files | {"data.yaml": f"train: {images}\nnames: [cat, dog]"})
    looked_for = folder / images.replace("images", "labels") / "a.txt"
    message = (
        f"{folder} (train): expected objects to learn from or to measure with, but none of 2 image(s) has a label "
        f"file; looked for {looked_for}; {folder / other} has label files: rename it to {looked_for.parent.name}, "
        "or pass it as `annotations`."
    )
    with pytest.raises(UserError, match=re.escape(message)):
        read(folder, "train")
    assert read(folder, "train", annotations=folder / other).object_counts.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"images/a.png": None, "data.yaml": YAML},
            "data.yaml: expected a folder or a list of images for split 'train'",
        ),
        ({"images/train/a.txt": "", "data.yaml": YAML}, "images/train, got an empty split."),
        ({"data.yaml": "train: l.txt\nnames: [cat]", "l.txt": "\n"}, "l.txt, got an empty split."),
        (
            {"data.yaml": "train: l.txt\nnames: [cat]", "l.txt": "a\0b"},
            "l.txt: expected the paths of images, one a line",
        ),
        ({"data.yaml": "train: l.txt\nnames: [cat]", "l.txt": b"caf\xe9.png"}, "l.txt, line 1: expected text in UTF-8"),
        ({"data.yaml": "names: [cat]", "a.yml": "nc: 1", "b.yaml": "nc: 2"}, "expected images in"),
        ({"a.yml": "nc: 1", "b.yaml": "nc: 2"}, "set: expected one YAML file, got b.yaml, a.yml; pass the right one"),
        ({"x.data": "train = l.txt\nbackup\n"}, "x.data, line 2: expected 'key = value', got 'backup'."),
        ({"x.data": "train = l.txt\n"}, "x.data: expected the file of class names as 'names', got None; correct it."),
        ({"x.data": "names = x.names\n", "x.names": "cat\n\ndog\n"}, "x.names: expected the name of a class in every"),
        (
            {"train/classes.txt": "cat", "train/a.txt": CAT, "val/classes.txt": "dog", "val/b.txt": CAT},
            "val/classes.txt: expected the class names of",
        ),
        ({"labels/a.txt": CAT, "notes.json": {"categories": [{"id": 1, "name": "cat"}]}}, "notes.json: expected 'cate"),
        ({"labels/a.txt": CAT, "notes.json": {"categories": 5}}, "notes.json: expected 'categories' with ids from 0"),
        ({"labels/a.txt": CAT, "notes.json": "[" * 100_000}, "notes.json: expected JSON, got one that is nested too"),
        ({"labels/a.txt": CAT, "classes.txt": "cat"}, "classes.txt: expected images in"),
    ],
)
def test_what_is_missing_or_broken_is_one_line(files, message, write_files, read):
    folder = write_files(files)
    with pytest.raises(UserError, match=re.escape(message)) as caught:
        read(folder, "train")
    assert "\n" not in str(caught.value)


def test_a_folder_without_yolo_files(tmp_path):
    (tmp_path / "notes.txt").write_text("a b c")
    with pytest.raises(UserError, match=r"expected labels of .*, yolo, .*; got .*, which holds none"):
        find_format(tmp_path)
    with pytest.raises(
        UserError, match=r"expected data.yaml, obj.data, classes.txt or label files in labels/, got none"
    ):
        read_source(tmp_path, "train", "yolo")


def test_classes_are_chosen_and_renamed(write_files, read, boxes_of):
    folder = write_files(POOL | {"classes.txt": "Cat\ndog\n"})
    with pytest.warns(DataWarning, match=r"1 object\(s\) of .* left out, not among \[dog\]; first: Cat \(1\)"):
        assert boxes_of(read(folder, classes=("dog",)))["a.png"] == []
    source = read(folder, classes=("animal",), class_map={"Cat": "animal", "dog": "animal"})
    assert boxes_of(source) == {"a.png": [("animal", *CAT_BOX[1:])], "b.png": [("animal", *DOG_BOX[1:])]}
    assert read(folder, classes=("dog", "cat"), ignore_case=True).object_counts.sum() == 2


@pytest.mark.slow
def test_ten_thousand_images_are_read_in_twenty_seconds(tmp_path):
    content = cv2.imencode(".jpg", np.zeros((16, 16, 3), np.uint8))[1].tobytes()
    for part in ("images", "labels"):
        (tmp_path / part).mkdir()
    for i in range(10_000):
        (tmp_path / "images" / f"photo {i:05d}.jpg").write_bytes(content)
        (tmp_path / "labels" / f"photo {i:05d}.txt").write_text("".join(f"{k % 2} .{k}5 .5 .1 .2\n" for k in range(9)))
    (tmp_path / "classes.txt").write_text(NAMES)
    start = time.perf_counter()
    source = read_source(tmp_path, "train")
    assert source.size == pytest.approx(8000, rel=0.05)
    assert time.perf_counter() - start < 20
