"""A data set at a remote path gives the batches of its local copy."""

import json
import pathlib
import time

import cv2
import numpy as np
import pytest
import tensorflow as tf

from keras_centernet import UserError, load_dataset
from keras_centernet.data.formats.table import find_format
from keras_centernet.data.images import check_image, read_header
from keras_centernet.data.records.writing import write_tfrecords
from keras_centernet.errors import DataWarning
from keras_centernet.files.remote_path import RemotePath

CAR = "Car 0.00 0 -1.58 100.00 30.00 200.00 90.00 1.65 1.67 3.64 -0.65 1.71 46.70 -1.59"
SPLITS = {"train": ["000007", "000009"]}
CVAT = "<annotations><version>1.1</version>" + "".join(
    f'<image name="train/{name}.jpg" subset="train"><box label="{label}" xtl="5" ytl="6" xbr="30" ybr="31"/></image>'
    for name, label in (("a", "cat"), ("b", "dog"))
)
CVAT += "</annotations>"
YAML = "path: .\ntrain: ../images/train\nnames: [cat, dog]\n"
FORMATS = ("voc", "coco", "yolo", "kitti", "csv", "cvat", "tfrecord")


@pytest.fixture
def write(write_voc, write_coco, write_yolo, write_kitti, write_image, tmp_path):
    """write(format) -> a small folder in that format with the split train."""

    def write_records():
        source = load_dataset(write_voc({"a": [("cat", 5, 6, 30, 31)], "b": []}), input_size=64, batch_size=1).source
        write_tfrecords(source, "train", tmp_path / "records", 1)
        return tmp_path / "records"

    def write_file(name, text):
        for image in ("a.jpg", "b.jpg"):
            write_image(tmp_path / "data" / "train" / image)
        (tmp_path / "data" / name).write_text(text)
        return tmp_path / "data"

    writers = {
        "csv": lambda: write_file("train.csv", "a.jpg,5,6,30,31,cat\nb.jpg,1,2,9,20,dog\n"),
        "cvat": lambda: write_file("annotations.xml", CVAT),
        "voc": lambda: write_voc({"a": [("cat", 5, 6, 30, 31)], "b": [("dog", 1, 2, 9, 20), ("cat", 30, 20, 60, 40)]}),
        "coco": lambda: write_coco(
            [
                {"image_id": 30, "category_id": 18, "bbox": [2, 3, 20, 30], "iscrowd": 0},
                {"image_id": 7, "category_id": 3, "bbox": [10, 5, 30, 20], "area": 99.0},
            ]
        ),
        "yolo": lambda: write_yolo({"a": "0 .5 .5 .25 .5\n", "b": "1 .2 .3 .1 .1\n", "c": None}, YAML),
        "kitti": lambda: write_kitti(
            {"000007": [CAR], "000009": [CAR, CAR.replace("100.00", "120.00")]}, splits=SPLITS
        ),
        "tfrecord": write_records,
    }
    return lambda format: writers[format]()


def batches_of(data, **options):
    dataset = load_dataset(data, "train", **{"input_size": 64, "batch_size": 2} | options)
    return dataset, list(dataset.as_numpy_iterator())


@pytest.mark.parametrize("training", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("format", FORMATS)
def test_batches_are_those_of_the_local_folder(format, training, write, to_ram):
    tf.random.set_seed(0)  # training crops depend on it, and with some seeds hold no object
    local = write(format)
    remote = to_ram(local)
    assert find_format(remote) == find_format(local) == format
    options = {"training": training, "task": "detection_3d" if format == "kitti" else "detection"}
    (ours, here), (theirs, there) = batches_of(local, **options), batches_of(remote, **options)
    assert (theirs.classes, theirs.source.size) == (ours.classes, ours.source.size)
    assert len(here) == len(there) > 0
    tf.nest.map_structure(np.testing.assert_array_equal, here, there)
    assert here[0][1]["mask"].any()


def test_annotations_images_or_the_path_in_a_yaml_file_may_be_remote(write, to_ram):
    """`annotations` and `images` are remote, and then the path in a local data.yaml."""
    voc, yolo = write("voc"), write("yolo")
    _, expected = batches_of(voc, training=False)
    _, found = batches_of(
        voc, training=False, annotations=to_ram(voc / "Annotations"), images=to_ram(voc / "JPEGImages")
    )
    tf.nest.map_structure(np.testing.assert_array_equal, expected, found)

    _, expected = batches_of(yolo, training=False)
    (yolo / "data.yaml").write_text(YAML.replace("path: .", f"path: {to_ram(yolo)}"))
    dataset, found = batches_of(yolo, training=False)
    assert dataset.source.image_names[0].startswith("ram://")
    tf.nest.map_structure(np.testing.assert_array_equal, expected, found)


def test_images_that_are_missing_or_cut_off_are_skipped(write, to_ram):
    local = write("yolo")
    images = local / "images" / "train"
    (images / "a.png").write_bytes((images / "a.png").read_bytes()[:-20])
    (local / "train.txt").write_text("".join(f"images/train/{name}.png\n" for name in ("a", "b", "none")))
    (local / "data.yaml").write_text("train: train.txt\nnames: [cat, dog]\n")
    remote = to_ram(local)
    with pytest.warns(DataWarning, match=r"2 of 3 images skipped, file missing or unreadable.*ram://.*cut off"):
        dataset, _ = batches_of(remote, training=False)
    assert [name.rpartition("/")[2] for name in dataset.source.image_names] == ["b.png"]
    with pytest.raises(UserError, match=r"image ram://.*: expected a complete file, got one cut off"):
        batches_of(remote, strict=True)


def test_sizes_of_remote_images_are_read_without_decoding(write, to_ram, monkeypatch):
    images = write("yolo") / "images" / "train"
    remote = to_ram(images)
    monkeypatch.delattr(cv2, "imdecode")
    for path in images.iterdir():
        assert read_header(f"{remote}/{path.name}") == check_image(f"{remote}/{path.name}") == read_header(path)


def test_an_image_that_vanishes_becomes_black(write, to_ram):
    remote = to_ram(write("voc"))
    dataset = load_dataset(remote, "train", input_size=64, batch_size=2, training=False)
    tf.io.gfile.remove(dataset.source.image_names[0])
    with pytest.warns(DataWarning, match=r"became black .*ram://.*'No such file or directory'"):
        ((images, objects),) = dataset.as_numpy_iterator()
    assert not images[0].any()
    assert objects["mask"].any(axis=1).tolist() == [False, True]


def test_remote_images_are_fetched_together(write_voc, to_ram, monkeypatch):
    """More images are fetched at once than there are cores, because each fetch waits for the network."""
    remote = to_ram(write_voc({f"a{i}": [("cat", 5, 6, 30, 31)] for i in range(40)}))
    dataset = load_dataset(remote, "train", input_size=64, batch_size=8)
    under_way, most = [], []
    read = RemotePath.open

    def slow(self, mode="rb"):
        under_way.append(self)
        most.append(len(under_way))
        time.sleep(0.1)
        under_way.remove(self)
        return read(self, mode)

    monkeypatch.setattr(RemotePath, "open", slow)
    assert len(list(dataset)) == 5
    assert max(most) >= 16


@pytest.mark.slow
def test_local_images_never_go_through_tensorflows_file_functions(write, monkeypatch):
    for name in ("GFile", "exists", "isdir", "listdir", "glob", "stat"):
        monkeypatch.setattr(tf.io.gfile, name, lambda *_: pytest.fail("a local file went through tf.io.gfile"))
    for format in ("voc", "coco", "yolo", "kitti"):
        assert len(batches_of(write(format))[1]) > 0


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        ("ram://nowhere", {}, "got 'ram://nowhere', which does not exist."),
        ("ram://nowhere", {"format": "voc"}, "expected a folder or file in voc format, got 'ram://nowhere', which"),
        (
            "nosuch://x",
            {},
            "nosuch://x: expected a file or folder that can be reached, got: File system scheme",
        ),
        ("nosuch://x", {"format": "coco"}, "expected a file or folder that can be reached, got: File system scheme"),
        (
            "{coco}",
            {"annotations": "ram://x/no.json"},
            "annotations: expected the JSON file, got 'ram://x/no.json', which does not exist.",
        ),
        (
            "{coco}",
            {"images": "ram://no"},
            "images: expected the folder of images, got 'ram://no', which does not exist.",
        ),
        (
            "{coco}",
            {"annotations": "ram://x/no.pbtxt"},
            "annotations: expected a label map (.pbtxt), got 'ram://x/no.pbtxt'",
        ),
    ],
)
def test_mistakes_are_one_line(data, options, message, write, to_ram):
    with pytest.raises(UserError) as caught:
        load_dataset(data.format(coco=to_ram(write("coco"))), "train", **options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("format", ["voc", "yolo"])
def test_records_are_written_to_a_remote_folder(format, write, to_ram):
    """Records written from remote images to a remote folder equal the local ones byte for byte."""
    local = write(format)
    here, there = local.parent / "here", f"{to_ram(local)}-records"
    for data, output in ((local, here), (to_ram(local), there)):
        write_tfrecords(batches_of(data)[0].source, "train", output, 2)
    names = tf.io.gfile.listdir(there)
    assert sorted(names) == sorted(path.name for path in pathlib.Path(here).iterdir())
    for name in names:
        with tf.io.gfile.GFile(f"{there}/{name}", "rb") as file:
            assert file.read() == (here / name).read_bytes()
    with pytest.raises(UserError, match="expected a folder without split 'train', got ram://"):
        write_tfrecords(batches_of(local)[0].source, "train", there, 1)
    facts = write_tfrecords(batches_of(local)[0].source, "train", there, 1, overwrite=True)
    assert sorted(tf.io.gfile.listdir(there)) == ["dataset.json", "label_map.pbtxt", "train-00000-of-00001.tfrecord"]
    with tf.io.gfile.GFile(f"{there}/dataset.json") as file:
        assert json.load(file)["splits"]["train"] == facts
    assert cv2.imdecode(np.frombuffer(next_image(there), np.uint8), cv2.IMREAD_COLOR).shape == (48, 64, 3)


def next_image(folder):
    record = next(iter(tf.data.TFRecordDataset(f"{folder}/train-00000-of-00001.tfrecord")))
    return tf.train.Example.FromString(record.numpy()).features.feature["image/encoded"].bytes_list.value[0]
