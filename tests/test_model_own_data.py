"""`fit` and `evaluate` on a user's own data in Python give the losses of our own batches with the same content."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_centernet import AveragePrecision, CenterNet, UserError
from tests.helpers.tiny_backbone import build_tiny

SIDE, ROWS, COUNT = 64, 128, 6
BOXES = [
    [[4, 8, 36, 44]],
    [[0, 0, 20, 30], [24, 20, 60, 62]],
    [],
    [[5.5, 5, 30, 30.25]],
    [[1, 2, 30, 40]],
    [[10, 2, 30, 40], [12, 2, 50, 60]],
]
LABELS = [[0], [0, 1], [], [1], [0], [1, 0]]
IMAGES = np.random.default_rng(0).integers(0, 256, (COUNT, SIDE, SIDE, 3), np.uint8)
RAGGED = {"boxes": [np.float32(rows).reshape(-1, 4) for rows in BOXES], "labels": LABELS}
PARTS = [(IMAGES[part], {key: value[part] for key, value in RAGGED.items()}) for part in (slice(0, 3), slice(3, 6))]


def pad(rows, value, shape):
    padded = np.full((COUNT, 4, *shape), value, "float32")
    for i, row in enumerate(rows):
        padded[i, : len(row)] = np.reshape(row, (-1, *shape))
    return padded


PADDED = {"boxes": pad(BOXES, -1, (4,)), "classes": pad(LABELS, -1, ())}


def our_objects():
    objects = {"boxes_xyxy": np.zeros((COUNT, ROWS, 4), "float32"), "classes": np.zeros((COUNT, ROWS), "int32")}
    objects["mask"] = np.zeros((COUNT, ROWS), bool)
    for i, rows in enumerate(BOXES):
        for j, box in enumerate(rows):
            objects["boxes_xyxy"][i, j], objects["classes"][i, j], objects["mask"][i, j] = box, LABELS[i][j], True
    return objects


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return len(PARTS)

    def __getitem__(self, index):
        return PARTS[index]


class Loader:
    def __len__(self):
        return len(PARTS)

    def __iter__(self):
        return iter(PARTS)


def torch_loader():
    torch = pytest.importorskip("torch")
    examples = [
        (image, {"boxes": torch.tensor(boxes), "labels": torch.tensor(labels)})
        for image, boxes, labels in zip(IMAGES, RAGGED["boxes"], LABELS, strict=True)
    ]
    return torch.utils.data.DataLoader(examples, batch_size=3, collate_fn=lambda batch: tuple(zip(*batch, strict=True)))


def tf_data():
    lengths = [len(rows) for rows in BOXES]
    known = {
        "boxes": tf.RaggedTensor.from_row_lengths(np.concatenate(RAGGED["boxes"]), lengths),
        "labels": tf.ragged.constant(LABELS, dtype=tf.int64),
    }
    return tf.data.Dataset.from_tensor_slices((IMAGES, known)).batch(3)


CONTAINERS = {
    "padded arrays": lambda: {"x": IMAGES, "y": PADDED, "batch_size": 3},
    "ragged lists": lambda: {"x": list(IMAGES), "y": RAGGED, "batch_size": 3},
    "tf.data": lambda: {"x": tf_data()},
    "PyDataset": lambda: {"x": Batches()},
    "loader": lambda: {"x": Loader()},
    "PyTorch's loader": lambda: {"x": torch_loader()},
}


@pytest.fixture(scope="module")
def model():
    """A detector with learning rate 0, so that every loss belongs to the same weights."""
    keras.utils.set_random_seed(1)
    model = CenterNet(build_tiny, classes=("cat", "dog"), input_size=SIDE)
    model.compile(keras.optimizers.SGD(0.0), color_augmentation=False)
    return model


@pytest.fixture(scope="module")
def ours():
    return tf.data.Dataset.from_tensor_slices((IMAGES, our_objects())).batch(3)


@pytest.fixture(scope="module")
def expected(model, ours):
    """{loss: [value]} of an epoch of our own batches."""
    return model.fit(ours, verbose=0).history


@pytest.mark.parametrize("container", CONTAINERS)
def test_every_container_trains_and_validates_as_ours(container, model, ours, expected):
    data = CONTAINERS[container]()
    validation = (data["x"], data["y"]) if "y" in data else data["x"]
    history = model.fit(**data, shuffle=False, epochs=2, validation_data=validation, verbose=0).history
    for name, (value,) in expected.items():
        assert history[name] == pytest.approx([value] * 2, rel=1e-5)
    found = model.evaluate(**data, verbose=0, return_dict=True)
    assert found == pytest.approx(model.evaluate(ours, verbose=0, return_dict=True), rel=1e-5)
    assert history["val_loss"][1] == pytest.approx(found["loss"], rel=1e-5)


def test_a_generator_has_one_epoch(model, expected):
    history = model.fit((part for part in PARTS), steps_per_epoch=2, verbose=0).history
    assert history["loss"] == pytest.approx(expected["loss"], rel=1e-5)


def test_data_of_unknown_length_count_as_many_batches_as_they_have(model, ours, expected):
    ours = ours.filter(lambda images, objects: True)
    with pytest.warns(UserWarning, match="ran out of data"):  # Keras' usual warning
        history = model.fit(ours, verbose=0).history
    assert history["loss"] == pytest.approx(expected["loss"], rel=1e-5)


def test_the_box_format_applies_to_training_and_validation(model, expected):
    xywh = [np.concatenate([rows[:, :2], rows[:, 2:] - rows[:, :2]], axis=1) for rows in RAGGED["boxes"]]
    data = IMAGES, RAGGED | {"boxes": xywh}
    options = {"bounding_box_format": "xywh", "batch_size": 3, "verbose": 0}
    history = model.fit(*data, shuffle=False, validation_data=data, **options).history
    assert history["loss"] == pytest.approx(expected["loss"], rel=1e-5)
    assert history["val_loss"][0] == pytest.approx(model.evaluate(*data, **options)[0], rel=1e-6)


def test_arrays_are_shuffled_and_split_as_keras_does(model):
    seen = []

    class Watched(CenterNet):
        def train_step(self, data):
            tf.py_function(lambda images: seen.extend(images.numpy()[:, 0, 0, 0].tolist()), [data[0]], [])
            return super().train_step(data)

    watched = Watched(build_tiny, classes=("cat", "dog"), input_size=SIDE)
    watched.compile("sgd", color_augmentation=False, run_eagerly=True)
    images = np.broadcast_to(np.arange(2, 32, dtype="uint8")[:, None, None, None], (30, SIDE, SIDE, 3))
    labels = {key: np.concatenate([values] * 5) for key, values in PADDED.items()}
    history = watched.fit(images, labels, validation_split=0.2, batch_size=8, verbose=0).history
    assert "val_loss" in history
    assert sorted(seen) == list(range(2, 26))
    assert seen != sorted(seen)


def test_average_precision_of_own_data_while_training(model):
    xywh = [np.concatenate([rows[:, :2], rows[:, 2:] - rows[:, :2]], axis=1) for rows in RAGGED["boxes"]]
    precision = AveragePrecision((IMAGES, RAGGED | {"boxes": xywh}), bounding_box_format="xywh")
    history = model.fit(IMAGES, RAGGED, callbacks=[precision], verbose=0).history
    assert 0 <= history["val_AP"][0] <= 1
    assert precision.report.metrics["objects"] == 7


def test_a_mistake_is_one_line_in_the_first_batch_and_in_later_ones(model):
    small = PARTS[1][0][:, :32], PARTS[1][1]
    line = "images: expected the model's 64 x 64 pixels, got 32 x 64; resize them, or load_dataset"
    fit = functools.partial(model.fit, verbose=0)
    for where, data in (("fit", {"x": [small]}), ("fit", {"x": [PARTS[0], PARTS[0], small]})):
        with pytest.raises(UserError, match=rf"^{where}: {line}"):
            fit(**data)
    with pytest.raises(UserError, match=rf"^validation_data: {line}"):
        fit(*PARTS[0], validation_data=small)
    with pytest.raises(UserError, match=r"^evaluate: classes: expected class indices of 0 to 1"):
        model.evaluate(IMAGES, PADDED | {"classes": PADDED["classes"] * 3}, verbose=0)
    with pytest.raises(UserError, match=r"^bounding_box_format: expected one of xyxy, yxyx"):
        model.evaluate(IMAGES, PADDED, bounding_box_format="coco")
