"""`augment`: a user's own function that changes each training image."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_centernet.data import in_numpy, load_dataset
from keras_centernet.data.formats.shapes import build_shapes
from keras_centernet.data.records.writing import write_tfrecords
from keras_centernet.errors import UserError

PLAIN = {"augmentation": "none", "flip": 0.0, "input_size": 128, "batch_size": 4, "seed": 2}


def rows_of(dataset):
    """[(image, boxes, classes)] without the padded rows."""
    found = []
    for images, objects in dataset:
        for i, mask in enumerate(objects["mask"].numpy()):
            found.append(
                (images[i].numpy(), objects["boxes_xyxy"][i][mask].numpy(), objects["classes"][i][mask].numpy())
            )
    return found


def assert_boxes_fit(dataset, found_boxes, atol=1.6):
    for image, boxes, classes in rows_of(dataset):
        assert len(boxes) == 1
        distances = [np.abs(np.subtract(region, boxes[0])).max() for region in found_boxes(image, classes[0])]
        assert min(distances) <= atol


def turn(example):
    """Rotates by a quarter turn, which swaps the image's height and width."""
    height = tf.cast(tf.shape(example["image"])[0], tf.float32)
    x1, y1, x2, y2 = tf.unstack(example["boxes_xyxy"], axis=1)
    boxes_xyxy = tf.stack([height - 1 - y2, x1, height - 1 - y1, x2], axis=1)
    return {**example, "image": tf.image.rot90(example["image"], 3), "boxes_xyxy": boxes_xyxy}


@in_numpy
def turn_in_numpy(example):
    height, boxes = len(example["image"]), example["boxes_xyxy"]
    return {
        "image": np.rot90(example["image"], 3),
        "boxes_xyxy": [(height - 1 - y2, x1, height - 1 - y1, x2) for x1, y1, x2, y2 in boxes.tolist()],
    }


@pytest.mark.slow
@pytest.mark.parametrize("change", [turn, turn_in_numpy], ids=["tensorflow", "numpy"])
@pytest.mark.parametrize("more", [{}, {"mosaic": 1e-9}], ids=["alone", "mixing"])
def test_image_and_boxes_change_together(change, more, bright_source, found_boxes):
    source = bright_source(8)
    dataset = load_dataset(source, "train", **PLAIN, augment=change, **more)
    assert_boxes_fit(dataset, found_boxes)
    sizes = {int(e["image_id"]): e["image"].shape[:2] for e in source.examples().as_numpy_iterator()}
    for _, objects in dataset:
        for image_id, image_hw in zip(objects["image_id"].numpy(), objects["image_hw"].numpy(), strict=True):
            assert tuple(image_hw[::-1]) == sizes[image_id]


@pytest.mark.slow
def test_keras_layers_fit(bright_source, found_boxes):
    """The example of the documentation."""
    for layer in (
        keras.layers.RandomFlip("horizontal", seed=1, bounding_box_format="xyxy"),
        keras.layers.RandomTranslation(0.1, 0.1, fill_mode="constant", seed=1, bounding_box_format="xyxy"),
    ):

        def augment(example, layer=layer):
            boxes = {"boxes": example["boxes_xyxy"], "labels": example["classes"]}
            changed = layer({"images": example["image"], "bounding_boxes": boxes})
            return {"image": tf.cast(changed["images"], tf.uint8), "boxes_xyxy": changed["bounding_boxes"]["boxes"]}

        dataset = load_dataset(bright_source(8), "train", **PLAIN, augment=augment)
        assert_boxes_fit(dataset, found_boxes, atol=3)  # Keras counts from pixel edges; the zoom is up to 2


def stand_in(image, bboxes, class_labels):
    """Called like an Albumentations `Compose`: cuts off the left half of the image and drops the objects in it."""
    half = image.shape[1] // 2
    kept = [i for i, box in enumerate(bboxes) if box[2] > half]
    boxes = [[max(bboxes[i][0] - half, 0), bboxes[i][1], bboxes[i][2] - half, bboxes[i][3]] for i in kept]
    return {"image": image[:, half:], "bboxes": boxes, "class_labels": [class_labels[i] for i in kept]}


def test_albumentations_fit_and_may_drop_objects():
    """The example of the documentation. Fields that the function does not return keep the rows in `kept`."""
    source, transform = build_shapes(size=12, image_size=96), stand_in

    @in_numpy
    def augment(example):
        boxes = example["boxes_xyxy"]
        done = transform(image=example["image"], bboxes=boxes, class_labels=list(range(len(boxes))))
        return {"image": done["image"], "boxes_xyxy": done["bboxes"], "kept": done["class_labels"]}

    truth = {int(e["image_id"]): e for e in source.examples().as_numpy_iterator()}
    dropped = 0
    for _, objects in load_dataset(source, "train", **PLAIN, augment=augment):
        for i, image_id in enumerate(objects["image_id"].numpy()):
            example, mask = truth[image_id], objects["mask"][i].numpy()
            is_kept = example["boxes_xyxy"][:, 2] > 48
            dropped += (~is_kept).sum()
            np.testing.assert_array_equal(objects["classes"][i][mask], example["classes"][is_kept])
            np.testing.assert_allclose(objects["areas"][i][mask], example["areas"][is_kept])
            assert objects["image_hw"][i].numpy().tolist() == [96, 48]
    assert dropped > 5


def test_every_object_may_go_and_new_ones_may_come():
    @in_numpy
    def nothing(example):
        return {"boxes_xyxy": [], "kept": []}

    def twice(example):
        again = ("boxes_xyxy", "classes", "is_crowd", "is_difficult", "areas")
        return {key: tf.concat([example[key]] * 2, axis=0) for key in again}

    source = build_shapes(size=4, image_size=96)
    assert all(len(boxes) == 0 for _, boxes, _ in rows_of(load_dataset(source, "train", **PLAIN, augment=nothing)))
    for _, boxes, classes in rows_of(load_dataset(source, "train", **PLAIN, augment=twice)):
        np.testing.assert_array_equal(*np.split(boxes, 2))
        np.testing.assert_array_equal(*np.split(classes, 2))


@pytest.mark.parametrize(
    ("name", "box_xyxy", "stays"),
    [
        ("over the border", (-5, -5, 5, 5), True),
        ("no extent", (5, 5, 5, 9), False),
        ("turned around", (9, 9, 5, 5), False),
        ("outside, where the input is black", (10, -20, 30, -2), False),
        ("not a number", (np.nan, 5, 9, 9), False),
    ],
)
def test_objects_that_are_gone_are_dropped(name, box_xyxy, stays):
    def change(example):
        boxes_xyxy = tf.concat([[box_xyxy], example["boxes_xyxy"][1:]], axis=0)
        return {"image": example["image"][:40], "boxes_xyxy": tf.cast(boxes_xyxy, tf.float32)}

    source = build_shapes(size=4, image_size=96)
    for _, boxes, _ in rows_of(load_dataset(source, "train", **PLAIN, augment=change)):
        assert np.isclose(boxes[:, 2] - boxes[:, 0], (box_xyxy[2] - box_xyxy[0]) * 128 / 96).any() == stays


@pytest.mark.slow
def test_random_numbers_from_the_seed_repeat():
    """In TensorFlow and in NumPy. Each image and epoch gets other numbers, and a second pass repeats them."""

    def shift(example):
        dark = tf.random.stateless_uniform((), example["seed"], 0, 200, tf.int32)
        return {"image": tf.fill(tf.shape(example["image"]), tf.cast(dark, tf.uint8))}

    @in_numpy
    def shift_in_numpy(example):
        example["image"][:] = np.random.default_rng(example["seed"]).integers(200)  # it is a copy
        return {"image": example["image"]}

    for change in (shift, shift_in_numpy):
        dataset = load_dataset(build_shapes(size=8), "train", **PLAIN, augment=change)
        epochs = np.concatenate([images.numpy().max(axis=(1, 2, 3)) for images, _ in dataset.for_epochs(0, 2)])
        assert len(set(epochs.tolist())) > 12
        again = np.concatenate([images.numpy().max(axis=(1, 2, 3)) for images, _ in dataset.for_epochs(1, 2)])
        np.testing.assert_array_equal(again, epochs[8:])


def test_only_training_images_change():
    dataset = load_dataset(build_shapes("val", size=4), "val", input_size=64, batch_size=4, augment=turn)
    plain = load_dataset(build_shapes("val", size=4), "val", input_size=64, batch_size=4)
    np.testing.assert_array_equal(next(iter(dataset))[0], next(iter(plain))[0])


def returning(**changed):
    return lambda example: {**example, **changed}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("mine", "augment: expected a function of an example, got 'mine'."),
        (lambda example: None, "augment: expected a dict of what has changed, got NoneType."),
        (lambda example: example["image"], "augment: expected a dict of what has changed, got SymbolicTensor."),
        (
            returning(bboxes=0),
            "augment: expected some of the keys image, boxes_xyxy, classes, is_crowd, is_difficult, areas, image_id,",
        ),
        (
            lambda example: {"image": tf.cast(example["image"], tf.float32)},
            "augment: expected 'image' as uint8 of shape (n, n, 3), got float32 of shape (None, None, 3).",
        ),
        (
            lambda example: {"boxes_xyxy": example["boxes_xyxy"][0]},
            "augment: expected 'boxes_xyxy' as float32 of shape (n, 4), got float32 of shape (4,).",
        ),
        (lambda example: {"kept": [0.5]}, "augment: expected 'kept' as (n,) integers, got float32 of shape (1,)."),
        (
            lambda example: {"image": example["picture"]},
            "augment: expected a function of an example's tensors, got KeyError: 'picture'",
        ),
        (
            lambda example: {"boxes_xyxy": example["boxes_xyxy"][:1]},
            "augment: expected the same number of rows in boxes_xyxy, classes, is_crowd, is_difficult, areas, got [1 ",
        ),
        (
            in_numpy(lambda example: {"image": example["image"] / 255}),
            "augment: expected 'image' as uint8 of shape (n, n, 3), got float64 of shape (160, 160, 3).",
        ),
        (
            in_numpy(lambda example: {"boxes_xyxy": example["boxes_xyxy"][:, :3]}),
            "augment: expected 'boxes_xyxy' as float32 of shape (n, 4), got float32 of shape (",
        ),
        (in_numpy(lambda example: {"labels": [1]}), "augment: expected some of the keys areas, boxes_xyxy, classes,"),
        (in_numpy(lambda example: 3), "augment: expected a dict of what has changed, got int."),
        (
            in_numpy(lambda example: {"classes": example["class"]}),
            "augment: expected a function that takes the first example, got KeyError: 'class'",
        ),
    ],
)
def test_mistakes_are_one_line(change, message):
    with pytest.raises(UserError, match=re.escape(message)) as caught:
        load_dataset(build_shapes(size=4), "train", **PLAIN, augment=change)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_the_data_service_takes_an_augment_function_in_tensorflow_only(data_service, tmp_path):
    write_tfrecords(build_shapes(size=4, image_size=48), "train", tmp_path, 1)
    dataset = load_dataset(tmp_path, "train", **PLAIN, augment=turn, data_service=data_service)
    assert len(rows_of(dataset)) == 4
    with pytest.raises(UserError, match="augment: expected TensorFlow alone with data_service, got a func"):
        load_dataset(tmp_path, "train", **PLAIN, augment=turn_in_numpy, data_service=data_service)
