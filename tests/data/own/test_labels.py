"""All accepted forms of labels give the same arrays."""

import numpy as np
import pytest
import tensorflow as tf

from keras_centernet.data.own.labels import is_row, read_labels, unpack
from keras_centernet.errors import UserError
from keras_centernet.method.specs import FieldSpec


def objects_of(labels, fields=None):
    """[(box, class), ...] of each image."""
    read = read_labels(labels, fields or {}, "fit")
    return [
        [(box.tolist(), int(index)) for box, index, is_there in zip(*rows, strict=True) if is_there]
        for rows in zip(read.boxes, read.classes, is_row(read), strict=True)
    ]


def with_zeros(padded):
    is_padding = padded["labels"] == -1
    boxes = np.where(is_padding[..., None], 0, padded["boxes"])
    return {"boxes": boxes, "labels": np.where(is_padding, 0, padded["labels"])}


WAYS = {
    "ragged lists": lambda boxes, labels, padded: {"boxes": boxes, "labels": labels},
    "lists of lists": lambda boxes, labels, padded: {
        "boxes": [rows.tolist() for rows in boxes],
        "labels": [rows.tolist() for rows in labels],
    },
    "called classes": lambda boxes, labels, padded: {"boxes": boxes, "classes": labels},
    "arrays of objects": lambda boxes, labels, padded: {
        "boxes": np.array(boxes, object),
        "labels": np.array(labels, object),
    },
    "padded with -1": lambda boxes, labels, padded: padded,
    "padded with zeros, as padded_batch does": lambda boxes, labels, padded: with_zeros(padded),
    "labels as floats": lambda boxes, labels, padded: padded | {"labels": padded["labels"].astype("float32")},
    "tensors": lambda boxes, labels, padded: {key: tf.constant(value) for key, value in padded.items()},
    "ragged tensors": lambda boxes, labels, padded: {
        "boxes": tf.ragged.stack(boxes),
        "labels": tf.ragged.stack(labels),
    },
    "a dict per image": lambda boxes, labels, padded: [
        {"boxes": some, "labels": others} for some, others in zip(boxes, labels, strict=True)
    ],
    "as Keras' layers take them": lambda boxes, labels, padded: {"bounding_boxes": padded},
}


@pytest.mark.parametrize("way", WAYS)
def test_all_forms_give_the_same_objects(way, boxes, labels, padded, images):
    _, given = unpack((images, WAYS[way](boxes, labels, padded)), "fit")
    expected = [[(b.tolist(), int(c)) for b, c in zip(*rows, strict=True)] for rows in zip(boxes, labels, strict=True)]
    assert objects_of(given) == expected


def test_images_and_labels_may_be_one_dict(images, padded):
    for batch in ({"images": images, "bounding_boxes": padded}, {"images": images, **padded}):
        found, labels = unpack(batch, "fit")
        assert found is images
        assert set(labels) == {"boxes", "labels"}


def test_tensors_of_pytorch(boxes, labels, images):
    torch = pytest.importorskip("torch")
    ways = [{"boxes": torch.tensor(b), "labels": torch.tensor(c)} for b, c in zip(boxes, labels, strict=True)]
    _, given = unpack((images, tuple(ways)), "fit")
    assert objects_of(given) == objects_of({"boxes": boxes, "labels": labels})


def test_fields_of_a_task_are_read_beside_the_boxes():
    fields = {"keypoints_xyv": FieldSpec("float32", (None, 3)), "calibration": FieldSpec("float32", (3, 4), True)}
    labels = {
        "boxes": [np.ones((1, 4)), np.zeros((0, 4)), np.ones((2, 4))],
        "labels": [[0], [], [0, 1]],
        "keypoints_xyv": [np.ones((1, 2, 3)), np.zeros((0, 2, 3)), np.full((2, 2, 3), 7)],
        "calibration": [np.eye(3, 4)] * 3,
        "area": [1],
    }
    read = read_labels(labels, fields, "fit")
    assert read.fields["keypoints_xyv"].shape == (3, 2, 2, 3)
    assert (read.fields["keypoints_xyv"][2] == 7).all()
    assert read.fields["calibration"].shape == (3, 3, 4)
    assert read.unused == ("area",)


BOXES_AND_LABELS = {"boxes": np.ones((2, 3, 4)), "labels": np.zeros((2, 3))}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"labels": None},
            "fit: expected 'labels' beside the images, got the keys 'boxes', 'labels'; rename or add them.",
        ),
        ({"boxes": np.ones((2, 4))}, "fit: boxes: expected numbers of shape (any, any, 4), got (2, 4)."),
        ({"boxes": [[[1, 2, 3]], []]}, "fit: boxes of image 0: expected numbers of shape (any, 4), got (1, 3)."),
        ({"labels": [0, 1]}, "fit: labels of image 0: expected numbers of shape (any), got ()."),
        ({"labels": np.zeros((2, 3, 80))}, "fit: labels: expected numbers of shape (any, any), got (2, 3, 80)."),
        (
            {"labels": np.array([["cat"] * 3] * 2)},
            "fit: labels: expected numbers of shape (any, any), got <U3 of shape (2, 3); "
            "labels are indices into the class names, from 0 on.",
        ),
        (
            {"labels": [["cat"], []]},
            "fit: labels of image 0: expected numbers of shape (any), got a list of 1 ('cat'); "
            "labels are indices into the class names, from 0 on.",
        ),
        (
            {"labels": tf.ragged.constant([["cat"], ["cat", "dog"]])},
            "fit: labels: expected numbers of shape (any, any), got <dtype: 'string'> of shape (2, 2); "
            "labels are indices into the class names, from 0 on.",
        ),
        ({"boxes": [["left"]]}, "fit: boxes of image 0: expected numbers of shape (any, 4), got a list of 1 ('left')."),
        (
            {"labels": np.zeros((2, 2))},
            "fit: labels: expected up to 3 rows of 2 images, as boxes, got up to 2 rows of 2 images.",
        ),
        (
            {"labels": np.full((2, 3), 0.5)},
            "fit: labels: expected class indices, which are whole numbers, got 0.5.",
        ),
        ({"labels": np.full((2, 3), np.nan)}, "fit: labels: expected class indices, which are whole numbers, got nan."),
    ],
)
def test_invalid_labels(changes, message):
    with pytest.raises(UserError) as error:
        read_labels(BOXES_AND_LABELS | changes, {}, "fit")
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (np.zeros(3), 'fit: expected (images, {"boxes", "labels"}), got float64 of shape (3,).'),
        (
            (np.zeros(3), [4, 5, 6]),
            'fit: expected (images, {"boxes", "labels"}), got a tuple of 2 (float64 of shape (3,), '
            "a list of 3 (4, 5, ...)).",
        ),
        ({"image": 1}, 'fit: expected (images, {"boxes", "labels"}), got a dict of \'image\'.'),
        ((1, {}, np.ones(3)), "fit: expected (images, labels), got 3 parts; remove the sample weights."),
    ],
)
def test_invalid_batches(batch, message):
    with pytest.raises(UserError) as error:
        unpack(batch, "fit")
    assert str(error.value) == message


def test_missing_keys_are_named():
    with pytest.raises(UserError) as error:
        read_labels({"bbox": 1, "labels": 2}, {"alphas": FieldSpec()}, "fit")
    line = "fit: expected 'boxes', 'alphas' beside the images, got the keys 'bbox', 'labels'; rename or add them."
    assert str(error.value) == line
