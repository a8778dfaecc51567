import dataclasses
import re
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_centernet.data import load_dataset, origin
from keras_centernet.data.annotations import build_annotations
from keras_centernet.data.formats.shapes import build_shapes
from keras_centernet.data.formats.table import FORMATS
from keras_centernet.data.source import source_from_annotations
from keras_centernet.errors import DataWarning, UserError
from keras_centernet.geometry import invert_affine, transform_boxes
from keras_centernet.tasks.detection import build_detection

SHAPES = {
    "boxes_xyxy": ((4, 10, 4), "float32"),
    "classes": ((4, 10), "int32"),
    "mask": ((4, 10), "bool"),
    "is_crowd": ((4, 10), "bool"),
    "is_difficult": ((4, 10), "bool"),
    "areas": ((4, 10), "float32"),
    "image_id": ((4,), "int64"),
    "image_hw": ((4, 2), "int32"),
    "image_to_input": ((4, 2, 3), "float32"),
}


def source_of(boxes_by_image, image_hw=(40, 60)):
    rows = [(i, *box, 0, False, False, None) for i, boxes in enumerate(boxes_by_image) for box in boxes]
    count = len(boxes_by_image)
    table = build_annotations([f"{i}.png" for i in range(count)], rows, image_hw=[image_hw] * count)
    return source_from_annotations("set", ("thing",), table, lambda i: np.full((*image_hw, 3), 9, np.uint8))


def ids_of(dataset):
    return [objects["image_id"].numpy().tolist() for _, objects in dataset]


def test_batch_schema():
    dataset = load_dataset(build_shapes(size=9), "train", input_size=(64, 96), batch_size=4, max_objects=10)
    assert dataset.classes == ("circle", "square", "star", "triangle")
    assert dataset.cardinality() == 2
    images_spec, objects_spec = dataset.element_spec
    assert (images_spec.shape, images_spec.dtype) == ((4, 64, 96, 3), tf.uint8)
    assert {key: (tuple(spec.shape), spec.dtype.name) for key, spec in objects_spec.items()} == SHAPES
    for images, objects in dataset:
        assert images.shape == (4, 64, 96, 3)
        mask = objects["mask"].numpy()
        assert (np.sort(mask, axis=1)[:, ::-1] == mask).all()  # objects first, padding after them
        for key in ("boxes_xyxy", "classes", "areas"):
            assert not objects[key].numpy()[~mask].any()


def test_evaluation_keeps_order_and_the_partial_batch():
    dataset = load_dataset(build_shapes(size=9), "val", input_size=64, batch_size=4)
    assert ids_of(dataset) == ids_of(dataset) == [[0, 1, 2, 3], [4, 5, 6, 7], [8]]


def test_evaluation_maps_back_exactly(examples_of):
    source = build_shapes(size=4)
    _, objects = next(iter(load_dataset(source, "val", input_size=(96, 64), batch_size=4)))
    for i, example in enumerate(examples_of(source)):
        boxes = objects["boxes_xyxy"][i].numpy()[objects["mask"][i]]
        back = transform_boxes(boxes, invert_affine(objects["image_to_input"][i].numpy()))
        np.testing.assert_allclose(back, example["boxes_xyxy"], atol=1e-3)


def test_training_is_shuffled_augmented_and_drops_the_partial_batch():
    dataset = load_dataset(build_shapes(size=9), "train", input_size=64, batch_size=4)
    first, second = ids_of(dataset), ids_of(dataset)
    assert [len(ids) for ids in first] == [4, 4]
    assert first != second
    matrices = np.concatenate([objects["image_to_input"] for _, objects in dataset])
    assert len(np.unique(matrices[:, 0, 0])) > 3
    assert (matrices[:, 0, 0] < 0).any()
    assert (matrices[:, 0, 0] > 0).any()


def test_training_follows_the_split_unless_given():
    source = build_shapes(size=3)
    assert ids_of(load_dataset(source, "train2017", input_size=64, batch_size=3, training=False)) == [[0, 1, 2]]
    assert load_dataset(source, "val", input_size=64, batch_size=2, training=True).cardinality() == 1
    assert load_dataset(source, "trainval", input_size=64, batch_size=2).cardinality() == 1


def epochs_of(**options):
    dataset = load_dataset(build_shapes(size=6), "train", input_size=64, batch_size=3, **options)
    return [batch for _ in range(2) for batch in dataset]


@pytest.mark.slow
def test_one_seed_gives_the_same_epochs_whatever_the_number_of_workers():
    reference = epochs_of(seed=5)
    for options in ({"seed": 5}, {"seed": 5, "workers": 1}, {"seed": 5, "workers": 3}):
        for (images, objects), (other_images, other_objects) in zip(reference, epochs_of(**options), strict=True):
            np.testing.assert_array_equal(images, other_images)
            np.testing.assert_array_equal(objects["boxes_xyxy"], other_objects["boxes_xyxy"])
    images, other = reference[0][0].numpy(), epochs_of(seed=6)[0][0].numpy()
    assert (images != other).any()


@pytest.mark.parametrize(("augmentation", "flip"), [("crop", 0.5), ("shift", 0.5), ("none", 0.0)])
def test_augmentations(augmentation, flip):
    matrices = [objects["image_to_input"] for _, objects in epochs_of(augmentation=augmentation, flip=flip)]
    zooms = np.abs(np.concatenate(matrices)[:, 0, 0])
    assert (np.ptp(zooms) > 0.1) == (augmentation != "none")


def test_limit():
    dataset = load_dataset(build_shapes(size=9), "val", input_size=64, batch_size=4, limit=5)
    assert ids_of(dataset) == [[0, 1, 2, 3], [4]]


def test_more_objects_than_rows_keeps_the_largest_in_their_order():
    boxes = [(0, 0, 2, 2), (5, 5, 15, 15), (9, 9, 10, 10), (20, 5, 29, 15)]
    source = source_of([boxes, boxes[:1], boxes])
    message = (
        "2 image(s) with more than max_objects = 2 objects, only the largest are kept (raise max_objects); "
        "first: 0.png with 4"
    )
    with pytest.warns(DataWarning, match=re.escape(message)):
        dataset = load_dataset(source, "val", input_size=64, batch_size=3, max_objects=2)
    _, objects = next(iter(dataset))
    np.testing.assert_allclose(objects["areas"], [[100, 90], [4, 0], [100, 90]])
    assert objects["mask"].numpy().tolist() == [[True, True], [True, False], [True, True]]


def test_hidden_regions_make_room_for_objects():
    boxes = [(0, 0, 50, 30), (1, 1, 5, 5), (0, 0, 60, 40), (2, 2, 4, 4), (3, 3, 40, 40)]
    table = build_annotations(
        ["a"],
        [(0, *box, 0, False, False, None) for box in boxes],
        image_hw=[(40, 60)],
        fields={"is_hidden": np.array([True, False, True, False, True])},
    )
    source = source_from_annotations("s", ("thing",), table, lambda i: np.zeros((40, 60, 3), np.uint8))

    def kept(max_objects):
        with pytest.warns(DataWarning, match="more than max_objects"):
            _, objects = next(
                iter(load_dataset(source, training=False, input_size=64, batch_size=1, max_objects=max_objects))
            )
        return objects["areas"][0].numpy().tolist()

    assert kept(1) == [16]
    assert kept(2) == [16, 4]
    assert kept(3) == [16, 2400, 4]  # the free row goes to the largest region
    assert kept(4) == [1500, 16, 2400, 4]


def test_images_without_objects_and_of_one_pixel():
    for split in ("train", "val"):
        images, objects = next(iter(load_dataset(source_of([[], []], (1, 1)), split, input_size=64, batch_size=2)))
        assert images.shape == (2, 64, 64, 3)
        assert not objects["mask"].numpy().any()
        assert objects["image_hw"].numpy().tolist() == [[1, 1], [1, 1]]


def test_batch_larger_than_the_data_set():
    message = (
        "set: batch_size 16 is more than its 3 images; the batch is the whole data set. Pass a batch_size of at most 3."
    )
    with pytest.warns(DataWarning, match=re.escape(message)):
        dataset = load_dataset(source_of([[]] * 3), "train", input_size=64)
    assert [len(ids) for ids in ids_of(dataset)] == [3]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ids_of(load_dataset(source_of([[]] * 3), "val", input_size=64)) == [[0, 1, 2]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"input_size": 100},
            "expected a positive multiple of 32 or a (height, width) pair of them, at most 16384, got 100; try 96.",
        ),
        ({"input_size": 0}, "at most 16384, got 0."),
        ({"input_size": -64}, "at most 16384, got -64."),
        ({"input_size": (320, 100)}, "at most 16384, got (320, 100); try (320, 96)."),
        ({"input_size": (1, 2, 3)}, "at most 16384, got (1, 2, 3)."),
        ({"input_size": "512"}, "at most 16384, got '512'."),
        ({"batch_size": 0}, "batch_size: expected a whole number of at least 1, got 0."),
        ({"batch_size": 2.5}, "batch_size: expected a whole number of at least 1, got 2.5."),
        ({"max_objects": 0}, "max_objects: expected a whole number of at least 1, got 0."),
        ({"limit": 0}, "limit: expected a whole number of at least 1, got 0."),
        ({"workers": -1}, "workers: expected a whole number of at least 1, got -1."),
        ({"augmentation": "zoom"}, "zoom_half, none, got 'zoom'. Did you mean zoom_half?"),
        ({"augmentation": "mosaic"}, "augmentation: expected one of crop, shift, zoom_half, none, got 'mosaic'."),
        ({"flip": 2}, "flip: expected a number of at least 0 and at most 1, got 2."),
        ({"format": "pascal"}, f"format: expected one of {', '.join(FORMATS)}, got 'pascal'."),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(UserError, match=re.escape(message)):
        load_dataset("shapes", "val", **options)


def test_the_classes_of_a_source_cannot_change():
    source = source_of([[]])
    assert load_dataset(source, "val", classes=["thing"], input_size=64).classes == ("thing",)
    with pytest.raises(UserError, match=re.escape("classes: expected those of the source, ['thing'], got ['cat']")):
        load_dataset(source, "val", classes=["cat"])


@pytest.mark.parametrize(
    "data", ["shapes", source_of([[]]), ([np.zeros((8, 8, 3), "uint8")], {"boxes": [[]], "labels": [[]]})]
)
def test_one_string_is_no_list_of_classes(data):
    with pytest.raises(UserError, match=re.escape("classes: expected a list of names, such as [\"cat\"], got 'cat'")):
        load_dataset(data, "val", classes="cat")


@pytest.mark.parametrize("reader", ["voc", "coco", "yolo"])
def test_folders_of_every_format_become_batches(reader, write_voc, write_coco, write_yolo):
    if reader == "voc":
        folder = write_voc({"a": [("cat", 5, 6, 25, 30)], "b": []})
    elif reader == "coco":
        folder = write_coco([{"image_id": 30, "category_id": 3, "bbox": [5, 6, 20, 24]}])
    else:
        folder = write_yolo({"a": f"0 {15 / 64} {18 / 48} {20 / 64} {24 / 48}", "b": None})
    _, objects = next(iter(load_dataset(folder, "train", training=False, input_size=64, batch_size=2)))
    assert objects["mask"].numpy().sum(axis=1).tolist() == [1, 0]
    # 64 x 48 in 64 x 64: eight black rows above the image.
    np.testing.assert_allclose(objects["boxes_xyxy"][0, 0], [5, 14, 25, 38], atol=1e-4)
    np.testing.assert_allclose(objects["areas"][0, 0], 480, rtol=1e-5)


def test_cut_off_image_is_skipped_or_stops(write_voc):
    folder = write_voc({stem: [("cat", 5, 6, 25, 30)] for stem in "abc"})
    path = folder / "JPEGImages" / "b.jpg"
    path.write_bytes(path.read_bytes()[:600])
    with pytest.warns(DataWarning, match="1 of 3 images skipped, file missing or unreadable; first: image .*b.jpg"):
        dataset = load_dataset(folder, "train", training=False, input_size=64)
    assert ids_of(dataset) == [[0, 2]]
    with pytest.raises(UserError, match=r"b.jpg: expected a complete file, got one cut off after 600 bytes"):
        load_dataset(folder, "train", input_size=64, strict=True)


def test_images_without_objects_are_left_out_of_training_alone():
    box = (5, 5, 30, 30)
    boxes = [[], [box], [], [box, (8, 8, 20, 25)], []]
    table = build_annotations(
        [f"{i}.png" for i in range(5)],
        [(i, *one, 0, False, False, None) for i, many in enumerate(boxes) for one in many],
        image_ids=[10, 11, 12, 13, 14],
    )
    source = source_from_annotations("set", ("thing",), table, lambda i: np.full((40, 60, 3), 10 * i, np.uint8))
    options = {"input_size": 64, "batch_size": 2, "empty_images": False, "augmentation": "none", "flip": 0.0}
    dataset = load_dataset(source, "train", **options)
    assert (dataset.source.size, dataset.cardinality()) == (2, 1)
    ((images, objects),) = dataset
    found = dict(zip(objects["image_id"].numpy().tolist(), images.numpy().max(axis=(1, 2, 3)).tolist(), strict=True))
    assert found == {11: 10, 13: 30}  # each with its own image
    assert sorted(objects["mask"].numpy().sum(axis=1).tolist()) == [1, 2]
    assert ids_of(load_dataset(source, "val", **options)) == [[10, 11], [12, 13], [14]]


def test_a_stream_does_not_know_its_empty_images():
    source = dataclasses.replace(build_shapes(size=3), without_empty=None)
    with pytest.raises(UserError, match=r"empty_images: .* is a stream, which does not know its empty images"):
        load_dataset(source, "train", input_size=64, empty_images=False)


@pytest.mark.slow
def test_shards_divide_every_epoch_between_them():
    def epochs(index):
        keras.utils.set_random_seed(0)  # as each process of a training run does
        part = load_dataset("shapes", input_size=32, batch_size=2, limit=9, seed=4, shard=(2, index))
        return [np.concatenate([objects["image_id"] for _, objects in part]) for _ in range(2)]

    first, second = epochs(0), epochs(1)
    for ours, theirs in zip(first, second, strict=True):
        assert len(ours) == len(theirs) == 4  # the ninth image is left for another epoch
        assert len(set(ours) | set(theirs)) == 8
    assert set(first[0]) != set(first[1])


def test_source_is_found_after_further_steps():
    data = load_dataset("shapes", "val", input_size=64, batch_size=2, limit=4)
    steps = data.take(1).map(lambda images, objects: (images, objects)).prefetch(1).with_options(tf.data.Options())
    assert origin.source_of(data) is origin.source_of(steps) is data.source
    assert origin.source_of(steps.concatenate(data.skip(1)).repeat()) is data.source
    assert origin.source_of(tf.data.Dataset.range(3)) is origin.source_of([1, 2]) is None


def test_the_task_can_be_an_object():
    task = dataclasses.replace(build_detection(("thing",)), name="things")
    data = load_dataset("shapes", "val", task=task, input_size=64, batch_size=2, limit=2)
    assert next(iter(data))[1]["mask"].shape == (2, 128)
    with pytest.raises(UserError, match="rotation: expected 0 for task things, which has no keypoints"):
        load_dataset("shapes", task=task, rotation=10)
