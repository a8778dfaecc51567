"""What `inspect` finds in a data set, compared with the objects that were written into it."""

import dataclasses
import re

import cv2
import numpy as np
import pytest

import keras_centernet
from keras_centernet.cli import main
from keras_centernet.data.formats.opening import read_source
from keras_centernet.data.records.writing import write_tfrecords
from keras_centernet.errors import UserError
from keras_centernet.inspection import inspect

OBJECT = "<object><name>{}</name><bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"
TRAIN = {
    "street01": [("car", 10, 10, 90, 60)],
    "street02": [],
    "street03": [("car", 0, 0, 160, 120)],
    **{f"street{i:02}": [("car", 10, 10, 60, 50), ("dog", 100, 80, 140, 110)] for i in range(4, 14)},
    "street14": [("car", 10, 10, 60, 50), ("car", 10, 10, 60.5, 50)],
    "street15": [("car", 150, 10, 190, 50), ("dog", 20, 20, 21, 60)],
    "street16": [("dog", 40, 40, 44, 44), ("car", 39, 39, 45, 45)],
}
VAL = {"alley1": [("car", 20, 20, 70, 90)], "alley2": [("dog", 30, 30, 60, 60)]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root, rng = tmp_path_factory.mktemp("streets"), np.random.default_rng(2)
    for name in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (root / name).mkdir(parents=True)
    photos = {}
    for split, images in (("train", TRAIN), ("val", VAL)):
        for stem, objects in images.items():
            photo = cv2.resize(rng.integers(0, 255, (8, 10, 3), np.uint8), (160, 120), interpolation=cv2.INTER_CUBIC)
            photos[stem] = photos["street07"] if stem == "alley2" else photo
            quality = [cv2.IMWRITE_JPEG_QUALITY, 60 if stem == "alley2" else 95]
            cv2.imwrite(str(root / "JPEGImages" / f"{stem}.jpg"), photos[stem], quality)
            nodes = "".join(OBJECT.format(*one) for one in objects)
            (root / "Annotations" / f"{stem}.xml").write_text(f"<annotation>{nodes}</annotation>")
        (root / "ImageSets/Main" / f"{split}.txt").write_text("\n".join(images))
    return root


@pytest.fixture(scope="module")
def inspection(folder):
    return inspect(folder, input_size=160)


def test_counts_by_split_and_class(inspection):
    assert inspection.rows_of_classes == [("class", "train", "val"), ("car", "16", "1"), ("dog", "12", "1")]
    heading, train, val = inspection.rows_of_splits
    sides = [np.sqrt((x2 - x1) * (y2 - y1)) for objects in TRAIN.values() for _, x1, y1, x2, y2 in objects]
    assert dict(zip(heading, train, strict=True)) == {
        "split": "train",
        "images": "16",
        "without objects": "1",
        "objects": "28",
        "most in one image": "2",
        "box side 5 / 50 / 95 %": " / ".join(f"{side:.0f}" for side in np.quantile(sides, (0.05, 0.5, 0.95))),
        # objects 1, 4 and 6 pixels wide: the map has a cell for every 4 x 4 pixels
        "under 2 cells": "3",
        # one of street14's two boxes, whose centres are 0.25 pixels apart, and one of street16's
        "centre in a taken cell": "2",
    }
    assert val[:4] == ("val", "2", "0", "2")


def test_suspicious_images(inspection):
    found = {(one.split, one.name.rpartition("/")[2][:-4]): one.reasons for one in inspection.suspicions}
    assert found == {
        ("train", "street02"): {"no object, but its neighbours have some": 1},
        ("train", "street03"): {"box as large as the image": 1},
        ("train", "street14"): {"two boxes for one object": 1},
        ("train", "street15"): {"box over the border": 1, "box of less than two pixels": 1},
    }
    assert inspection.suspicions[0].name.endswith("street15.jpg")  # the image with the most reasons comes first


def test_the_same_photo_in_another_split_with_another_quality_is_a_near_duplicate(inspection):
    ((one, name, other, other_name),) = inspection.near_duplicates
    assert (one, other) == ("train", "val")
    assert name.endswith("street07.jpg")
    assert other_name.endswith("alley2.jpg")


def test_advice(inspection, folder):
    assert inspection.advice == {"input_size": 256, "max_objects": 8}
    assert "suggested: --input-size 256 --max-objects 8" in repr(inspection)


def test_the_input_is_named_height_first(inspection, tmp_path):
    tall = dataclasses.replace(inspection, input_hw=(192, 160))
    tall.save(tmp_path / "page.html")
    assert "Sizes are pixels of a 192 x 160 input." in tall.table()
    assert "pixels of a 192 x 160 input" in (tmp_path / "page.html").read_text()


def test_the_page_opens_without_a_network(inspection, tmp_path):
    inspection.save(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert not re.search(r"(src|href)=.(?!data:)", page)
    assert "<script" not in page
    assert page.count("data:image/jpeg") == 4 + 2 + 16 + 2  # suspicious, near-duplicates, images of train and val
    assert page.count("data:image/png") == 2
    assert page.index("Suspicious images") < page.index("Images of train")
    assert "box as large as the image" in page


def test_names_in_the_page_are_escaped(folder, tmp_path):
    for path in (folder / "Annotations").glob("alley*.xml"):
        text = path.read_text()
        (tmp_path / path.name).write_text(text.replace("<name>car", "<name>&lt;b&gt;car"))
        (tmp_path / f"{path.stem}.jpg").write_bytes((folder / "JPEGImages" / f"{path.stem}.jpg").read_bytes())
    inspect(tmp_path).save(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "&lt;b&gt;car" in page
    assert "<b>car" not in page


@pytest.mark.slow
def test_records_give_the_same_tables(folder, tmp_path, inspection):
    for split in ("train", "val"):
        write_tfrecords(read_source(folder, split, classes=("car", "dog")), split, tmp_path / "records", 1)
    records = inspect(tmp_path / "records", input_size=160)
    assert records.rows_of_splits == inspection.rows_of_splits
    assert records.rows_of_classes == inspection.rows_of_classes
    records.save(tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text().count("data:image/jpeg") == 4 + 16 + 2


def test_the_command(folder, tmp_path, capsys):
    page = tmp_path / "pages" / "streets.html"
    assert main(["inspect", "--data", str(folder), "--split", "val", "--output", str(page)]) == 0
    out = capsys.readouterr().out
    assert "0 suspicious image(s)" in out
    assert page.read_text().startswith("<!doctype html>")
    assert main(["inspect", "--data", str(tmp_path / "nothing")]) == 2


def test_an_unknown_task_is_refused(folder):
    with pytest.raises(UserError, match="Unknown task: expected one of detection"):
        inspect(folder, task="poetry")


def test_one_string_is_no_list_of_classes(folder):
    with pytest.raises(UserError, match=r"classes: expected a list of names, .* got 'car'; pass a list"):
        inspect(folder, classes="car")


def test_inspect_is_public():
    assert keras_centernet.inspect is inspect
