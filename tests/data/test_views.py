"""The views of an evaluation: images at their own resolution or fitted, at any scale, with all their objects."""

import numpy as np
import pytest

from keras_centernet.data import load_dataset
from keras_centernet.data.annotations import build_annotations
from keras_centernet.data.source import source_from_annotations
from keras_centernet.errors import UserError
from keras_centernet.geometry import invert_affine, transform_boxes

SIZES = [(40, 60), (70, 30), (40, 60), (40, 60), (70, 30)]
BOX = [3, 5, 20, 25]


@pytest.fixture
def source(rng):
    """Five images of two sizes with one box each."""
    images = [rng.integers(0, 256, (*hw, 3), np.uint8) for hw in SIZES]
    rows = [(i, *BOX, 0, False, False, None) for i in range(len(SIZES))]
    table = build_annotations([f"{i}.png" for i in range(len(SIZES))], rows, image_hw=SIZES)
    return source_from_annotations("set", ("thing",), table, lambda i: images[i])


def test_batches_at_own_resolution_hold_images_of_one_shape(source):
    dataset = load_dataset(source, "val", resize="keep", batch_size=2, max_objects=4)
    batches = {tuple(objects["image_id"].numpy().tolist()): images.shape[1:3] for images, objects in dataset}
    assert batches == {(0, 2): (64, 64), (1, 4): (96, 32), (3,): (64, 64)}


@pytest.mark.parametrize("scale", [0.5, 1.0, 1.5])
@pytest.mark.parametrize("resize", ["fit", "keep"])
def test_boxes_map_back_to_where_they_were(source, resize, scale):
    dataset = load_dataset(source, "val", resize=resize, scale=scale, input_size=64, batch_size=3, max_objects=4)
    count = 0
    for images, objects in dataset:
        assert images.shape[1] % 32 == images.shape[2] % 32 == 0
        back = transform_boxes(objects["boxes_xyxy"][:, :1], invert_affine(objects["image_to_input"]))
        np.testing.assert_allclose(back, np.broadcast_to(np.float64(BOX), back.shape), atol=1e-4)
        count += len(images)
    assert count == 5


def test_the_hourglass_needs_multiples_of_128(source):
    dataset = load_dataset(source, "val", resize="keep", multiple_of=128, batch_size=5)
    assert [images.shape[:3] for images, _ in dataset] == [(5, 128, 128)]


def test_objects_outside_the_view_are_still_there(source):
    """At scale 4, only the middle of an image is in the input; the box in its corner is not."""
    _, objects = next(iter(load_dataset(source, "val", scale=4.0, input_size=64, batch_size=5)))
    assert np.all(np.min(objects["boxes_xyxy"][:, 0, 2:], axis=-1) < 0)
    assert objects["mask"].numpy().sum() == 5


def test_a_training_set_has_no_views(source):
    images, _ = next(iter(load_dataset(source, "train", resize="keep", scale=0.5, input_size=64, batch_size=5)))
    assert images.shape == (5, 64, 64, 3)


def test_reading_and_resampling_are_timed(source):
    list(load_dataset(source, "val", input_size=64))
    assert source.clock.seconds["load"] > 0
    assert source.clock.seconds["preprocess"] > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resize": "crop"}, "Unknown resize: expected one of fit, keep; got 'crop'"),
        ({"multiple_of": 48}, "multiple_of: expected a power of two of at least 32, got 48"),
        ({"scale": 0}, "scale: expected a number of at least 0.015625 and at most 64, got 0"),
    ],
)
def test_bad_views_are_named(source, options, message):
    with pytest.raises(UserError, match=message):
        load_dataset(source, "val", **options)
