import re

import numpy as np
import pytest

from keras_centernet.data.formats.shapes import CLASSES, SPLIT_SIZES, build_shapes
from keras_centernet.errors import DataWarning, UserError


def test_same_seed_same_images(examples_of):
    first, second = (examples_of(build_shapes(split="val", size=3)) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        for key in one:
            np.testing.assert_array_equal(one[key], other[key])


def test_splits_and_seeds_differ(examples_of):
    sources = [build_shapes(split=split, size=1, seed=seed) for split, seed in (("train", 0), ("val", 0), ("train", 1))]
    images = [examples_of(source)[0]["image"].astype(int) for source in sources]
    assert all(np.abs(images[i] - images[j]).mean() > 10 for i, j in ((0, 1), (0, 2), (1, 2)))


def test_sizes_classes_and_overlaps():
    source = build_shapes(split="train")
    assert (source.size, source.classes) == (SPLIT_SIZES["train"], CLASSES)
    examples = list(source.examples(limit=100).as_numpy_iterator())
    boxes = np.concatenate([example["boxes_xyxy"] for example in examples])
    longer = (boxes[:, 2:] - boxes[:, :2]).max(axis=1) / 160
    assert 1 / 16 - 1e-4 <= longer.min() < 0.08
    assert 0.4 < longer.max() <= 1 / 2 + 1e-4
    assert boxes.min() >= 0
    assert boxes.max() <= 159
    assert np.bincount(np.concatenate([example["classes"] for example in examples])).min() > 60
    assert any(_any_overlap(example["boxes_xyxy"]) for example in examples)


def _any_overlap(boxes):
    sides = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:]) - np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    return (sides.min(axis=-1) > 0).sum() > len(boxes)


def test_boxes_are_tight(monkeypatch, examples_of):
    """Without texture and with one object per image, the box is the extent of the bright pixels."""
    monkeypatch.setattr("keras_centernet.data.formats.shapes.OBJECTS", (1, 1))
    monkeypatch.setattr("keras_centernet.data.formats.shapes.LINES", 0)
    monkeypatch.setattr("keras_centernet.data.formats.shapes.NOISE_SHIFT", 8)
    monkeypatch.setattr("cv2.resize", lambda image, size, **_: np.zeros((*size, 3), np.uint8))
    for example in examples_of(build_shapes(split="test", size=24)):
        brightness = example["image"].max(axis=-1)
        ys, xs = np.nonzero(brightness > brightness.max() / 2)
        box = [xs.min(), ys.min(), xs.max(), ys.max()]
        np.testing.assert_allclose(example["boxes_xyxy"][0], box, atol=1.01)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "day"}, "shapes: expected a split of train, val, test, got 'day'."),
        ({"image_size": 8}, "shapes: expected an image_size of at least 32 pixels, got 8."),
        (
            {"classes": ("cat",)},
            "shapes (train): expected objects of the classes [cat], got only others: circle, square, star, triangle",
        ),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(UserError, match=re.escape(message)):
        build_shapes(**options)


def test_classes_that_were_not_asked_for_are_left_out(examples_of):
    with pytest.warns(DataWarning, match="3 class.es. of shapes .train. left out.*first: circle, star, triangle"):
        squares = build_shapes(size=8, classes=("square",))
    everything = build_shapes(size=8)
    for one, other in zip(examples_of(squares), examples_of(everything), strict=True):
        is_square = other["classes"] == CLASSES.index("square")
        np.testing.assert_array_equal(one["boxes_xyxy"], other["boxes_xyxy"][is_square])
        assert not one["classes"].any()


def test_order_of_classes_can_be_given(examples_of):
    turned = build_shapes(split="val", size=4, classes=CLASSES[::-1])
    for one, other in zip(examples_of(turned), examples_of(build_shapes(split="val", size=4)), strict=True):
        np.testing.assert_array_equal(one["classes"], 3 - other["classes"])
