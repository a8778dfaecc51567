import importlib.util
import re

import pytest

from keras_centernet.data.formats.table import FORMATS, find_format, read_source
from keras_centernet.errors import UserError


def test_format_is_found_out(write_voc, write_coco, write_yolo):
    coco = write_coco([])
    assert find_format(write_voc({"a": []})) == "voc"
    assert find_format(coco) == "coco"
    assert find_format(coco / "annotations" / "instances_train2017.json") == "coco"
    assert find_format("pictures", annotations="mine.json") == "coco"
    yolo = write_yolo({"a": ""})
    assert find_format(yolo) == "yolo"
    assert find_format(yolo / "data.yaml") == "yolo"
    assert find_format("shapes") == "shapes"
    assert find_format("records/*.tfrecord") == find_format("gs://bucket/records-*") == "tfrecord"
    assert find_format("records", annotations="label_map.pbtxt") == "tfrecord"
    assert set(FORMATS) == {"voc", "coco", "yolo", "kitti", "tfds", "tfrecord", "shapes"}


@pytest.mark.skipif(importlib.util.find_spec("tensorflow_datasets") is None, reason="the extra [tfds] is not installed")
def test_names_of_tensorflow_datasets_are_known():
    assert find_format("coco/2017") == "tfds"
    assert find_format("voc/2007") == "tfds"


def test_folder_of_no_format_says_what_was_looked_for(tmp_path):
    message = (
        f"data: expected {tmp_path} to hold ImageSets/Main/ and Annotations/ (voc), annotations/instances_*.json "
        "(coco), data.yaml (yolo), image_2/ and label_2/ (kitti) or *.tfrecord (tfrecord), got none of them; pass "
        "`format`, or `annotations` and `images`."
    )
    with pytest.raises(UserError, match=re.escape(message)):
        find_format(tmp_path)


@pytest.mark.parametrize("name", ["Photos/", "no/such/folder", "coco2017.zip"])
def test_name_of_nothing(name):
    with pytest.raises(UserError, match=re.escape(f"got {name!r}, which does not exist.")):
        find_format(name)


@pytest.mark.parametrize(
    ("format", "message"),
    [
        ("pascal", "format: expected one of voc, coco, yolo, kitti, tfds, tfrecord, shapes, got 'pascal'."),
        ("voc", "data: expected a folder or file in voc format, got 'nowhere', which does not exist."),
    ],
)
def test_bad_format(format, message):
    with pytest.raises(UserError, match=re.escape(message)):
        read_source("nowhere", "train", format)
