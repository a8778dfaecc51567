"""The fingerprint of a run's data, and the descriptions of changes."""

import json
import shutil

import numpy as np
import pytest

from keras_centernet.data import load_dataset
from keras_centernet.data.formats import shapes
from keras_centernet.runs.resuming.fingerprint import describe_changes, describe_classes, fingerprint_of
from tests.helpers.data_sets import write_image

ROWS = ["a.png,2,3,20,21,dog", "a.png,4,4,10,10,cat", "b.png,1,1,30,30,cat"]


def write(folder, rows=ROWS, side=32):
    """A folder of images and a table of their boxes."""
    folder.mkdir(exist_ok=True)
    (folder / "boxes.csv").write_text("filename,xmin,ymin,xmax,ymax,class\n" + "\n".join(rows) + "\n")
    for name in {row.split(",")[0] for row in rows}:
        write_image(folder / "images" / name, np.full((side, side, 3), 90, np.uint8))
    return folder


def fingerprint(data, split="all", **options):
    dataset = load_dataset(str(data), split, training=False, input_size=64, batch_size=1, **options)
    return fingerprint_of(dataset)


@pytest.fixture
def data(tmp_path):
    return write(tmp_path / "data")


def test_counts_classes_and_sizes(data):
    found = fingerprint(data)
    sizes = sum(path.stat().st_size for path in (data / "images").iterdir())
    assert {name: found[name] for name in ("images", "objects", "classes", "objects_by_class", "image_bytes")} == {
        "images": 2,
        "objects": 3,
        "classes": ["cat", "dog"],
        "objects_by_class": [2, 1],
        "image_bytes": sizes,
    }
    assert json.loads(json.dumps(found)) == found


def test_data_that_moved_are_the_same(data, tmp_path):
    before = fingerprint(data)
    shutil.move(data, tmp_path / "elsewhere")
    assert fingerprint(tmp_path / "elsewhere") == before


CHANGES = {
    "nothing": ({}, []),
    "an image": ({"rows": [*ROWS, "c.png,1,1,9,9,cat"]}, ["1 image more in train", "1 object more in train"]),
    "objects": ({"rows": ROWS[1:2]}, ["1 image fewer in train", "2 objects fewer in train"]),
    "a name": ({"rows": [row.replace("b.png", "d.png") for row in ROWS]}, ["other names of images in train"]),
    "a file": ({"side": 64}, ["other image files in train"]),
    "a box": ({"rows": [*ROWS[:2], "b.png,1,1,30,29,cat"]}, ["other labels in train"]),
}


@pytest.mark.parametrize(("change", "said"), CHANGES.values(), ids=CHANGES)
def test_changes_of_the_data_are_described(change, said, data, tmp_path):
    before = fingerprint(data)
    assert describe_changes(before, fingerprint(write(tmp_path / "changed", **change)), "train") == said


def test_drawn_images_have_no_files(monkeypatch):
    monkeypatch.setattr(shapes, "SPLIT_SIZES", {"train": 3, "val": 3, "test": 3})
    found = fingerprint("shapes", "val")
    assert (found["images"], found["image_bytes"]) == (3, None)
    assert found["objects"] == sum(found["objects_by_class"])


def test_an_empty_fingerprint_reports_no_change(data):
    assert describe_changes({}, fingerprint(data), "train") == []


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        (["cat"], ["cat"], ""),
        (["dog"], ["cat", "dog"], "class 'cat' is new"),
        (["cat", "dog", "hen"], ["dog", "ox"], "class 'ox' is new, classes 'cat', 'hen' are gone"),
        (["cat", "dog"], ["dog", "cat"], ""),
    ],
)
def test_changes_of_the_classes_are_described(before, now, said):
    assert describe_classes(before, now) == said
