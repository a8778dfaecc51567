"""Every mistake in the first batch is a one-line error that names the key; legal batches pass."""

import numpy as np
import pytest

from keras_centernet.data.own.batches import OwnData
from keras_centernet.errors import DataWarning, UserError


def line_of(detector, images, labels, box_format=None):
    with pytest.raises(UserError) as error:
        OwnData(detector, box_format).for_keras(images, labels, "fit")
    return str(error.value)


RANGE = "fit: images: expected RGB values of 0 to 255, got "
NORMALISED = "; leave normalisation to the model."


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda images: images / 255, RANGE + "0 to 1; multiply by 255."),
        (lambda images: images / 127.5 - 1, RANGE + "-1 to 1" + NORMALISED),
        (lambda images: images.astype("uint16") * 256, RANGE + "0 to 65280" + NORMALISED),
        (lambda images: np.where(images == 7, np.nan, images), RANGE + "nan to nan" + NORMALISED),
        (
            lambda images: images.transpose(0, 3, 1, 2),
            "fit: images: expected (H, W, 3) each, got (3, 64, 64); move the channels to the end.",
        ),
        (lambda images: images[..., :1], "fit: images: expected (H, W, 3) each, got (64, 64, 1)."),
        (
            lambda images: [f"{i}.jpg" for i in range(len(images))],
            "fit: images: expected (H, W, 3) each, got '0.jpg'; read it, or label the files in a format that "
            "load_dataset knows.",
        ),
        (lambda images: images > 9, "fit: images: expected uint8 or float, got bool."),
        (lambda images: images[:0], "fit: images: expected at least one, got none."),
        (lambda images: images[:4], "fit: boxes: expected those of 4 images, got 6."),
        (
            lambda images: images[:, :32],
            "fit: images: expected the model's 64 x 64 pixels, got 32 x 64; resize them, or "
            "load_dataset((images, labels), classes=...) letterboxes them with their boxes.",
        ),
        (
            lambda images: [*images[:5], images[5, :40]],
            "fit: images: expected the model's 64 x 64 pixels, got 40 x 64, 64 x 64; resize them, or "
            "load_dataset((images, labels), classes=...) letterboxes them with their boxes.",
        ),
    ],
)
def test_images(detector, images, padded, change, line):
    assert line_of(detector, change(images), padded) == line


ODD_CLASSES = "fit: labels: expected class indices of 0 to 1, of 2 classes, or -1 for padding, got "
ODD_BOXES = "fit: boxes: expected xyxy in pixels, x1 < x2 and y1 < y2, inside the image, got "


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (
            lambda labels: labels + (labels >= 0),
            "2; they seem to count from 1: subtract 1 where they are not padding.",
        ),
        (lambda labels: labels * 7, "7; give the model and the data the same classes."),
        (lambda labels: np.where(labels == 1, -2, labels), "-2; give the model and the data the same classes."),
    ],
)
def test_classes(detector, images, padded, change, line):
    assert line_of(detector, images, padded | {"labels": change(padded["labels"])}) == ODD_CLASSES + line


@pytest.mark.parametrize(
    ("change", "box_format", "line"),
    [
        (
            lambda boxes: boxes / 64,
            None,
            ODD_BOXES + "8 of 8 that are not, such as [0.0625, 0.125, 0.5625, 0.6875]; they would fit "
            "bounding_box_format='rel_xyxy' or 'rel_yxyx'.",
        ),
        (
            lambda boxes: boxes[..., [2, 3, 0, 1]],
            None,
            ODD_BOXES + "8 of 8 that are not, such as [36, 44, 4, 8]; they would fit "
            "bounding_box_format='xywh' or 'center_xywh'.",
        ),
        (
            lambda boxes: boxes * 4,
            None,
            ODD_BOXES + "7 of 8 that are not, such as [16, 32, 144, 176]; no format fits them.",
        ),
        (
            lambda boxes: boxes,
            "rel_xywh",
            "fit: boxes: expected rel_xywh in fractions, x1 < x2 and y1 < y2, inside the image, got 8 of 8 that are "
            "not, such as [4, 8, 36, 44]; they would fit bounding_box_format='xyxy' or 'yxyx'.",
        ),
        (
            lambda boxes: np.where(boxes == 44, np.nan, boxes),
            None,
            "fit: boxes: expected finite numbers, got [4, 8, 36, nan].",
        ),
    ],
)
def test_boxes(detector, images, padded, change, box_format, line):
    boxes = np.where(padded["labels"][..., None] == -1, -1, change(padded["boxes"]))
    assert line_of(detector, images, padded | {"boxes": boxes}, box_format) == line


def test_one_wrong_box_among_many_does_not_suggest_a_wrong_format(detector, images, padded):
    padded["boxes"][0, 0] = 36, 44, 4, 8
    with pytest.warns(DataWarning, match=r"1 object\(s\) of fit left out, box is empty or inverted so far; first: "):
        _, objects, _ = OwnData(detector).for_keras(images, padded, "fit")
    assert objects["mask"].sum() == 7


def test_keys_that_nothing_reads_are_reported_once(detector, images, padded):
    with pytest.warns(DataWarning, match=r"fit: the keys 'area', 'masks' of the labels are not read\.") as caught:
        OwnData(detector).for_keras(images, padded | {"masks": 1, "area": 2}, "fit")
    assert len(caught) == 1


def test_black_images_and_images_without_objects_are_legal(detector, images, padded):
    nothing = {"boxes": padded["boxes"], "labels": np.full_like(padded["labels"], -1)}
    _, objects, _ = OwnData(detector).for_keras(np.zeros_like(images), nothing, "fit")
    assert not objects["mask"].any()
