"""Files and folders that are exported to a remote path and verified there."""

import cv2
import numpy as np
import pytest
import tensorflow as tf

from keras_centernet import UserError
from keras_centernet.exporting import TFLiteDetector, agreement, verify
from keras_centernet.exporting.tflite.calibration import read_some
from keras_centernet.files.paths import size_bytes
from keras_centernet.files.remote_path import RemotePath


@pytest.fixture
def there(tmp_path, to_ram):
    """A folder in memory that does not exist yet."""
    return f"ram://{tmp_path.name}/deep"


def test_tflite(tiny_model, there, drawn):
    model = tiny_model(input_size=(64, 96))
    path = model.export(f"{there}/model.tflite", top_k=20)
    assert str(path) == f"{there}/model.tflite"
    assert tf.io.gfile.listdir(there) == ["model.tflite"]
    assert TFLiteDetector(f"{there}/model.tflite").classes == model.classes
    assert agreement(model, path, drawn[:2], threshold=0.0)["box_pixels_p98"] < 0.1


@pytest.mark.slow
def test_saved_model(tiny_model, there, images, tmp_path):
    model = tiny_model(input_size=(64, 96))
    path = model.export(f"{there}/served")
    assert sorted(name.rstrip("/") for name in tf.io.gfile.listdir(f"{there}/served")) == [
        "assets",
        "fingerprint.pb",
        "keras_centernet.json",
        "saved_model.pb",
        "variables",
    ]
    assert tf.io.gfile.GFile(f"{there}/served/assets/classes.txt").read() == "cat\ndog\n"
    report = verify(model, path, images[:2])
    assert report["agreement"]["images"] == 2
    here = model.export(tmp_path / "served")
    assert report["size_bytes"] == pytest.approx(size_bytes(here), rel=0.01)
    with pytest.raises(UserError, match=f"{there}/served: expected no file there yet"):
        model.export(f"{there}/served")


@pytest.mark.parametrize("name", ["model.tflite", "served"])
def test_a_place_that_cannot_be_written_to(name, tiny_model):
    with pytest.raises(UserError, match=r"nosuch://x.*File system scheme 'nosuch' not implemented"):
        tiny_model().export(f"nosuch://x/{name}")


def test_images_to_calibrate_with(rng, tmp_path, to_ram):
    (tmp_path / "photos" / "a").mkdir(parents=True)
    (tmp_path / "photos" / "a" / "d.txt").write_text("no image")
    for name in ("b.png", "a/c.png", "e.png"):
        cv2.imwrite(str(tmp_path / "photos" / name), rng.integers(0, 256, (8, 9, 3), np.uint8))
    here, there = (read_some(place, 2) for place in (tmp_path / "photos", to_ram(tmp_path / "photos")))
    np.testing.assert_array_equal(here, there)
    with pytest.raises(UserError, match="calibration ram://none/x: expected a folder of images, got no folder"):
        read_some("ram://none/x", 2)
    with pytest.raises(UserError, match="nosuch://x: expected a file or folder that can be reached"):
        read_some(RemotePath("nosuch://x"), 2)
