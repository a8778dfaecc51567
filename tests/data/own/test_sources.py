"""`load_dataset` with arrays and tf.data sets: the same batches as from files with the same images."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_centernet import load_dataset
from keras_centernet.data.own.box_formats import BOX_FORMATS
from keras_centernet.errors import DataWarning, UserError

CLASSES = ("cat", "dog")
SIZES = [(48, 64), (100, 40), (64, 64), (30, 90)]
BOXES = [[[4, 8, 36, 44], [10, 2, 60, 30]], [[0, 0, 20, 90]], [], [[5.5, 5, 30, 28], [40, 4, 80, 20], [-4, 2, 9, 9]]]
LABELS = [[0, 1], [1], [], [1, 0, 0]]


@pytest.fixture
def photos():
    """Four images of different sizes."""
    random = np.random.default_rng(3)
    return [random.integers(0, 256, (*size, 3), np.uint8) for size in SIZES]


@pytest.fixture
def truth():
    return {"boxes": [np.float32(rows).reshape(-1, 4) for rows in BOXES], "labels": LABELS}


@pytest.fixture
def files(tmp_path, photos):
    """A folder with these images and COCO annotations; train and val are the same."""
    (tmp_path / "annotations").mkdir()
    annotations = [
        {"image_id": i, "category_id": index + 1, "bbox": [x1, y1, x2 - x1, y2 - y1]}
        for i, rows in enumerate(BOXES)
        for (x1, y1, x2, y2), index in zip(rows, LABELS[i], strict=True)
    ]
    content = {
        "images": [
            {"id": i, "file_name": f"{i}.png", "height": height, "width": width}
            for i, (height, width) in enumerate(SIZES)
        ],
        "annotations": [{"id": i, "iscrowd": 0, **row} for i, row in enumerate(annotations)],
        "categories": [{"id": i, "name": name} for i, name in enumerate(CLASSES, start=1)],
    }
    for split in ("train2017", "val2017"):
        (tmp_path / split).mkdir()
        (tmp_path / "annotations" / f"instances_{split}.json").write_text(json.dumps(content))
        for i, photo in enumerate(photos):
            keras.utils.save_img(tmp_path / split / f"{i}.png", photo)
    return tmp_path


@pytest.fixture
def stream(photos):
    """The same data as a tf.data set of single images that does not know its length."""

    def examples():
        for photo, boxes, labels in zip(photos, BOXES, LABELS, strict=True):
            yield photo, {"boxes": np.float32(boxes).reshape(-1, 4), "labels": np.int64(labels)}

    known = {"boxes": tf.TensorSpec((None, 4)), "labels": tf.TensorSpec((None,), tf.int64)}
    signature = tf.TensorSpec((None, None, 3), tf.uint8), known
    return tf.data.Dataset.from_generator(examples, output_signature=signature)


def batch_of(data, split="val", **options):
    return next(iter(load_dataset(data, split, input_size=64, batch_size=4, **options)))


def assert_equal(found, expected):
    np.testing.assert_array_equal(found[0], expected[0])
    assert set(found[1]) == set(expected[1])
    for key, values in expected[1].items():
        assert found[1][key].dtype == values.dtype, key
        np.testing.assert_allclose(found[1][key], values, rtol=1e-5, atol=1e-4, err_msg=key)


@pytest.mark.parametrize("split", ["val", "train"])
def test_arrays_give_the_batches_of_files(split, photos, truth, files):
    expected = batch_of(files, split, training=split == "train", annotations=annotations_of(files, split))
    assert_equal(batch_of((photos, truth), split, classes=CLASSES), expected)


def annotations_of(files, split="val"):
    return files / "annotations" / f"instances_{split}2017.json"


def test_a_stream_gives_the_batches_of_files(stream, files):
    expected = batch_of(files, annotations=annotations_of(files))
    dataset = load_dataset(stream, "val", classes=CLASSES, input_size=64, batch_size=4)
    assert dataset.source.size == 4
    assert_equal(next(iter(dataset)), expected)


def test_a_stream_of_batches_is_read_as_a_stream_of_images(stream, photos, truth):
    batches = stream.ragged_batch(3)
    assert_equal(batch_of(batches, classes=CLASSES), batch_of((photos, truth), classes=CLASSES))
    padded = stream.padded_batch(3, padding_values=(np.uint8(0), {"boxes": -1.0, "labels": np.int64(-1)}))
    _, objects = batch_of(padded, classes=CLASSES)
    np.testing.assert_array_equal(objects["mask"].numpy().sum(axis=1), [2, 1, 0, 3])
    np.testing.assert_array_equal(objects["image_hw"], [[100, 64]] * 3 + [[30, 90]])


@pytest.mark.parametrize("box_format", BOX_FORMATS)
def test_all_formats_give_the_same_batch(box_format, photos, truth, stream):
    def written(boxes, height, width):
        options = {"height": height, "width": width}
        return np.asarray(keras.utils.bounding_boxes.convert_format(boxes, "xyxy", box_format, **options))

    boxes = [
        written(rows, *photo.shape[:2]) if len(rows) else rows
        for rows, photo in zip(truth["boxes"], photos, strict=True)
    ]
    options = {"classes": CLASSES, "bounding_box_format": box_format}
    expected = batch_of((photos, truth), classes=CLASSES)
    assert_equal(batch_of((photos, truth | {"boxes": boxes}), **options), expected)
    numbered = iter(boxes)
    changed = [(image, {"boxes": next(numbered), "labels": labels["labels"]}) for image, labels in stream]
    again = tf.data.Dataset.from_generator(lambda: iter(changed), output_signature=stream.element_spec)
    assert_equal(batch_of(again, **options), expected)


def test_floats_are_rounded(photos, truth):
    floats = [photo.astype("float32") * 0.999 for photo in photos]
    expected = [np.clip(np.round(photo), 0, 255).astype("uint8") for photo in floats]
    for kind in ("float32", "float64"):
        given = [photo.astype(kind) for photo in floats]
        assert_equal(batch_of((given, truth), classes=CLASSES), batch_of((expected, truth), classes=CLASSES))
    square = np.stack([floats[2]] * 4)
    data = tf.data.Dataset.from_tensor_slices((square, {"boxes": np.full((4, 1, 4), -1.0), "labels": [[-1]] * 4}))
    images, _ = batch_of(data, classes=CLASSES)
    np.testing.assert_array_equal(images[0], expected[2])


@pytest.mark.slow
def test_epochs_of_a_stream_are_a_function_of_the_seed(stream):
    data = load_dataset(stream, "train", classes=CLASSES, input_size=64, batch_size=2)

    def ids(batches):
        return [objects["image_id"].numpy().tolist() for _, objects in batches]

    assert data.cardinality() == 2
    epochs = [sorted(np.concatenate(ids(data)).tolist()) for _ in range(2)]
    assert epochs == [[0, 1, 2, 3]] * 2
    both = ids(data.for_epochs(0, 4))
    assert both == ids(data.for_epochs(0, 4))
    assert both[4:] == ids(data.for_epochs(2, 4))
    assert len({str(both[i : i + 2]) for i in range(0, 8, 2)}) > 1


def test_arrays_know_their_empty_images_and_may_be_limited(photos, truth):
    options = {"classes": CLASSES, "input_size": 64, "batch_size": 1}
    data = load_dataset((photos, truth), "train", empty_images=False, **options)
    assert data.source.size == 3
    assert load_dataset((photos, truth), "val", limit=2, **options).cardinality() == 2


def test_classes_without_names_are_numbered(photos, truth, stream):
    message = "classes: none are given, so they are named 0 to 1, the largest label; pass their names"
    for data in ((photos, truth), stream):
        with pytest.warns(DataWarning, match=message):
            assert load_dataset(data, "val", input_size=64).classes == ("0", "1")


def test_what_a_stream_leaves_out_is_counted(stream):
    """The boxes of an image: one outside it, one given twice, one empty, one of an unknown class, one padding."""
    boxes = np.float32([[90, 2, 99, 9], [4, 8, 36, 44], [4, 8, 36, 44], [9, 9, 9, 20], [5, 5, 20, 20], [1, 1, 9, 9]])
    labels = np.int64([0, 1, 1, 0, 9, -1])
    image, _ = next(iter(stream))
    good = (image, {"boxes": boxes[1:2], "labels": labels[1:2]})
    data = tf.data.Dataset.from_generator(
        lambda: iter([good] * 16 + [(image, {"boxes": boxes, "labels": labels})]), output_signature=stream.element_spec
    )
    with pytest.warns(DataWarning) as caught:
        batches = list(load_dataset(data, "val", classes=CLASSES, input_size=64, batch_size=17))
    np.testing.assert_array_equal(batches[0][1]["mask"].numpy().sum(axis=1), [1] * 17)
    found = " ".join(str(one.message) for one in caught)
    assert "2 object(s) of own data (val) left out, box outside the image or given twice so far" in found
    assert "1 object(s) of own data (val) left out, box is empty or inverted so far" in found
    assert "1 object(s) of own data (val) left out, class is not 0 to 1 so far; first: labels 9 with box" in found


def test_keypoints_move_with_their_image(photos):
    points = [np.float32([[[8, 12, 2], [20, 30, 1]]])] + [np.zeros((0, 2, 3), np.float32)] * 3
    truth = {"boxes": [[[4, 8, 36, 44]], [], [], []], "labels": [[0], [], [], []], "keypoints_xyv": points}
    with pytest.warns(DataWarning, match=r"own data \(val\): keypoints without a skeleton are not exchanged in"):
        images, objects = batch_of((photos, truth), task="pose", classes=("cat",))
    matrix = objects["image_to_input"][0].numpy()
    expected = points[0][0, :, :2] @ matrix[:, :2].T + matrix[:, 2]
    np.testing.assert_allclose(objects["keypoints_xyv"][0, 0, :, :2], expected, rtol=1e-5)
    assert objects["keypoints_xyv"].shape == (4, 32, 2, 3)
    shapes = {"boxes": (None, 4), "labels": (None,), "keypoints_xyv": (None, 2, 3)}
    types = {"boxes": tf.float32, "labels": tf.int32, "keypoints_xyv": tf.float32}
    known = {key: tf.TensorSpec(shape, types[key]) for key, shape in shapes.items()}
    rows = [
        (
            photo,
            {
                key: np.asarray(truth[key][i], types[key].as_numpy_dtype).reshape([-1, *shapes[key][1:]])
                for key in shapes
            },
        )
        for i, photo in enumerate(photos)
    ]
    signature = tf.TensorSpec((None, None, 3), tf.uint8), known
    stream = tf.data.Dataset.from_generator(lambda: iter(rows), output_signature=signature)
    with pytest.warns(DataWarning, match="without a skeleton"):
        assert_equal(batch_of(stream, task="pose", classes=("cat",)), (images, objects))


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (
            lambda photos, truth: ([photos[0] / 255.0], truth),
            {},
            "load_dataset: images: expected RGB values of 0 to 255",
        ),
        (lambda photos, truth: (photos[:3], truth), {}, "load_dataset: boxes: expected those of 3 images, got 4"),
        (
            lambda photos, truth: (photos, {"boxes": truth["boxes"], "label": LABELS}),
            {},
            "load_dataset: expected 'labels' beside the images, got the keys 'boxes', 'label'; rename or add them.",
        ),
        (
            lambda photos, truth: (photos, truth | {"labels": [[1, 2], [2], [], [2, 1, 1]]}),
            {},
            "load_dataset: labels: expected class indices of 0 to 1, .* got 2; they seem to count from 1",
        ),
        (
            lambda photos, truth: (photos, truth),
            {"bounding_box_format": "rel_xyxy"},
            "load_dataset: boxes: expected rel_xyxy in fractions, .*; they would fit bounding_box_format='xyxy'",
        ),
        (
            lambda photos, truth: (photos, truth),
            {"format": "coco"},
            "format: expected None with images and labels in Python, got 'coco'; remove it",
        ),
        (lambda photos, truth: (photos, truth), {"task": "pose"}, "expected 'keypoints_xyv' beside the images"),
        (
            lambda photos, truth: "shapes",
            {"bounding_box_format": "xywh", "classes": None},
            "bounding_box_format: expected None with files, whose format says it, got 'xywh'; remove it",
        ),
        (
            lambda photos, truth: [(photos, truth)],
            {},
            r"data: expected a path, .*, got a list of 1 \(a tuple of 2 .*; batches are for model.fit",
        ),
        (lambda photos, truth: 7, {}, "data: expected a path, .* got 7; files are named by their path"),
        (
            lambda photos, truth: tf.data.Dataset.from_tensors(
                (photos[0], {"boxes": [[1.0] * 4], "labels": [0]})
            ).repeat(),
            {},
            "load_dataset: expected a data set that ends, got an endless one",
        ),
        (
            lambda photos, truth: tf.data.Dataset.from_tensors(({"boxes": [[1.0] * 4]}, {"labels": [0]})),
            {},
            r'load_dataset: expected \(images, {"boxes", "labels"}\), got a tuple of 2 \(a dict of',
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:.*keypoints without a skeleton")
def test_mistakes(photos, truth, make, options, message):
    with pytest.raises(UserError, match=message):
        load_dataset(make(photos, truth), "val", **{"classes": CLASSES, "input_size": 64} | options)
