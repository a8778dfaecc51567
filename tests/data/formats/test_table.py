"""How a data set's format is recognised, which options a format takes, and how one is added."""

import importlib.util
import re
import subprocess
import sys

import cv2
import numpy as np
import pytest

from keras_centernet.data import load_dataset
from keras_centernet.data.annotations import build_annotations
from keras_centernet.data.fields import REGION_FIELDS, known_fields
from keras_centernet.data.formats.opening import read_source
from keras_centernet.data.formats.table import FORMATS, Format, find_format
from keras_centernet.data.source import source_from_annotations
from keras_centernet.errors import UserError
from keras_centernet.tasks import TASKS
from keras_centernet.texts import in_two_lines


def test_the_format_is_recognised(write_voc, write_coco, write_yolo):
    coco = write_coco([])
    assert find_format(write_voc({"a": []})) == "voc"
    assert find_format(coco) == "coco"
    assert find_format(coco / "annotations" / "instances_train2017.json") == "coco"
    assert find_format("images", annotations="mine.json") == "coco"
    yolo = write_yolo({"a": ""})
    assert find_format(yolo) == "yolo"
    assert find_format(yolo / "data.yaml") == "yolo"
    assert find_format("shapes") == "shapes"
    assert find_format("records/*.tfrecord") == find_format("gs://bucket/records-*") == "tfrecord"
    assert find_format("records", annotations="label_map.pbtxt") == "tfrecord"
    assert {"voc", "coco", "createml", "labelme", "yolo", "kitti", "tfds", "tfrecord", "shapes"} <= set(FORMATS)


def test_a_folder_may_have_glob_characters_in_its_name(write_voc, tmp_path):
    folder = write_voc({"a": [("cat", 1, 2, 30, 40)]}).rename(tmp_path / "photos [2024]")
    assert find_format(folder) == "voc"
    assert read_source(folder, "train").size == 1


@pytest.mark.skipif(importlib.util.find_spec("tensorflow_datasets") is None, reason="the extra [tfds] is not installed")
def test_names_of_tensorflow_datasets_are_known():
    assert find_format("coco/2017") == "tfds"
    assert find_format("voc/2007") == "tfds"


@pytest.mark.parametrize(
    ("files", "problem"), [((), "none"), (("a.jpg", "b.PNG", "words.md"), "none, only 2 image(s)")]
)
def test_a_folder_of_no_known_format_is_told_all_formats(tmp_path, monkeypatch, files, problem):
    folder = tmp_path / "shapes"  # also the name of a format
    folder.mkdir()
    for name in files:
        (folder / name).touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as error:
        find_format("shapes")
    known = ", ".join(name for name, row in FORMATS.items() if not row.is_name)
    said = f"data: expected labels of {known}; got 'shapes', which holds {problem}. See docs/data.md."
    assert str(error.value) == said
    assert in_two_lines(f"keras-centernet: {said}") == f"keras-centernet: {said}"


@pytest.mark.parametrize("name", ["Photos/", "no/such/folder", "coco2017.zip"])
def test_a_name_that_does_not_exist(name):
    with pytest.raises(UserError, match=re.escape(f"got {name!r}, which does not exist. Correct it.")) as error:
        find_format(name)
    assert str(error.value).startswith("data: expected a folder or file of annotated images, ")
    assert "`format`" not in str(error.value)
    assert "Pascal VOC" not in str(error.value)  # the message does not list what a folder should hold


@pytest.mark.parametrize(
    ("format", "options", "message"),
    [
        ("pascal", {}, f"format: expected one of {', '.join(FORMATS)}, got 'pascal'."),
        ("CVS", {}, ", tfds, got 'CVS'. Did you mean csv?"),
        ("voc", {}, "data: expected a folder or file in voc format, got 'nowhere', which does not exist."),
        ("shapes", {"images": "photos"}, "images: expected none with format shapes, got 'photos'; remove it."),
        (
            "shapes",
            {"annotations": "a.json"},
            "annotations: expected none with format shapes, got 'a.json'; remove it.",
        ),
        ("tfrecord", {"images": "photos"}, "images: expected none with format tfrecord, got 'photos'; remove it."),
        (
            "yolo",
            {"annotations": "no"},
            "annotations: expected the folder of label files, got 'no', which does not exist",
        ),
        ("voc", {"images": "no"}, "images: expected the folder of images, got 'no', which does not exist."),
        (
            "voc",
            {"fields": ("keypoints_xyv",)},
            "format voc has no keypoints_xyv, which this task needs: expected one of tfrecord, coco",
        ),
    ],
)
def test_bad_request(format, options, message):
    with pytest.raises(UserError, match=re.escape(message)):
        read_source("nowhere", "train", format, **options)


@pytest.fixture
def stripes(monkeypatch):
    """Registers a made-up format: one function and one row."""

    def read_stripes(request):
        names = sorted(str(path) for path in request.path.glob("*.stripes.png"))
        rows = [(i, 2, 3, 30, 20, 0, False, False, None) for i in range(len(names))]
        fields = {"velocities_dxy": np.full((len(rows), 2), 3, np.float32)} if request.fields else {}
        return source_from_annotations(request.name, ("stripe",), build_annotations(names, rows, fields=fields))

    def recognizes(path):
        return path.is_dir() and any(path.glob("*.stripes.png"))

    row = Format(read_stripes, recognizes, "*.stripes.png", fields=("velocities_dxy",), annotations="a ruler")
    monkeypatch.setitem(FORMATS, "stripes", row)


def test_a_new_format_is_one_row(stripes, tmp_path):
    cv2.imwrite(str(tmp_path / "a.stripes.png"), np.zeros((48, 64, 3), np.uint8))
    assert find_format(tmp_path) == "stripes"
    data = load_dataset(tmp_path, "train", input_size=64, batch_size=1)
    assert data.classes == ("stripe",)
    assert next(iter(data))[1]["mask"].numpy().sum() == 1
    source = read_source(tmp_path, "train", fields=("velocities_dxy",))
    assert "velocities_dxy" in source.fields
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=re.escape("csv, stripes; got ")):
        find_format(tmp_path / "empty")
    with pytest.raises(UserError, match=re.escape("tfds, stripes, got 'pascal'")):
        read_source(tmp_path, "train", "pascal")
    with pytest.raises(UserError, match=r"expected one of tfrecord, stripes\. Pass another"):
        read_source(tmp_path, "train", "voc", ("velocities_dxy",))


def test_every_field_of_a_format_has_one_spec():
    of_all = REGION_FIELDS.keys() | {name for row in TASKS.values() for name in row.fields}
    own = [name for row in FORMATS.values() for name in row.own_fields]
    for row in FORMATS.values():
        assert set(row.fields or ()) <= of_all
    assert len({*own, *of_all}) == len(own) + len(of_all)
    assert known_fields().keys() == {*own, *of_all}


def test_the_table_needs_no_tensorflow():
    code = (
        "import sys, keras_centernet.data.formats.table; assert not {'tensorflow', 'numpy', 'cv2'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
