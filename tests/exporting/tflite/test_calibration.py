"""The images that value ranges are measured on."""

import cv2
import numpy as np
import pytest
import tensorflow as tf

from keras_centernet import UserError, load_dataset
from keras_centernet.errors import DataWarning
from keras_centernet.exporting.tflite.calibration import AT_MOST, calibration_images
from keras_centernet.geometry import letterbox, warp

HW = (32, 64)


@pytest.fixture
def gray():
    """104 images whose values stay in 100..199."""
    return np.random.default_rng(3).integers(100, 200, (104, *HW, 3), np.uint8)


def test_the_whole_range_is_reached_and_images_are_otherwise_kept(gray):
    images = calibration_images(gray, HW)
    assert (images.min(axis=(0, 1, 2)) == 0).all()
    assert (images.max(axis=(0, 1, 2)) == 255).all()
    assert np.sum((images != gray).any(axis=-1)) == 2
    assert gray.min() >= 100  # the caller's images are not changed


def test_images_of_other_sizes_are_letterboxed_as_in_detection(gray):
    large = np.repeat(np.repeat(gray[:, :, :40], 2, axis=1), 3, axis=2)
    images = calibration_images(list(large), HW)
    expected = warp(large[7], letterbox(large[7].shape[:2], HW), HW)
    np.testing.assert_array_equal(images[7], expected)


def test_a_folder_is_read_with_its_subfolders(gray, tmp_path):
    for i, image in enumerate(gray):
        folder = tmp_path / str(i % 2)
        folder.mkdir(exist_ok=True)
        cv2.imwrite(str(folder / f"{i:03}.png"), image[..., ::-1])
    (tmp_path / "notes.txt").write_text("no image")
    images = calibration_images(tmp_path, HW)
    assert len(images) == 104
    np.testing.assert_array_equal(images[1], gray[2])  # folder 0 comes first; images are RGB


def test_batches_of_load_dataset_are_taken_apart():
    dataset = load_dataset("shapes", input_size=HW, batch_size=30, limit=120, training=False)
    assert isinstance(dataset, tf.data.Dataset)
    images = calibration_images(dataset, HW)
    assert images.shape == (120, *HW, 3)
    expected = np.concatenate([np.asarray(batch) for batch, _ in dataset])
    np.testing.assert_array_equal(images[1:], expected[1:])


def test_endless_images_end():
    def forever():
        while True:
            yield np.zeros((*HW, 3), np.uint8)

    assert len(calibration_images(forever(), HW)) == AT_MOST


def test_few_images_are_warned_about(gray):
    with pytest.warns(DataWarning, match=r"calibration: 99 image\(s\); expected at least 100\."):
        calibration_images(gray[:99], HW)


@pytest.mark.parametrize(
    ("calibration", "message"),
    [
        (None, "got None"),
        ([], "got no image; 100 or more are wanted"),
        (7, "got int"),
        (np.zeros((3, 32, 64, 3), np.float32), r"got an array of float32 \(32, 64, 3\)"),
        ([np.zeros((32, 64), np.uint8)], r"got an array of uint8 \(32, 64\)"),
    ],
)
def test_invalid_calibration_images_are_named(calibration, message):
    with pytest.raises(UserError, match=rf"calibration: expected a folder of images, .*{message}"):
        calibration_images(calibration, HW)


def test_empty_missing_and_damaged_folders_are_named(tmp_path):
    with pytest.raises(UserError, match="got no image; 100 or more"):
        calibration_images(tmp_path, HW)
    with pytest.raises(UserError, match="missing: expected a folder of images, got no folder"):
        calibration_images(tmp_path / "missing", HW)
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff no more")
    with pytest.raises(UserError, match=r"broken\.jpg: expected a complete file"):
        calibration_images(tmp_path, HW)
