"""Fixtures and hooks that all tests share."""

import contextlib
import ctypes
import gc
import json
import os
import pathlib
import signal
import subprocess
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cv2
import numpy as np
import pytest

FIXTURES = pathlib.Path(__file__).parent / "fixtures"
# Files that take minutes are begun first: at the end, the other processes would wait for them.
LONG = ("test_resume.py", "test_demo.py", "test_own_files.py", "test_terminals.py", "test_backends.py")
CALIBRATION_LINE = "P2: 720 0 200 45 0 720 60 0.2 0 0 1 0.003"
# Runs isolated (-I), so that this package is on no path and is not imported.
SERVER = """
import sys
import tensorflow as tf
service = tf.data.experimental.service
dispatcher = service.DispatchServer(service.DispatcherConfig(port=0))
address = dispatcher.target.partition("://")[2]
worker = service.WorkerServer(service.WorkerConfig(dispatcher_address=address, port=0))
assert "keras_centernet" not in sys.modules
print("at", address.rpartition(":")[2], flush=True)
sys.stdin.read()
"""


def pytest_configure():
    """Lets commands that tests start be interrupted: a shell's background job ignores SIGINT, as do its children."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items):
    """Moves the tests of the longest files to the front."""
    items.sort(key=lambda item: item.path.name not in LONG)


@pytest.fixture(autouse=True, scope="module")
def each_file_alone():
    """Begins each file with the same seed, whichever ran before it, and gives memory back after it.

    Keras keeps state of every model, and glibc keeps freed memory: a process would grow by some 100 MB a file.
    """
    import keras

    keras.utils.set_random_seed(0)
    yield
    release()


@pytest.fixture
def release_models():
    """Gives memory back after each test: for files whose networks are large."""
    yield
    release()


def release():
    """Frees all models that no test uses any more.

    Later garbage collections do not look again through what is left, which is mostly modules.
    """
    if "keras" in sys.modules:
        sys.modules["keras"].backend.clear_session(free_memory=False)
    gc.collect()
    gc.freeze()
    with contextlib.suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL("libc.so.6").malloc_trim(0)


@pytest.fixture(scope="session")
def fixture():
    """Returns a function: name -> dict of arrays that the published implementation computed."""
    return lambda name: dict(np.load(FIXTURES / f"{name}.npz"))


@pytest.fixture
def rng():
    """A seeded source of random arrays."""
    return np.random.default_rng(7)


@pytest.fixture(scope="session", autouse=True)
def tiny_backbone():
    """The name of a network of two convolutions for tests that are not about a network, as most are."""
    from tests.helpers.tiny_backbone import TINY, add_tiny_backbone

    add_tiny_backbone()
    release()  # otherwise every garbage collection looks through a million objects of TensorFlow's imports
    return TINY


@pytest.fixture(scope="session")
def tiny_model(tiny_backbone):
    """Returns a function that builds a small untrained detector of two classes whose scores all differ."""
    import keras

    from keras_centernet import CenterNet

    def build(backbone=tiny_backbone, **options):
        keras.utils.set_random_seed(3)
        model = CenterNet(backbone, **{"classes": ("cat", "dog"), "input_size": 64} | options)
        loud = 0.3 if backbone == tiny_backbone else 1.0  # its features are large: all scores would be 1
        for head, spread in (("center_heatmap", 1.0), ("size", 0.5), ("offset", 0.5)):
            kernel = model.network.get_layer(head).kernel
            kernel.assign(keras.random.normal(kernel.shape, stddev=loud * spread))
        return model

    return build


@pytest.fixture
def edgetpu_compiler(tmp_path, monkeypatch):
    """Puts a stand-in for Coral's compiler on the PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script = pathlib.Path(__file__).parent / "helpers" / "fake_edgetpu_compiler.py"
    (folder / "edgetpu_compiler").write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}" "$@"\n')
    (folder / "edgetpu_compiler").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)


@pytest.fixture(scope="session")
def to_ram(tmp_path_factory):
    """to_ram(file or folder) copies it to ram://, TensorFlow's file system in memory, and returns its path there."""
    import tensorflow as tf

    def copy(local):
        target = f"ram://{tmp_path_factory.mktemp('ram').name}/{local.name}"
        for path in [local, *local.rglob("*")]:
            there = f"{target}/{path.relative_to(local).as_posix()}".removesuffix("/.")
            if path.is_file():
                tf.io.gfile.makedirs(there.rpartition("/")[0])
                tf.io.gfile.copy(str(path), there)
        return target

    return copy


@pytest.fixture
def batch():
    """Two 64-pixel images with one and two objects, as `load_dataset` yields them."""
    source = np.random.default_rng(5)
    boxes, mask = np.zeros((2, 8, 4), "float32"), np.zeros((2, 8), bool)
    boxes[0, 0], boxes[1, 0], boxes[1, 1] = (4, 8, 36, 44), (0, 0, 20, 30), (24, 20, 60, 60)
    mask[0, 0] = mask[1, :2] = True
    classes = np.zeros((2, 8), "int32")
    classes[1, 1] = 1
    images = source.integers(0, 256, (2, 64, 64, 3), np.uint8)
    return images, {"boxes_xyxy": boxes, "classes": classes, "mask": mask}


@pytest.fixture
def write_kitti(tmp_path):
    """write_kitti({frame: lines}, splits=...) -> folder; every image is 120 x 400."""

    def write(frames, calibration=CALIBRATION_LINE, splits=None):
        folder = tmp_path / "kitti"
        for part in ("image_2", "label_2", "calib"):
            (folder / "training" / part).mkdir(parents=True, exist_ok=True)
        for name, lines in frames.items():
            image = np.random.default_rng(1).integers(0, 256, (120, 400, 3), np.uint8)
            cv2.imwrite(str(folder / "training" / "image_2" / f"{name}.png"), image)
            (folder / "training" / "label_2" / f"{name}.txt").write_text("\n".join(lines) + "\n")
            (folder / "training" / "calib" / f"{name}.txt").write_text(f"P0: 1 2 3\n{calibration}\n")
        for split, names in (splits or {}).items():
            (folder / "ImageSets").mkdir(exist_ok=True)
            (folder / "ImageSets" / f"{split}.txt").write_text("\n".join(names))
        return folder

    return write


@pytest.fixture
def write_keypoints(tmp_path):
    """write_keypoints(categories, [(category, box, keypoints)]) -> folder with one image of 64 x 64."""

    def write(categories, rows):
        (tmp_path / "annotations").mkdir(exist_ok=True)
        (tmp_path / "train2017").mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / "train2017" / "a.png"), np.full((64, 64, 3), 90, np.uint8))
        annotations = [
            {"id": i, "image_id": 1, "category_id": category, "bbox": box, "area": 50, "keypoints": keypoints}
            for i, (category, box, keypoints) in enumerate(rows)
        ]
        content = {"images": [{"id": 1, "file_name": "a.png", "height": 64, "width": 64}], "categories": categories}
        path = tmp_path / "annotations" / "person_keypoints_train2017.json"
        path.write_text(json.dumps(content | {"annotations": annotations}))
        return tmp_path

    return write


@pytest.fixture(scope="session")
def data_service():
    """The address of a dispatcher with one worker, in a process of their own that does not have this package."""
    command = [sys.executable, "-I", "-c", SERVER]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    with subprocess.Popen(command, **pipes) as process:
        port = next(line for line in process.stdout if line.startswith("at ")).split()[1]
        yield f"grpc://127.0.0.1:{port}"
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        process.kill()
