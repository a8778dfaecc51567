"""`evaluate` on a user's data, with a detector that finds the true boxes slightly shifted."""

import pathlib

import numpy as np
import pytest
import tensorflow as tf

from keras_centernet import evaluate
from keras_centernet.errors import UserError

CONTAINERS = {
    "arrays": lambda images, padded, ragged, py_dataset, loader, parts: (images, padded),
    "a dict of arrays": lambda images, padded, ragged, *_: {"images": images, "bounding_boxes": padded},
    "tf.data": lambda images, padded, ragged, *_: ragged.batch(4),
    "PyDataset": lambda images, padded, ragged, py_dataset, *_: py_dataset,
    "a loader": lambda images, padded, ragged, py_dataset, loader, parts: loader,
    "a list of batches": lambda images, padded, ragged, py_dataset, loader, parts: parts,
    "a generator": lambda images, padded, ragged, py_dataset, loader, parts: (part for part in parts),
}


@pytest.fixture
def detector(detector, images, ours):
    """Finds the true objects of each image, three pixels too far to the right."""

    def detect_batch(some, top_k=100):
        numbers = [next(i for i, one in enumerate(images) if np.array_equal(one, image)) for image in np.asarray(some)]
        return {
            "boxes_xyxy": ours["boxes_xyxy"][numbers] + np.float32([3, 0, 3, 0]),
            "scores": ours["mask"][numbers].astype(np.float32),
            "classes": ours["classes"][numbers],
        }

    detector.detect_batch = detect_batch
    return detector


@pytest.fixture
def expected(detector, images, ours):
    return evaluate(detector, [(images, ours | {"image_id": np.arange(6)})]).metrics


@pytest.mark.parametrize("container", CONTAINERS)
def test_own_data_are_measured_like_ours(
    container, detector, expected, images, padded, ragged, py_dataset, loader, parts
):
    data = CONTAINERS[container](images, padded, ragged, py_dataset, loader, parts)
    report = evaluate(detector, data)
    assert 0 < expected["AP"] < 1
    for name in ("AP", "AP50", "VOC_mAP50", "images", "objects", "per_class"):
        assert report.metrics[name] == expected[name]
    assert [image["id"] for image in report.ground_truth["images"]] == list(range(6))


def test_more_images_than_fit_together_keep_their_places(detector, images, padded):
    many = {key: np.concatenate([value] * 7) for key, value in padded.items()}
    report = evaluate(detector, (np.concatenate([images] * 7), many))
    assert [image["id"] for image in report.ground_truth["images"]] == list(range(42))
    assert report.metrics["objects"] == 7 * 8


def test_all_formats_of_boxes(detector, expected, images, padded):
    xywh = np.concatenate([padded["boxes"][..., :2], padded["boxes"][..., 2:] - padded["boxes"][..., :2]], axis=-1)
    report = evaluate(detector, (images, padded | {"boxes": xywh}), bounding_box_format="xywh")
    assert report.metrics["AP"] == pytest.approx(expected["AP"])


def test_no_object_of_the_truth_is_left_out(detector, images, padded):
    """Training would keep 128 objects per image, or as many as the first batch is padded to."""
    wide = {key: np.concatenate([value] * 40, axis=1) for key, value in padded.items()}
    batches = [(images[:1], {key: value[:1] for key, value in padded.items()})]
    batches += [(images[1:], {key: value[1:] for key, value in wide.items()})]
    assert evaluate(detector, batches).metrics["objects"] == 1 + 7 * 40


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda images, padded: "photos/",
            r"evaluate: expected \(images, .* got 'photos/'; pass keras_centernet.load_dataset\('photos/', \"val\"\)",
        ),
        (lambda images, padded: [pathlib.PurePosixPath("a")], r"evaluate: expected .*load_dataset\('a', \"val\"\)"),
        (
            lambda images, padded: (images, padded | {"labels": padded["labels"] * 9}),
            "evaluate: labels: expected class indices of 0 to 1, of 2 classes, or -1 for padding, got 9; give",
        ),
        (
            lambda images, padded: tf.data.Dataset.from_tensor_slices((images, padded)),
            r"evaluate: images: expected batches \(B, H, W, 3\), got single ones \(64, 64, 3\)",
        ),
        (
            lambda images, padded: tf.data.Dataset.from_tensors((images, padded)).repeat(),
            "evaluate: expected a data set that ends, got an endless one. Remove repeat",
        ),
        (
            lambda images, padded: (images[:, :32], padded),
            "evaluate: images: expected the model's 64 x 64 pixels, got 32 x 64",
        ),
    ],
)
def test_mistakes(detector, images, padded, make, message):
    with pytest.raises(UserError, match=message):
        evaluate(detector, make(images, padded))


def test_a_box_format_is_refused_for_data_in_our_own_form(detector, images, ours):
    with pytest.raises(UserError, match="evaluate: bounding_box_format: expected None, as boxes_xyxy are in pixels"):
        evaluate(detector, [(images, ours)], bounding_box_format="xywh")
