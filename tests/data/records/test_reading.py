"""Reading records: written here by hand with `tf.train.Example`, as the Object Detection API writes them."""

import re

import cv2
import numpy as np
import pytest

from keras_centernet.data import load_dataset
from keras_centernet.data.formats.request import DataRequest
from keras_centernet.data.passes import new_pass, numbered_passes
from keras_centernet.data.records.reading import read_tfrecord
from keras_centernet.errors import DataWarning, UserError
from keras_centernet.tasks.skeletons import COCO_PERSON
from tests.helpers.service_reading import service_examples

WIDTH, HEIGHT = 64, 48
IMAGE = np.random.default_rng(2).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
PNG = cv2.imencode(".png", IMAGE[..., ::-1])[1].tobytes()
BOX = "image/object/bbox/"
KEYPOINT = "image/object/keypoint/"


def request(data, split="train", **options):
    """Returns a request that makes no split, so that records without splits are read as a whole."""
    return DataRequest(data, split, **{"val_share": 0} | options)


def record(boxes_xyxy=(), **more):
    """Returns the keys that every record needs; boxes in pixels."""
    x1, y1, x2, y2 = (
        ([float(value) for value in column] for column in zip(*boxes_xyxy, strict=True))
        if (boxes_xyxy)
        else ([], [], [], [])
    )
    corners = {
        BOX + "xmin": [x / WIDTH for x in x1],
        BOX + "xmax": [x / WIDTH for x in x2],
        BOX + "ymin": [y / HEIGHT for y in y1],
        BOX + "ymax": [y / HEIGHT for y in y2],
    }
    return {"image/encoded": [PNG], "image/format": ["png"], **corners, **more}


def text(*names):
    return {"image/object/class/text": list(names)}


def label(*numbers):
    return {"image/object/class/label": list(numbers)}


CATS_AND_DOGS = [
    record([(5, 6, 25, 30), (0, 0, 64, 48)], **text("dog", "cat"), **label(2, 1), **{"image/source_id": ["30"]}),
    record(**{"image/source_id": ["7"]}),
    record([(1, 2, 3, 4)], **text("dog"), **label(2), **{"image/source_id": ["9"], "image/object/is_crowd": [1]}),
]


def ids_of(dataset):
    return [int(example["image_id"]) for example in dataset]


@pytest.mark.parametrize("by_service", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_missing_keys_are_filled_with_defaults(by_service, write_records, tmp_path):
    source = read_tfrecord(request(write_records(tmp_path / "train.record", CATS_AND_DOGS), "train"))
    assert source.classes == ("cat", "dog")  # in the order of their labels
    assert source.size == 3
    examples = service_examples(source) if by_service else list(source.examples().as_numpy_iterator())
    by_id = {int(example["image_id"]): example for example in examples}
    first, second, third = (by_id[image_id] for image_id in (30, 7, 9))
    np.testing.assert_array_equal(first["image"], IMAGE)
    np.testing.assert_allclose(first["boxes_xyxy"], [(5, 6, 25, 30), (0, 0, 64, 48)], rtol=1e-6)
    assert first["classes"].tolist() == [1, 0]
    np.testing.assert_allclose(first["areas"], [480, 64 * 48], rtol=1e-6)
    assert not first["is_crowd"].any()
    assert not first["is_difficult"].any()
    assert second["boxes_xyxy"].shape == (0, 4)
    assert third["is_crowd"].tolist() == [True]
    assert list(by_id) == ([7, 9, 30] if by_service else [30, 7, 9])


def test_present_keys_are_read(write_records, tmp_path, examples_of):
    more = {"image/object/area": [111.5, 7.0], "image/object/is_crowd": [0, 1], "image/object/difficult": [1, 0]}
    path = write_records(tmp_path / "a.tfrecord", [CATS_AND_DOGS[0] | more])
    (example,) = examples_of(read_tfrecord(request(path, "train")))
    assert example["areas"].tolist() == [111.5, 7]
    assert example["is_crowd"].tolist() == [False, True]
    assert example["is_difficult"].tolist() == [True, False]


@pytest.mark.parametrize(
    ("name", "objects", "expected"),
    [
        ("texts alone are in the order of the alphabet", [text("dog"), text("ape")], ("ape", "dog")),
        ("labels order them", [text("dog") | label(1), text("ape") | label(7)], ("dog", "ape")),
    ],
)
def test_classes_come_from_the_records(name, objects, expected, write_records, tmp_path):
    records = [record([(1, 2, 3, 4)], **one) for one in objects]
    assert read_tfrecord(request(write_records(tmp_path / "a.tfrecord", records), "train")).classes == expected


@pytest.mark.slow
def test_label_map_beside_or_given(write_records, tmp_path, examples_of):
    objects = [text("/m/dog"), label(18), text("dog") | label(3)]  # the text is used rather than the label
    path = write_records(tmp_path / "set" / "a.tfrecord", [record([(1, 2, 3, 4)], **one) for one in objects])
    with pytest.raises(UserError, match=r"got numbers alone or no objects; pass `annotations` with the label map"):
        read_tfrecord(request(path, "train"))
    label_map = tmp_path / "map.pbtxt"
    label_map.write_text("item { id: 18 name: '/m/dog' display_name: 'dog' } item { id: 3 name: 'cat' }")
    source = read_tfrecord(request(path, "train", annotations=label_map))
    assert source.classes == ("cat", "dog")
    assert [example["classes"].tolist() for example in examples_of(source)] == [[1], [1], [1]]
    label_map.rename(tmp_path / "set" / "label_map.pbtxt")
    source = read_tfrecord(request(path, "train", classes=("dog", "bird", "cat")))
    assert [example["classes"].tolist() for example in examples_of(source)] == [[0], [0], [0]]
    renamed = read_tfrecord(request(path, class_map={"DOG": "animal", "cat": "animal"}, ignore_case=True))
    assert renamed.classes == ("animal",)
    assert [example["classes"].tolist() for example in examples_of(renamed)] == [[0], [0], [0]]


def test_objects_of_unknown_classes_and_bad_boxes_are_skipped_and_counted(write_records, tmp_path, examples_of):
    boxes = [(1, 2, 9, 9), (1, 2, 9, 9), (5, 5, 5, 9), (-9, 2, 0, 9), (70, 2, 90, 9), (-3, 2, 9, 9)]
    path = write_records(
        tmp_path / "a.tfrecord", [record(boxes, **label(1, 1, 1, 1, 1, 1)), record(boxes[:1], **label(4))]
    )
    label_map = tmp_path / "label_map.pbtxt"
    label_map.write_text("item { id: 1 name: 'dog' }")
    with pytest.warns(DataWarning) as caught:
        source = read_tfrecord(request(path, "train"))
    texts = [str(entry.message) for entry in caught]
    assert texts[0].startswith(
        "1 image(s) with boxes that are empty, outside or given twice, which are skipped; first:"
    )
    assert texts[1] == f"1 class(es) skipped that are none of dog; first: 4 in {path}, record 2"
    first, second = examples_of(source)
    np.testing.assert_allclose(first["boxes_xyxy"], [boxes[0], boxes[5]], rtol=1e-6)
    assert len(second["classes"]) == 0


def test_images_without_a_number_get_one_of_their_own(write_records, tmp_path, examples_of):
    objects = text("dog")
    names = [{"image/source_id": ["2007_1.jpg"]}, {"image/filename": ["b.jpg"]}, {}, {"image/source_id": ["12"]}]
    path = write_records(tmp_path / "a.tfrecord", [record([(1, 2, 3, 4)], **objects, **name) for name in names])
    ids = [example["image_id"] for example in examples_of(read_tfrecord(request(path, "train")))]
    assert ids[3] == 12
    assert len(set(ids)) == 4
    assert ids == [example["image_id"] for example in examples_of(read_tfrecord(request(path, "train")))]


@pytest.mark.slow
def test_keypoints(write_records, tmp_path):
    names = ["left_ear", "right_ear", "tail"]
    one = record([(0, 0, 32, 24), (8, 8, 40, 40)], **text("dog", "dog"))
    one |= {
        KEYPOINT + "x": [0.25, 0.5, 0.0] * 2,
        KEYPOINT + "y": [0.5, 0.25, float("nan"), 0.5, 0.25, 0.75],
        KEYPOINT + "visibility": [2, 1, 0, 2, 2, 1],
        KEYPOINT + "text": names * 2,
        KEYPOINT + "num": [2, 3],
    }
    path = write_records(tmp_path / "a.tfrecord", [one, record(**text())])
    source = read_tfrecord(request(path, "train", fields=("keypoints_xyv",)))
    assert source.task_options["skeleton"]["names"] == names
    assert source.task_options["skeleton"]["flip_pairs"] == [[0, 1]]
    for examples in (source.examples().as_numpy_iterator(), service_examples(source)):
        first, second = examples
        expected = [[[16, 24, 2], [32, 12, 1], [0, 0, 0]], [[16, 24, 2], [32, 12, 2], [0, 36, 1]]]
        np.testing.assert_allclose(first["keypoints_xyv"], expected)
        assert second["keypoints_xyv"].shape == (0, 3, 3)
    assert read_tfrecord(request(path, "train")).task_options == {}
    mirrored = {"task": "pose", "input_size": 64, "batch_size": 2, "flip": 1.0, "augmentation": "none"}
    _, objects = next(iter(load_dataset(path, "train", val_share=0, **mirrored)))
    (place,) = np.flatnonzero(objects["mask"].numpy()[:, 0])
    # x -> 64 - x, y + 8 of the letterbox; the right ear becomes the mirrored dog's left ear.
    np.testing.assert_allclose(objects["keypoints_xyv"][place, 0, :2], [[32, 20, 1], [48, 32, 2]], atol=1e-4)


def test_keypoints_without_marks_are_visible_and_those_of_coco_are_known(write_records, tmp_path, examples_of):
    one = record([(0, 0, 32, 24)], **text("person"))
    one |= {KEYPOINT + "x": [0.5] * 17, KEYPOINT + "y": [0.5] * 17, KEYPOINT + "text": list(COCO_PERSON.names)}
    source = read_tfrecord(request(write_records(tmp_path / "a.tfrecord", [one]), "train", fields=("keypoints_xyv",)))
    assert source.task_options["skeleton"] == COCO_PERSON.to_dict()
    assert (examples_of(source)[0]["keypoints_xyv"][0, :, 2] == 2).all()
    del one[KEYPOINT + "text"]
    path = write_records(tmp_path / "b.tfrecord", [one])
    with pytest.raises(UserError, match="expected the same names of keypoints in image/object/keypoint/text of every"):
        read_tfrecord(request(path, "train", fields=("keypoints_xyv",)))
    assert read_tfrecord(request(path, "train")).size == 1


@pytest.mark.slow
@pytest.mark.parametrize("by_service", [False, True])
@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("no example", b"nonsense"),
        ("no image", {key: value for key, value in CATS_AND_DOGS[0].items() if key != "image/encoded"}),
        ("cut-off image", CATS_AND_DOGS[0] | {"image/encoded": [PNG[:900]]}),
        ("boxes without classes", record([(1, 2, 3, 4)])),
        ("crowds as fractions", CATS_AND_DOGS[0] | {"image/object/is_crowd": [0.0, 1.0]}),
        ("more classes than boxes", record([(1, 2, 3, 4)], **text("dog", "cat"))),
    ],
)
@pytest.mark.filterwarnings("ignore::keras_centernet.errors.DataWarning")
def test_damaged_records_become_black_and_are_counted(name, bad, by_service, write_records, tmp_path, capfd):
    path = write_records(tmp_path / "a.tfrecord", [CATS_AND_DOGS[0], bad, CATS_AND_DOGS[2]])
    source = read_tfrecord(request(path, "train"))
    if by_service:
        examples = service_examples(source)
        (line,) = [line for line in capfd.readouterr().err.splitlines() if "became black" in line]
        assert line.startswith(str(path))
    else:
        with pytest.warns(
            DataWarning, match=r"1 image\(s\) became black and without objects, .*; first: image .*a.tfre"
        ):
            examples = list(source.examples().as_numpy_iterator())
    examples.sort(key=lambda example: len(example["classes"]))
    assert [len(example["classes"]) for example in examples] == [0, 1, 2]
    assert not examples[0]["image"].any()
    if name != "cut-off image":  # only decoding finds that
        with pytest.raises(UserError, match=re.escape(f"{path}, record 2: expected")):
            read_tfrecord(request(path, "train", strict=True))
    else:
        with pytest.raises(UserError, match=r"record 2: expected a complete file, got one cut off"):
            read_tfrecord(request(path, "train", strict=True))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::keras_centernet.errors.DataWarning")
def test_a_file_that_is_damaged_after_it_was_counted_keeps_its_number_of_images(write_records, tmp_path):
    path = write_records(tmp_path / "a.tfrecord", CATS_AND_DOGS)
    other = write_records(tmp_path / "b.tfrecord", [CATS_AND_DOGS[0] | {"image/source_id": ["31"]}])
    source = read_tfrecord(request(tmp_path, "train"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255  # inside the second record, whose checksum then fails
    path.write_bytes(content)
    other.unlink()
    assert source.examples().cardinality() == 4
    for examples in (source.examples(new_pass(0, 4)), service_examples(source)):
        ids = ids_of(examples)
        assert len(ids) == 4
        assert 30 in ids
        assert len(set(ids)) == 4  # evaluation needs different ids
        assert sum(image_id < 0 for image_id in ids) == 3
    with pytest.warns(
        DataWarning, match=r"1 record\(s\) damaged, .*; first: .*got damage after record 1, where the rest"
    ):
        assert read_tfrecord(request(path, "train")).size == 1


@pytest.mark.slow
def test_order_is_a_function_of_seed_and_epoch(write_records, tmp_path):
    for i in range(4):
        records = [record([(1, 2, 3, 4)], **text("dog"), **{"image/source_id": [str(5 * i + j)]}) for j in range(5)]
        write_records(tmp_path / f"train-{i:05d}-of-00004.tfrecord", records)
    source = read_tfrecord(request(tmp_path, "train"))
    assert ids_of(source.examples()) == list(range(20))
    assert ids_of(source.examples(limit=7)) == list(range(7))
    assert sorted(ids_of(source.examples(new_pass(0, 7), limit=7))) == list(range(7))

    def epochs(seed, first, stop, skip=0, shard=(1, 0), **options):
        return ids_of(source.examples(numbered_passes(seed, 20, first, stop, skip, shard), **options))

    whole = epochs(1, 0, 2)
    assert sorted(whole[:20]) == sorted(whole[20:]) == list(range(20))
    assert whole[:20] != whole[20:]
    assert epochs(1, 1, 2, skip=6, workers=2) == whole[26:]
    assert [epochs(1, 0, 2, shard=(2, index)) for index in range(2)] == [whole[::2], whole[1::2]]
    assert epochs(2, 0, 1) != whole[:20]
    with pytest.raises(UserError, match="deterministic=False: expected no shard, as no seed fixes the order"):
        load_dataset(tmp_path, "train", input_size=32, batch_size=5, deterministic=False, shard=(2, 0))
    loose = load_dataset(tmp_path, "train", input_size=32, batch_size=5, deterministic=False)
    assert sorted(i for _, objects in loose for i in objects["image_id"].numpy().tolist()) == list(range(20))


def test_too_many_objects_are_reported_before_reading(write_records, tmp_path):
    path = write_records(tmp_path / "a.tfrecord", CATS_AND_DOGS)
    with pytest.warns(DataWarning, match="images with up to 2 objects, more than max_objects = 1; only the largest"):
        data = load_dataset(path, "val", val_share=0, input_size=32, batch_size=3, max_objects=1)
    _, objects = next(iter(data))
    np.testing.assert_allclose(objects["areas"], [[64 * 48], [0], [4]])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fields": ("locations_xyz",)}, "expected records with locations_xyz, which they do not have."),
        ({"annotations": "no.pbtxt"}, "no.pbtxt: expected a file, got none."),
    ],
)
def test_bad_arguments(options, message, write_records, tmp_path):
    path = write_records(tmp_path / "a.tfrecord", CATS_AND_DOGS)
    with pytest.raises(UserError, match=re.escape(message)):
        read_tfrecord(request(path, "train", **options))


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([], "a.tfrecord: expected records, got none."),
        ([b"nonsense"], "record 1: expected a tf.train.Example, got something else; none of 1 file(s) holds a record"),
    ],
)
def test_files_without_usable_records_are_refused(records, message, write_records, tmp_path):
    path = write_records(tmp_path / "a.tfrecord", records)
    with pytest.raises(UserError, match=re.escape(message)):
        read_tfrecord(request(path, "train"))
    path.write_bytes(b"no records at all, but some text")
    with pytest.raises(UserError, match=r"a.tfrecord: expected records, got none that can be read."):
        read_tfrecord(request(path, "train"))
