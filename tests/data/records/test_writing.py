"""Data sets -> records -> data sets, and what the records hold for the Object Detection API."""

import dataclasses
import hashlib
import json
import re
import struct

import cv2
import numpy as np
import pytest
import tensorflow as tf

from keras_centernet.data import load_dataset
from keras_centernet.data.annotations import build_annotations
from keras_centernet.data.formats.opening import read_source
from keras_centernet.data.formats.request import DataRequest
from keras_centernet.data.formats.shapes import build_shapes
from keras_centernet.data.records.label_map import read_label_map
from keras_centernet.data.records.reading import read_tfrecord
from keras_centernet.data.records.writing import write_tfrecords
from keras_centernet.data.source import source_from_annotations
from keras_centernet.errors import DataWarning, UserError
from keras_centernet.method.specs import FieldSpec
from keras_centernet.tasks import TASKS
from tests.helpers.service_reading import service_examples

FIELDS_3D = ("locations_xyz", "dimensions_hwl", "alphas")
DOG = {"image_id": 30, "category_id": 18, "bbox": [5, 6, 20, 24], "area": 111.5, "iscrowd": 0}
CROWD = {"image_id": 30, "category_id": 3, "bbox": [-2, 0, 64, 50.5], "area": 2000, "iscrowd": 1}
CAR = "Car 0.10 1 -1.50 100.00 50.00 160.00 90.00 1.50 1.60 3.90 -2.00 1.60 12.00 -1.60"
REGION = "DontCare -1 -1 -10 300.00 60.00 340.00 80.00 -1 -1 -1 -1000 -1000 -1000 -10"
ANIMAL = {"id": 4, "name": "dog", "keypoints": ["left_ear", "right_ear", "tail"], "skeleton": [[1, 2]]}


def features_of(path):
    """Returns {key: values} of each record of a file."""
    records = []
    for serialized in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        features = tf.train.Example.FromString(serialized).features.feature
        records.append({key: list(getattr(one, one.WhichOneof("kind")).value) for key, one in features.items()})
    return records


def assert_same(examples, references):
    for example, reference in zip(examples, references, strict=True):
        assert set(example) == set(reference)
        for key, values in reference.items():
            assert example[key].dtype == values.dtype, key
            np.testing.assert_allclose(example[key], values, rtol=1e-6, atol=1e-4, err_msg=key)


@pytest.mark.slow
def test_coco_is_the_same_through_records(write_coco, tmp_path, examples_of):
    source = read_source(write_coco([DOG, CROWD]), "train", val_share=0)
    facts = write_tfrecords(source, "train", tmp_path / "records", 2)
    assert (facts["images"], facts["objects"], facts["most_objects"]) == (2, 2, 2)
    again = read_tfrecord(DataRequest(tmp_path / "records", "train"))
    assert (again.classes, again.size) == (source.classes, source.size)
    assert_same(examples_of(again), examples_of(source))
    by_id = sorted(examples_of(source), key=lambda example: example["image_id"])
    assert_same(service_examples(again), by_id)


def test_category_ids_are_kept(write_coco, tmp_path, examples_of):
    folder, records = write_coco([DOG, CROWD]), tmp_path / "records"
    source = read_source(folder, "train", val_share=0)
    write_tfrecords(source, "train", records, 1)
    assert read_tfrecord(DataRequest(records, "train")).category_ids == source.category_ids == (3, 18)
    again = read_tfrecord(DataRequest(records, "train", classes=("dog", "bird", "cat")))
    assert again.category_ids == (18, None, 3)
    assert [example["classes"].tolist() for example in examples_of(again)] == [[0, 2], []]
    (records / "dataset.json").unlink()  # as in other programs' records: the label map has the ids
    assert read_tfrecord(DataRequest(records, "train", classes=("dog", "bird", "cat"))).category_ids == (18, None, 3)


def test_category_ids_that_no_label_map_allows_are_not_labels(write_coco, tmp_path, examples_of):
    categories = [{"id": 0, "name": "dog"}, {"id": 1, "name": "cat"}]  # label maps reserve 0 for the background
    annotations = [DOG | {"category_id": 0}, CROWD | {"category_id": 1}]
    source = read_source(write_coco(annotations, categories=categories), "train", val_share=0)
    write_tfrecords(source, "train", tmp_path / "records", 1)
    again = read_tfrecord(DataRequest(tmp_path / "records", "train"))
    assert (again.classes, again.category_ids) == (source.classes, source.category_ids)
    assert_same(examples_of(again), examples_of(source))
    names = read_label_map(str(tmp_path / "records" / "label_map.pbtxt")).names
    assert names == dict(enumerate(source.classes, start=1))


@pytest.mark.slow
def test_splits_of_a_folder_have_one_label_map(write_coco, tmp_path, examples_of):
    source = read_source(write_coco([DOG, CROWD]), "train", val_share=0)
    unnumbered = dataclasses.replace(source, category_ids=None)
    other = dataclasses.replace(source, category_ids=(1, 2))
    for first, second in ((source, unnumbered), (unnumbered, source)):
        folder = tmp_path / f"records of {first.category_ids}"
        write_tfrecords(first, "train", folder, 1)
        write_tfrecords(second, "val", folder, 1)
        for split in ("train", "val"):
            again = read_tfrecord(DataRequest(folder, split))
            assert again.category_ids == first.category_ids
            assert_same(examples_of(again), examples_of(source))
    write_tfrecords(source, "train", tmp_path / "records", 1)
    with pytest.raises(UserError, match=r"expected category ids as in .*, \[3, 18\], got \[1, 2\]; name another"):
        write_tfrecords(other, "val", tmp_path / "records", 1)
    write_tfrecords(other, "train", tmp_path / "records", 1, overwrite=True)
    assert read_tfrecord(DataRequest(tmp_path / "records", "train")).category_ids == (1, 2)


def test_keypoints_are_the_same_through_records(write_keypoints, tmp_path, examples_of):
    rows = [(4, [10, 10, 20, 20], [12, 14.5, 2, 20, 15, 1, 0, 0, 0]), (4, [1, 1, 20, 20], [])]
    fields = ("keypoints_xyv",)
    source = read_source(write_keypoints([ANIMAL], rows), "train", fields=fields, val_share=0)
    write_tfrecords(source, "train", tmp_path / "records", 1)
    again = read_tfrecord(DataRequest(tmp_path / "records", "train", fields=fields, strict=True))
    assert again.task_options == source.task_options
    assert_same(examples_of(again), examples_of(source))
    (record,) = features_of(tmp_path / "records" / "train-00000-of-00001.tfrecord")
    assert record["image/object/keypoint/num"] == [2, 0]
    assert record["image/object/keypoint/visibility"] == [2, 1, 0, 0, 0, 0]
    assert record["image/object/keypoint/text"] == [b"left_ear", b"right_ear", b"tail"] * 2
    np.testing.assert_allclose(record["image/object/keypoint/x"][:2], [12 / 64, 20 / 64])


@pytest.mark.slow
def test_3d_boxes_are_the_same_through_records(write_kitti, tmp_path, examples_of):
    folder = write_kitti({"000007": [CAR, REGION], "000009": []})
    source = read_source(folder, "train", fields=FIELDS_3D, val_share=0)
    write_tfrecords(source, "train", tmp_path / "records", 1)
    again = read_tfrecord(DataRequest(tmp_path / "records", "train", fields=FIELDS_3D))
    assert set(again.fields) == set(source.fields)
    assert_same(examples_of(again), examples_of(source))
    first, _ = features_of(tmp_path / "records" / "train-00000-of-00001.tfrecord")
    np.testing.assert_allclose(first["image/object/3d/location"][:3], [-2, 1.6, 12], rtol=1e-6)
    assert len(first["image/camera/calibration"]) == 12
    options = {"task": "detection_3d", "input_size": (64, 192), "batch_size": 2, "training": False}
    _, objects = next(iter(load_dataset(tmp_path / "records", "train", **options)))
    assert objects["calibration"].shape == (2, 3, 4)
    boxes_alone = read_tfrecord(DataRequest(tmp_path / "records", "train"))
    assert set(boxes_alone.fields) == {"is_hidden"}
    is_hidden = [example["is_hidden"].tolist() for example in examples_of(boxes_alone)]
    assert is_hidden == [[False, True, True, True], []]


FIELDS = {
    "velocities_dxy": np.array([[1.5, -2], [0, 0.1], [3, 4]], np.float32),
    "embeddings": np.arange(12, dtype=np.float32).reshape(3, 4) / 7,
    "track_ids": np.array([2**40, -1, 7]),
    "colors": np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]], np.uint8),
    "are_parked": np.array([True, False, True]),
    "plates": np.array([b"AB 1", b"", b"C\0"], object),
    "hands_xyv": np.arange(18, dtype=np.float32).reshape(3, 2, 3),
}
IMAGE_FIELDS = {"times": np.array([0.5, 1.5, 2.5], np.float32), "poses": np.ones((3, 2, 2), np.float32)}


def source_with(fields, image_fields=None):
    """Returns a source of three images with one, no and two objects."""
    rows = [(i, 2, 3, 20, 30 + j, 0, False, False, None) for j, i in enumerate((0, 2, 2))]
    table = build_annotations(["0", "1", "2"], rows, image_hw=[(40, 60)] * 3, fields=fields, image_fields=image_fields)
    return source_from_annotations("tracks", ("car",), table, lambda i: np.full((40, 60, 3), i, np.uint8))


@pytest.mark.slow
def test_unknown_fields_are_equal_through_records(tmp_path, examples_of):
    source = source_with(FIELDS, IMAGE_FIELDS)
    write_tfrecords(source, "train", tmp_path, 2)
    again = read_tfrecord(DataRequest(tmp_path, fields=("velocities_dxy",)))
    assert again.fields == source.fields
    assert again.fields["embeddings"] == FieldSpec("float32", (4,))
    assert again.fields["poses"] == FieldSpec("float32", (2, 2), of_image=True)
    for examples in (examples_of(again), service_examples(again)):
        for example, reference in zip(examples, examples_of(source), strict=True):
            assert set(example) == set(reference)
            for name in source.fields:
                assert np.asarray(example[name]).dtype == np.asarray(reference[name]).dtype, name
                np.testing.assert_array_equal(example[name], reference[name], err_msg=name)
    # again, from records to records
    write_tfrecords(again, "train", tmp_path / "again", 1)
    third = read_tfrecord(DataRequest(tmp_path / "again", fields=("velocities_dxy",)))
    assert third.fields == source.fields
    with pytest.raises(UserError, match=r"expected fields as of split 'train' in .*; name another folder"):
        write_tfrecords(source_with({}), "val", tmp_path, 1)


def test_fields_reach_the_batches(tmp_path, monkeypatch):
    fields = {"velocities_dxy": FieldSpec("float32", (2,)), "embeddings": FieldSpec("float32", (4,))}
    monkeypatch.setitem(TASKS, "tracking", dataclasses.replace(TASKS["detection"], fields=fields))
    write_tfrecords(source_with(FIELDS, {"times": IMAGE_FIELDS["times"]}), "train", tmp_path, 1)
    _, objects = next(iter(load_dataset(tmp_path, task="tracking", training=False, input_size=64, batch_size=3)))
    assert objects["embeddings"].shape == (3, 128, 4)
    np.testing.assert_allclose(objects["velocities_dxy"][2, :2], FIELDS["velocities_dxy"][1:] * 64 / 60, rtol=1e-6)
    np.testing.assert_allclose(objects["times"], IMAGE_FIELDS["times"])
    (tmp_path / "dataset.json").unlink()  # like other programs' records: the task names the keys
    source = read_tfrecord(DataRequest(tmp_path, fields=("embeddings",)))
    assert source.fields == fields
    np.testing.assert_array_equal(next(iter(source.examples()))["embeddings"], FIELDS["embeddings"][:1])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"phases": np.zeros(3, np.complex64)}, "field phases: expected float32, whole numbers of up to 64 bits, bool"),
        ({"hashes": np.zeros(3, np.uint64)}, "field hashes: expected float32, whole numbers of up to 64 bits, bool"),
        (
            {"difficult": np.zeros(3)},
            "field difficult: expected a key of its own in records, got image/object/difficult",
        ),
        (
            {"keypoints_xyv": np.zeros((3, 2, 3))},
            "field keypoints_xyv: expected a skeleton in the source's task_options, got none.",
        ),
    ],
)
def test_fields_that_records_cannot_hold_are_refused(fields, message, tmp_path):
    with pytest.raises(UserError, match=re.escape(message)):
        write_tfrecords(source_with(fields), "train", tmp_path, 1)
    assert not list(tmp_path.iterdir())


def test_undeclared_fields_are_refused_instead_of_dropped(tmp_path):
    source = dataclasses.replace(source_with(FIELDS), fields={})
    with pytest.raises(UserError, match=r"tracks: expected examples with the fields \[\] as `Source.fields` says"):
        write_tfrecords(source, "train", tmp_path, 1)


def test_older_descriptions_that_only_list_field_names_are_read(write_kitti, write_keypoints, tmp_path, examples_of):
    rows = [(4, [10, 10, 20, 20], [12, 14.5, 2, 20, 15, 1, 0, 0, 0])]
    for source in (
        read_source(write_kitti({"000007": [CAR]}), "train", fields=FIELDS_3D, val_share=0),
        read_source(write_keypoints([ANIMAL], rows), "train", fields=("keypoints_xyv",), val_share=0),
    ):
        records = tmp_path / f"records {len(source.fields)}"
        write_tfrecords(source, "train", records, 1)
        description = json.loads((records / "dataset.json").read_text())
        description["fields"] = list(description["fields"])
        (records / "dataset.json").write_text(json.dumps(description))
        again = read_tfrecord(DataRequest(records, fields=tuple(source.fields)))
        assert again.fields == source.fields
        assert_same(examples_of(again), examples_of(source))
        write_tfrecords(source, "val", records, 1)  # it agrees with the split that exists


def test_records_have_the_keys_and_values_of_the_api(write_coco, tmp_path):
    folder = write_coco([DOG, CROWD])
    write_tfrecords(read_source(folder, "train", val_share=0), "train", tmp_path / "records", 1)
    first, second = features_of(tmp_path / "records" / "train-00000-of-00001.tfrecord")
    content = (folder / "train2017" / "a.jpg").read_bytes()
    assert first["image/encoded"] == [content]  # unchanged, byte for byte
    assert first["image/format"] == [b"jpeg"]
    assert first["image/key/sha256"] == [hashlib.sha256(content).hexdigest().encode()]
    assert (first["image/height"], first["image/width"]) == ([48], [64])
    assert (first["image/filename"], first["image/source_id"]) == ([b"a.jpg"], [b"30"])
    np.testing.assert_allclose(first["image/object/bbox/xmin"], [5 / 64, -2 / 64])
    np.testing.assert_allclose(first["image/object/bbox/ymax"], [30 / 48, 50.5 / 48], rtol=1e-6)
    assert first["image/object/class/label"] == [18, 3]  # as in the API's label map of COCO
    assert first["image/object/class/text"] == [b"dog", b"cat"]
    assert first["image/object/is_crowd"] == [0, 1]
    assert first["image/object/difficult"] == [0, 0]
    assert first["image/object/area"] == [111.5, 2000]
    assert second["image/object/class/text"] == []
    assert read_label_map(str(tmp_path / "records" / "label_map.pbtxt")).names == {3: "cat", 18: "dog"}


def test_images_that_exif_turns_are_stored_upright(write_coco, tmp_path, examples_of):
    folder = write_coco([{**DOG, "bbox": [5, 6, 20, 50]}])
    labels = folder / "annotations" / "instances_train2017.json"  # the stated size is that of the upright image
    labels.write_text(labels.read_text().replace('"height": 48, "width": 64', '"height": 64, "width": 48', 1))
    path = folder / "train2017" / "a.jpg"
    jpeg = path.read_bytes()
    tiff = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, 6, 0, 0)  # a quarter turn
    payload = b"Exif\0\0" + tiff
    path.write_bytes(jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(payload) + 2) + payload + jpeg[2:])
    source = read_source(folder, "train", val_share=0)
    write_tfrecords(source, "train", tmp_path / "records", 1)
    first, _ = features_of(tmp_path / "records" / "train-00000-of-00001.tfrecord")
    assert (first["image/height"], first["image/width"]) == ([64], [48])
    np.testing.assert_allclose(first["image/object/bbox/ymax"], [56 / 64])
    upright = tf.io.decode_jpeg(first["image/encoded"][0]).numpy()  # a decoder that ignores EXIF
    reference = examples_of(source)[0]["image"]
    assert upright.shape == reference.shape == (64, 48, 3)
    assert np.abs(upright.astype(int) - reference).mean() < 12  # the noise was encoded as JPEG once more
    np.testing.assert_allclose(
        examples_of(read_tfrecord(DataRequest(tmp_path / "records", "train")))[0]["boxes_xyxy"],
        [(5, 6, 25, 56)],
        rtol=1e-6,
    )


def test_other_images_become_png(write_yolo, tmp_path, examples_of):
    folder = write_yolo({"a": "0 0.5 0.5 0.2 0.2", "b": ""})
    path = folder / "images" / "train" / "b.png"
    cv2.imwrite(str(path.with_suffix(".bmp")), cv2.imread(str(path)))
    path.unlink()
    for i, source in enumerate((read_source(folder, "train", val_share=0), build_shapes(size=2, image_size=32))):
        write_tfrecords(source, "train", tmp_path / f"{i}", 1)
        records = features_of(tmp_path / f"{i}" / "train-00000-of-00001.tfrecord")
        assert [record["image/format"] for record in records] == [[b"png"]] * 2
        assert_same(examples_of(read_tfrecord(DataRequest(tmp_path / f"{i}", "train"))), examples_of(source))


def test_shards_are_even_and_in_order(tmp_path):
    write_tfrecords(build_shapes(size=8, image_size=32), "train", tmp_path, 3)
    ids = [
        [int(record["image/source_id"][0]) for record in features_of(tmp_path / f"train-{i:05d}-of-00003.tfrecord")]
        for i in range(3)
    ]
    assert ids == [[0, 1], [2, 3, 4], [5, 6, 7]]
    assert {path.name for path in tmp_path.iterdir() if not path.name.startswith("train-")} == {
        "dataset.json",
        "label_map.pbtxt",
    }


def test_a_split_is_replaced_only_when_asked(tmp_path):
    source, val = build_shapes(size=4, image_size=32), build_shapes(split="val", size=2, image_size=32)
    write_tfrecords(source, "train", tmp_path, 3)
    write_tfrecords(val, "val", tmp_path, 1)
    with pytest.raises(UserError, match=r"output: expected a folder without split 'train', got .*; pass --overwrite."):
        write_tfrecords(source, "train", tmp_path, 2)
    write_tfrecords(source, "train", tmp_path, 2, overwrite=True)
    assert len(list(tmp_path.glob("train-*"))) == 2
    assert (read_tfrecord(DataRequest(tmp_path, "train")).size, read_tfrecord(DataRequest(tmp_path, "val")).size) == (
        4,
        2,
    )
    other = build_shapes(size=4, image_size=32, classes=("star", "circle", "square", "triangle"))
    with pytest.raises(UserError, match=r"expected classes as of split 'val' in .*; name another folder."):
        write_tfrecords(other, "train", tmp_path, 2, overwrite=True)


def test_an_interrupted_write_leaves_the_old_files(tmp_path, monkeypatch):
    source = build_shapes(size=4, image_size=32)
    write_tfrecords(source, "train", tmp_path, 2)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(tf.io.TFRecordWriter, "write", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_tfrecords(source, "train", tmp_path, 2, overwrite=True)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_copy_that_was_cut_off_is_found_before_the_first_epoch(tmp_path):
    write_tfrecords(build_shapes(size=4, image_size=32), "train", tmp_path, 2)
    path = tmp_path / "train-00001-of-00002.tfrecord"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(
        UserError, match=r"train-00001-of-00002.tfrecord: expected \d+ bytes as written, got \d+; copy it"
    ):
        read_tfrecord(DataRequest(tmp_path, "train"))


def test_images_damaged_since_the_start_are_left_out(write_coco, tmp_path, examples_of):
    folder = write_coco([DOG, DOG | {"image_id": 7}])
    source = read_source(folder, "train", val_share=0)
    (folder / "train2017" / "a.jpg").write_bytes(b"\xff\xd8\xff no image \xff\xd9")
    with pytest.warns(DataWarning, match=r"1 of 2 images left out, file damaged; first: image .*a.jpg: expected"):
        facts = write_tfrecords(source, "train", tmp_path / "records", 1)
    assert facts["images"] == 1
    assert [
        example["image_id"] for example in examples_of(read_tfrecord(DataRequest(tmp_path / "records", "train")))
    ] == [7]
    with pytest.raises(UserError, match=r"a\.jpg: expected"):
        write_tfrecords(source, "val", tmp_path / "others", 1, strict=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shards": 0}, "shards: expected a whole number of at least 1, got 0."),
        ({"shards": 5}, "shards: expected a number from 1 to the 4 images of shapes (train), got 5."),
        ({"split": "a/b"}, "split: expected a name of letters and digits, which files are named after, got 'a/b'."),
        (
            {"output": "nosuch://x"},
            "output nosuch://x: expected a folder that can be written to: File system",
        ),
    ],
)
def test_bad_requests(options, message, tmp_path):
    options = {"split": "train", "output": tmp_path, "shards": 1} | options
    with pytest.raises(UserError, match=re.escape(message)):
        write_tfrecords(build_shapes(size=4, image_size=32), **options)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="file/records: expected a folder that can be written to"):
        write_tfrecords(build_shapes(size=4, image_size=32), "train", tmp_path / "file" / "records", 1)


def test_the_description_holds_only_what_is_needed(tmp_path):
    write_tfrecords(build_shapes(size=4, image_size=32), "train", tmp_path, 1)
    content = json.loads((tmp_path / "dataset.json").read_text())
    assert content["classes"] == ["circle", "square", "star", "triangle"]
    (shard,) = content["splits"]["train"].pop("shards").values()
    size = (tmp_path / "train-00000-of-00001.tfrecord").stat().st_size
    assert shard == {"images": 4, "bytes": size, "with_objects": "f0"}
    assert set(content["splits"]["train"]) == {"images", "objects", "most_objects", "class_objects"}
