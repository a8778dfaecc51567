"""Mosaics and MixUp: boxes lie on their objects, and the images do not depend on when or where they are made."""

import dataclasses
import re
import warnings

import numpy as np
import pytest
import tensorflow as tf

from keras_centernet.data import load_dataset
from keras_centernet.data.formats.shapes import build_shapes
from keras_centernet.data.passes import numbered_passes
from keras_centernet.data.records.writing import write_tfrecords
from keras_centernet.errors import DataWarning, UserError
from keras_centernet.method.specs import FieldSpec

SIDE = 128
HUES = ((255, 40, 40), (40, 255, 40), (40, 40, 255), (255, 255, 40))  # one per class
PLAIN = {"augmentation": "none", "flip": 0.0, "input_size": SIDE, "batch_size": 4, "seed": 2}


def examples_of(dataset):
    """[(image, {key: rows of objects or value of the image})] of a data set, without the padded rows."""
    found = []
    for images, objects in dataset:
        for i, image in enumerate(images.numpy()):
            mask = objects["mask"][i].numpy()
            values = {key: value[i].numpy() for key, value in objects.items()}
            found.append((image, {k: v[mask] if v.shape[:1] == mask.shape else v for k, v in values.items()}))
    return found


def assert_same(some, others):
    some, others = list(some), list(others)
    assert len(some) == len(others)
    for ours, theirs in zip(some, others, strict=True):
        tf.nest.map_structure(np.testing.assert_array_equal, ours, theirs)


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"augmentation": "shift", "flip": 0.5, "vertical_flip": 0.5},
        {"input_size": (96, 160), "augmentation": "crop"},
    ],
)
def test_boxes_of_a_mosaic_lie_on_their_objects(changes, bright_source, found_boxes):
    options = PLAIN | {"mosaic": 1.0} | changes
    dataset = load_dataset(bright_source(), "train", **options).for_epochs(0, 3)
    seen = 0
    for image, objects in examples_of(dataset):
        height, width = image.shape[:2]
        boxes = np.clip(objects["boxes_xyxy"], 0, [width - 1, height - 1] * 2)
        for box, index in zip(boxes, objects["classes"], strict=True):
            if (box[2:] - box[:2] < 8).any():
                continue  # a sliver at the border
            distances = [np.abs(np.subtract(region, box)).max() for region in found_boxes(image, index)]
            assert min(distances) <= 1.6
            seen += 1
    assert seen > 40


def slow_part(image, number, corner_xy, side):
    """Part `number` of a mosaic, pixel by pixel: the nearest pixels of an image that ends at the corner."""
    canvas = np.zeros((side, side, 3), int)
    height, width = image.shape[:2]
    zoom = side / max(height, width)
    left = corner_xy[0] - (0 if number % 2 else zoom * width)
    top = corner_xy[1] - (0 if number // 2 else zoom * height)
    for y in range(side):
        for x in range(side):
            row, column = round((y - top) / zoom), round((x - left) / zoom)
            if 0 <= row < height and 0 <= column < width:
                canvas[y, x] = image[row, column]
    return canvas


@pytest.mark.slow
def test_a_mosaic_equals_one_made_pixel_by_pixel(bright_source):
    """The first part is the image of `image_id`, placed by `image_to_input`. Three other images explain the rest."""
    source, side = bright_source(4), 64
    photos = {int(example["image_id"]): example["image"] for example in source.examples().as_numpy_iterator()}
    chosen = set()
    dataset = load_dataset(source, "train", **PLAIN | {"input_size": side}, mosaic=1.0)
    for image, objects in examples_of(dataset.for_epochs(0, 1)):
        number, matrix = int(objects["image_id"]), objects["image_to_input"]
        height, width = photos[number].shape[:2]
        corner_xy = np.diag(matrix) * (width, height) + matrix[:, 2]
        assert matrix[0, 0] == pytest.approx(side / max(height, width))
        assert ((corner_xy >= 0) & (corner_xy <= side)).all()
        rest = image - slow_part(photos[number], 0, corner_xy, side)
        for place in (1, 2, 3):
            parts = {i: slow_part(photo, place, corner_xy, side) for i, photo in photos.items() if i != number}
            found = min(parts, key=lambda i: np.abs(rest - parts[i])[parts[i] > 0].mean() if parts[i].any() else 0)
            rest = rest - parts[found]
            chosen.add((number, place, found))
        assert np.abs(rest).mean() < 6  # the edges differ: nearest pixel here, bilinear there
    assert len({found for *_, found in chosen}) > 2


def test_objects_over_the_border_of_their_image_end_there(bright_source):
    boxes = [(-40, 10, 300, 50)] * 8
    for _, objects in examples_of(load_dataset(bright_source(8, boxes), "train", **PLAIN, mosaic=1.0)):
        widths = objects["boxes_xyxy"][:, 2] - objects["boxes_xyxy"][:, 0]
        assert (widths <= SIDE + 1e-3).all()


@pytest.mark.slow
def test_fields_move_with_their_part(bright_source):
    """A keypoint in the middle of its box stays there. One outside its image is no longer marked."""
    source = bright_source(8)
    middles = []
    for example in source.examples().as_numpy_iterator():
        x1, y1, x2, y2 = example["boxes_xyxy"][0]
        middles.append([[(x1 + x2) / 2, (y1 + y2) / 2, 2], [-5, y1, 2]])
    source = bright_source(8, keypoints_xyv=np.array(middles, np.float32), track_ids=np.arange(8, dtype=np.int32))
    dataset = load_dataset(source, "train", **PLAIN | {"augmentation": "crop", "flip": 0.5}, mosaic=1.0, mixup=0.5)
    tracks = 0
    for _, objects in examples_of(dataset.for_epochs(0, 2)):
        boxes, keypoints = objects["boxes_xyxy"], objects["keypoints_xyv"]
        np.testing.assert_allclose(keypoints[:, 0, :2], (boxes[:, :2] + boxes[:, 2:]) / 2, atol=0.01)
        assert keypoints[:, :, 2].tolist() == [[2, 0]] * len(keypoints)
        np.testing.assert_array_equal(objects["track_ids"] % 4, objects["classes"])
        tracks += len(objects["track_ids"])
    assert tracks > 20


@pytest.mark.slow
def test_a_mosaic_is_rotated_as_a_whole(bright_source):
    """In a rotated mosaic, the middle of each object has the object's colour."""
    boxes = [example["boxes_xyxy"][0] for example in bright_source(8).examples().as_numpy_iterator()]
    middles = [[[(x1 + x2) / 2, (y1 + y2) / 2, 2]] for x1, y1, x2, y2 in boxes]
    source = bright_source(8, keypoints_xyv=np.array(middles, np.float32))
    dataset = load_dataset(source, "train", task="pose", **PLAIN, mosaic=1.0, rotation=25.0)
    turned, seen = [], 0
    for image, objects in examples_of(dataset.for_epochs(0, 3)):
        turned.append(objects["is_rotated"])
        for (x, y, _), index in zip(objects["keypoints_xyv"][:, 0], objects["classes"], strict=True):
            if 2 <= x < SIDE - 2 and 2 <= y < SIDE - 2:
                np.testing.assert_allclose(image[round(y), round(x)], HUES[index], atol=25)
                seen += 1
    assert 0.2 < np.mean(turned) < 0.8
    assert seen > 20


@pytest.mark.slow
def test_mixup_is_a_weighted_mean_with_the_objects_of_both_images(bright_source):
    source = bright_source(6)
    plain = {}
    for image, objects in examples_of(load_dataset(source, "train", **PLAIN | {"batch_size": 6})):
        plain[int(objects["image_id"])] = image.astype(float), objects["boxes_xyxy"]
    shares = []
    for image, objects in examples_of(
        load_dataset(source, "train", **PLAIN | {"batch_size": 6}, mixup=1.0).for_epochs(0, 6)
    ):
        first, boxes = plain[int(objects["image_id"])]
        np.testing.assert_allclose(objects["boxes_xyxy"][: len(boxes)], boxes, atol=1e-3)
        (other,) = [i for i, (_, its) in plain.items() if np.allclose(its, objects["boxes_xyxy"][len(boxes) :])]
        assert other != int(objects["image_id"])
        difference = first - plain[other][0]
        share = (difference * (image - plain[other][0])).sum() / (difference**2).sum()
        np.testing.assert_allclose(image, plain[other][0] + share * difference, atol=1)
        shares.append(share)
    assert np.mean(shares) == pytest.approx(0.5, abs=0.05)
    assert np.std(shares) == pytest.approx(0.062, abs=0.03)  # Beta(32, 32) has 1 / sqrt(4 * 65)


def test_marks_of_either_image_hold_for_both(bright_source):
    options = PLAIN | {"augmentation": "zoom_half"}
    marks = [
        objects["is_zoomed"]
        for _, objects in examples_of(load_dataset(bright_source(40), "train", **options, mixup=1.0))
    ]
    assert np.mean(marks) == pytest.approx(0.75, abs=0.2)


@pytest.mark.slow
@pytest.mark.parametrize("probability", [0.3, 1.0])
def test_probability_of_a_mosaic(probability, bright_source):
    source = bright_source(40)
    dataset = load_dataset(source, "train", **PLAIN, mosaic=probability)
    whole = {int(o["image_id"]): o["image_to_input"] for _, o in examples_of(load_dataset(source, "train", **PLAIN))}
    moved = [
        not np.allclose(objects["image_to_input"], whole[int(objects["image_id"])])
        for _, objects in examples_of(dataset)
    ]
    assert np.mean(moved) == pytest.approx(probability, abs=0.2 * (0 < probability < 1))


MIXED = {"input_size": 64, "batch_size": 2, "seed": 9, "mosaic": 0.7, "mixup": 0.4, "hsv": (0.015, 0.7, 0.4)}


def load_mixed(**options):
    return load_dataset(build_shapes(size=7), "train", **MIXED | options)


@pytest.fixture(scope="module")
def epochs():
    """Three epochs of three batches."""
    return list(load_mixed().for_epochs(0, 3))


@pytest.mark.slow
def test_an_epoch_is_the_same_wherever_training_begins(epochs):
    assert len(epochs) == 9
    again = load_mixed(workers=2)
    assert_same(again.for_epochs(2, 3), epochs[6:])
    assert_same(again.for_epochs(1, 3, skip=2), epochs[5:])
    assert_same(again.for_epochs(1, 3, steps=2), epochs[3:5] + epochs[6:8])
    assert all((images != other).numpy().any() for (images, _), (other, _) in zip(epochs[:3], epochs[3:6], strict=True))


@pytest.mark.slow
def test_shards_together_give_the_batches_of_one_process(epochs):
    parts = [load_mixed(batch_size=1, shard=(2, i)).for_epochs(0, 2, 1) for i in range(2)]
    for (images, _), *shares in zip(epochs[1:6], *parts, strict=True):
        np.testing.assert_array_equal(images, np.concatenate([share for share, _ in shares]))


@pytest.mark.slow
def test_each_pass_over_the_plain_data_set_is_new():
    mixed = load_mixed()
    first, second = (np.concatenate([images for images, _ in mixed]) for _ in range(2))
    assert mixed.cardinality() == 3
    assert (first != second).any()


@pytest.mark.slow
def test_the_last_epochs_are_not_mixed(epochs):
    """Epochs 0 and 1 equal those of a data set that always mixes, epochs 2 and 3 those of one that never does."""
    plain = list(load_mixed(mosaic=0.0, mixup=0.0).for_epochs(2, 4))
    until = load_mixed(mosaic_until=2)
    assert_same(until.for_epochs(1, 4, skip=1), [*epochs[4:6], *plain])
    assert_same(until.for_epochs(2, 4, skip=1), plain[1:])


@pytest.mark.slow
def test_records_are_mixed_too(tmp_path):
    """The other images come from a window of the stream."""
    write_tfrecords(build_shapes(size=12, image_size=48), "train", tmp_path, 3)
    options = MIXED | {"batch_size": 4, "hsv": None}
    data = load_dataset(tmp_path, "train", **options)
    assert_same(data.for_epochs(0, 2, skip=2), list(data.for_epochs(0, 2))[2:])


def test_entries_of_a_stream_may_differ_in_their_number_of_rows():
    """TensorFlow Datasets has such entries: each holds the objects of one image."""

    def one_pass(seed):
        entries = tf.data.Dataset.range(9).map(lambda i: (i, {"boxes": tf.fill((i, 4), i), "name": tf.as_string(i)}))
        return entries.shuffle(9, seed=seed[0], reshuffle_each_iteration=False)

    def mix(draw):
        example, other = draw(0), draw(1)
        return {**example, "other": other["index"], "other_seed": other["seed"]}

    def to_example(index, entry):
        return {"index": index, "boxes": entry["boxes"], "name": entry["name"]}

    def drawn(*epochs, **options):
        passes = dataclasses.replace(numbered_passes(3, 9, *epochs, **options), mix=mix)
        return list(passes.examples(one_pass, to_example).as_numpy_iterator())

    whole = drawn(0, 2)
    for examples in (whole[:9], whole[9:]):
        assert sorted(example["index"] for example in examples) == list(range(9))
    for example in whole:
        assert example["boxes"].shape == (example["index"], 4)
        assert example["name"] == str(example["index"]).encode()
        assert example["other"] != example["index"]
        assert (example["seed"] != example["other_seed"]).all()
    assert len({example["other"] for example in whole}) > 4
    assert_same(drawn(1, 2, skip=4), whole[13:])


def test_one_image_is_mixed_with_itself(bright_source):
    ((_, objects),) = examples_of(load_dataset(bright_source(1), "train", **PLAIN | {"batch_size": 1}, mixup=1.0))
    np.testing.assert_allclose(objects["boxes_xyxy"][0], objects["boxes_xyxy"][1])


def test_a_mosaic_may_have_too_many_objects(bright_source):
    dataset = load_dataset(bright_source(8), "train", **PLAIN, mosaic=1.0, mixup=1.0, max_objects=1)
    with pytest.warns(DataWarning, match=r"1 image\(s\) with more than max_objects = 1 objects, .* so far"):
        list(dataset)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mosaic": 1.5}, "mosaic: expected a number of at least 0 and at most 1, got 1.5."),
        ({"mixup": -1}, "mixup: expected a number of at least 0 and at most 1, got -1."),
        ({"vertical_flip": 2}, "vertical_flip: expected a number of at least 0 and at most 1, got 2."),
        ({"mosaic": 1.0, "mosaic_until": -1}, "mosaic_until: expected a whole number of at least 0, got -1."),
        (
            {"mosaic": 0.5, "data_service": "grpc://127.0.0.1:1"},
            "mosaic: expected 0 with data_service, whose workers see images one by one, got 0.5. Set it to 0",
        ),
    ],
)
def test_mistakes(options, message, tmp_path):
    write_tfrecords(build_shapes(size=4, image_size=48), "train", tmp_path, 1)
    with pytest.raises(UserError, match=re.escape(message)):
        load_dataset(tmp_path, "train", input_size=64, batch_size=2, **options)


@pytest.mark.parametrize("option", ["vertical_flip", "mosaic", "mixup"])
def test_3d_detection_refuses_mixing_and_vertical_flips(option, write_kitti):
    message = f"{option}: expected 0 for task detection_3d, whose objects have positions relative to the camera"
    with pytest.raises(UserError, match=message):
        load_dataset("kitti", task="detection_3d", **{option: 0.5})


def test_fields_of_whole_images_cannot_be_mixed(bright_source):
    source = bright_source(4, calibration=np.zeros((4, 3, 4), np.float32))
    assert source.fields["calibration"] == FieldSpec("float32", (3, 4), True, "image/camera/calibration")
    message = "mixup: expected 0 with bright, whose fields calibration describe whole images, got 1"
    with pytest.raises(UserError, match=message):
        load_dataset(source, "train", mixup=1)


def test_mosaic_until_changes_nothing_without_a_mosaic(bright_source):
    plain, until = (load_dataset(bright_source(8), "train", **PLAIN, **more) for more in ({}, {"mosaic_until": 3}))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_same(plain.for_epochs(0, 1), until.for_epochs(0, 1))
