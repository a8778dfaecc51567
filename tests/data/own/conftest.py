"""Six small images with boxes, as users have them, and the same data as batches for a 64 x 64 input."""

import types

import keras
import numpy as np
import pytest

SIDE, CLASSES, ROWS = 64, ("cat", "dog"), 128
BOXES = [
    [[4, 8, 36, 44]],
    [[0, 0, 20, 30], [24, 20, 60, 62]],
    [],
    [[5.5, 5, 30, 30.25]],
    [[1, 2, 30, 40]],
    [[10, 2, 30, 40], [12, 2, 50, 60], [1, 1, 9, 9]],
]
LABELS = [[0], [0, 1], [], [1], [0], [1, 0, 1]]


@pytest.fixture(scope="module")
def images():
    """(6, 64, 64, 3) uint8."""
    return np.random.default_rng(0).integers(0, 256, (len(BOXES), SIDE, SIDE, 3), np.uint8)


@pytest.fixture
def boxes():
    """Six (n, 4) float32 arrays, xyxy."""
    return [np.float32(rows).reshape(-1, 4) for rows in BOXES]


@pytest.fixture
def labels():
    """Six (n,) int64 arrays."""
    return [np.asarray(rows, np.int64) for rows in LABELS]


@pytest.fixture
def padded(boxes, labels):
    """{"boxes": (6, 5, 4), "labels": (6, 5)}, padded with -1."""
    padded = {"boxes": np.full((6, 5, 4), -1, np.float32), "labels": np.full((6, 5), -1, np.int64)}
    for i, (some, others) in enumerate(zip(boxes, labels, strict=True)):
        padded["boxes"][i, : len(some)], padded["labels"][i, : len(some)] = some, others
    return padded


@pytest.fixture(scope="module")
def ours():
    """The objects as `load_dataset` yields them for images of the input's size, filled row by row."""
    count = len(BOXES)
    objects = {
        "boxes_xyxy": np.zeros((count, ROWS, 4), np.float32),
        "classes": np.zeros((count, ROWS), np.int32),
        "mask": np.zeros((count, ROWS), bool),
        "is_crowd": np.zeros((count, ROWS), bool),
        "is_difficult": np.zeros((count, ROWS), bool),
        "areas": np.zeros((count, ROWS), np.float32),
        "image_hw": np.full((count, 2), SIDE, np.int32),
        "image_to_input": np.stack([np.float32([[1, 0, 0], [0, 1, 0]])] * count),
    }
    for i in range(count):
        for j, (x1, y1, x2, y2) in enumerate(BOXES[i]):
            objects["boxes_xyxy"][i, j] = x1, y1, x2, y2
            objects["classes"][i, j] = LABELS[i][j]
            objects["mask"][i, j] = True
            objects["areas"][i, j] = (x2 - x1) * (y2 - y1)
    return objects


@pytest.fixture
def detector():
    """The attributes of a model that its data depend on."""
    return types.SimpleNamespace(classes=CLASSES, input_size=(SIDE, SIDE), task="detection")


@pytest.fixture
def ragged(images, boxes, labels):
    """A tf.data set of single images with RaggedTensors."""
    import tensorflow as tf

    lengths = [len(rows) for rows in boxes]
    known = {
        "boxes": tf.RaggedTensor.from_row_lengths(np.concatenate(boxes), lengths),
        "labels": tf.RaggedTensor.from_row_lengths(np.concatenate(labels), lengths),
    }
    return tf.data.Dataset.from_tensor_slices((images, known))


@pytest.fixture
def parts(images, boxes, labels):
    """Two batches of three images with ragged lists."""
    slices = (slice(0, 3), slice(3, 6))
    return [(images[part], {"boxes": boxes[part], "labels": labels[part]}) for part in slices]


@pytest.fixture
def py_dataset(parts):
    """The two batches as a `PyDataset`."""

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return len(parts)

        def __getitem__(self, index):
            return parts[index]

    return Batches()


@pytest.fixture
def loader(parts):
    """Stands in for PyTorch's loaders: it has a length and can be iterated repeatedly."""

    class Loader:
        passes = 0

        def __len__(self):
            return len(parts)

        def __iter__(self):
            self.passes += 1
            return iter(parts)

    return Loader()
