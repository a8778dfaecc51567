"""The Python client, in a process that has neither this package nor TensorFlow, against the model."""

import pathlib
import re
import subprocess
import sys

import cv2
import numpy as np
import pytest

from keras_centernet.exporting import TFLiteDetector
from keras_centernet.geometry import letterbox, to_image_frame, warp

CLIENT = pathlib.Path(__file__).parents[2] / "export" / "python" / "detect.py"
ALONE = """
import runpy, sys
sys.modules.update(dict.fromkeys(["keras_centernet", "keras", "tensorflow"]))  # None: cannot be imported
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
LOWEST = 0.1  # score; low, because the model is untrained
SIZES_HW = {"wide": (50, 120), "tall": (90, 40), "as the input": (64, 96), "large": (333, 405), "a line": (1, 300)}


@pytest.fixture
def run_client():
    """run_client(arguments...) -> the finished process."""
    return lambda *arguments: subprocess.run(
        [sys.executable, "-c", ALONE, CLIENT, *map(str, arguments)], capture_output=True, text=True, timeout=120
    )


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """{path: (H, W, 3) uint8} of one image per size, without flat areas, where scores would be equal."""
    rng, folder, found = np.random.default_rng(2), tmp_path_factory.mktemp("images"), {}
    for name, (height, width) in SIZES_HW.items():
        image = cv2.resize(rng.integers(0, 256, (20, 30, 3), np.uint8), (width, height))
        cv2.imwrite(str(folder / f"{name}.png"), image[..., ::-1])
        found[str(folder / f"{name}.png")] = image
    return found


def parse(lines):
    """{path: [(class, score, box)]} of what the client prints."""
    found = {}
    for line in lines.splitlines():
        path, name, score, *box = line.split("\t")
        found.setdefault(path, []).append((name, float(score), [float(value) for value in box]))
    return found


def assert_same(rows, names, scores, boxes_xyxy):
    assert [name for name, _, _ in rows] == list(names)
    np.testing.assert_allclose([score for _, score, _ in rows], scores, atol=1e-3)
    np.testing.assert_allclose(np.reshape([box for _, _, box in rows], (-1, 4)), boxes_xyxy, atol=0.5)


def test_it_finds_what_the_model_finds(export_once, images, run_client):
    model, path = export_once()
    result = run_client(path, *images, "--threshold", LOWEST)
    assert result.returncode == 0, result.stderr
    rows = parse(result.stdout)
    expected = model.detect(list(images), threshold=LOWEST, top_k=20)
    assert sum(map(len, expected)) > 20
    for found in expected:
        assert_same(rows.get(found.path, []), found.class_names, found.scores, found.boxes_xyxy)


@pytest.mark.parametrize("precision", ["float16", "int8"])
def test_it_reads_files_of_every_input(export_once, images, run_client, precision):
    """Against the file in this package: the exporter's tests check what the precision costs."""
    model, path = export_once(precision)
    rows = parse(run_client(path, *images, "--threshold", LOWEST).stdout)
    for photo, image in images.items():
        transform = letterbox(image.shape[:2], model.input_size)
        found = to_image_frame(TFLiteDetector(path)(warp(image, transform, model.input_size)), transform)
        boxes_xyxy = np.clip(found["boxes_xyxy"], 0, image.shape[1::-1] * 2)
        kept = (found["scores"] >= LOWEST) & np.all(boxes_xyxy[:, 2:] > boxes_xyxy[:, :2], axis=1)
        names = [model.classes[i] for i in found["classes"][kept]]
        assert_same(rows.get(photo, []), names, found["scores"][kept], boxes_xyxy[kept])


@pytest.mark.parametrize(
    ("model", "image", "message"),
    [
        ("nothing.tflite", "photo.png", r"nothing.tflite: expected a .tflite file with labels"),
        (__file__, "photo.png", r"test_python_client.py: expected a .tflite file with labels \(File is not a zip file"),
        (None, "photo.png", r"photo.png: expected an image that OpenCV reads\."),
    ],
    ids=["no model", "no model inside", "no image"],
)
def test_a_mistake_is_one_line(export_once, run_client, model, image, message):
    result = run_client(model or export_once()[1], image)
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert re.search(message, result.stderr)
