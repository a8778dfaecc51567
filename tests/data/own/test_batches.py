"""What `fit` passes to Keras for each kind of data container, without a network."""

import itertools
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_centernet import load_dataset
from keras_centernet.data.own.batches import OwnData
from keras_centernet.errors import UserError


def assert_batches(batches, images, ours):
    """Checks that the batches hold all images in order, with the objects `ours`."""
    pairs = list(batches)
    np.testing.assert_array_equal(np.concatenate([some for some, _ in pairs]), images)
    for key, values in ours.items():
        found = np.concatenate([objects[key] for _, objects in pairs])
        assert found.dtype == values.dtype
        np.testing.assert_allclose(found, values, rtol=1e-6, atol=1e-4, err_msg=key)


def test_arrays(detector, images, padded, ours):
    x, y, shuffles = OwnData(detector).for_keras(images, padded, "fit")
    assert x is images
    assert shuffles
    assert_batches([(x, y)], images, ours)
    x, y, _ = OwnData(detector).for_keras({"images": list(images), "bounding_boxes": padded}, None, "fit")
    assert_batches([(x, y)], images, ours)


def of_unknown_size(image):
    return tf.ensure_shape(tf.numpy_function(lambda array: array, [image], tf.uint8), (None, None, 3))


def dense(data):
    """The data without RaggedTensors, which padded_batch does not accept."""
    return data.map(lambda image, labels: (image, {key: value + 0 for key, value in labels.items()}))


TF_DATA = {
    "batch of ragged tensors": lambda data: data.batch(4),
    "ragged_batch": lambda data: data.ragged_batch(4),
    "padded_batch with zeros": lambda data: dense(data).padded_batch(4),
    "dicts as Keras' layers take them": lambda data: data.map(
        lambda image, labels: {"images": image, "bounding_boxes": labels}
    ).ragged_batch(4),
    "called classes, images of unknown size": lambda data: (
        dense(data)
        .map(lambda image, labels: (of_unknown_size(image), {"boxes": labels["boxes"], "classes": labels["labels"]}))
        .padded_batch(4, ((64, 64, 3), {"boxes": (None, 4), "classes": (None,)}))
        .map(lambda images, labels: (tf.map_fn(of_unknown_size, images), labels))
    ),
}


@pytest.mark.parametrize("way", TF_DATA)
def test_tf_data(way, detector, ragged, images, ours):
    x, y, shuffles = OwnData(detector).for_keras(TF_DATA[way](ragged), None, "fit")
    assert (y, shuffles) == (None, False)
    images_spec, objects_spec = x.element_spec
    assert images_spec.shape[1:] == (64, 64, 3)
    assert objects_spec["boxes_xyxy"].shape[1:] == (128, 4)
    for _ in range(2):
        assert_batches(x.as_numpy_iterator(), images, ours)


def test_py_datasets(detector, py_dataset, images, ours):
    x, y, shuffles = OwnData(detector).for_keras(py_dataset, None, "fit")
    assert (x.num_batches, y, shuffles) == (2, None, True)
    assert_batches(iter(x), images, ours)
    assert_batches([x[1], x[0]], np.roll(images, 3, axis=0), {key: np.roll(v, 3, axis=0) for key, v in ours.items()})


def test_a_py_dataset_is_told_of_epochs(detector, parts):
    class Batches(keras.utils.PyDataset):
        heard = ()
        num_batches = 2

        def __getitem__(self, index):
            return parts[index]

        def on_epoch_begin(self):
            self.heard += ("begin",)

        def on_epoch_end(self):
            self.heard += ("end",)

    batches = Batches(workers=3, use_multiprocessing=True, max_queue_size=5)
    x, _, _ = OwnData(detector).for_keras(batches, None, "fit")
    assert (x.workers, x.use_multiprocessing, x.max_queue_size, x.num_batches) == (3, True, 5, 2)
    x.on_epoch_begin()
    x.on_epoch_end()
    assert batches.heard == ("begin", "end")


def test_loaders_begin_again_at_batch_0(detector, loader, images, ours):
    x, y, shuffles = OwnData(detector).for_keras(loader, None, "fit")
    assert (x.num_batches, y, shuffles) == (2, None, False)
    x[0]
    for _ in range(2):
        assert_batches([x[0], x[1]], images, ours)


def test_a_loader_of_pytorch(detector, images, boxes, labels, ours):
    torch = pytest.importorskip("torch")
    examples = [
        (image, {"boxes": torch.tensor(some), "labels": torch.tensor(others)})
        for image, some, others in zip(images, boxes, labels, strict=True)
    ]
    loader = torch.utils.data.DataLoader(
        examples, batch_size=4, collate_fn=lambda batch: tuple(zip(*batch, strict=True))
    )
    x, _, _ = OwnData(detector).for_keras(loader, None, "fit")
    assert_batches([x[0], x[1]], images, ours)
    padded = [
        (image, {"boxes": torch.full((4, 4), -1.0), "labels": torch.full((4,), -1)}) for image in torch.tensor(images)
    ]
    for (_, known), some, others in zip(padded, boxes, labels, strict=True):
        known["boxes"][: len(some)], known["labels"][: len(some)] = torch.tensor(some), torch.tensor(others)
    x, _, _ = OwnData(detector).for_keras(torch.utils.data.DataLoader(padded, batch_size=6), None, "fit")
    assert_batches([x[0]], images, ours)


def test_generators_lose_no_batch(detector, parts, images, ours):
    x, _, _ = OwnData(detector).for_keras((part for part in parts), None, "fit")
    assert_batches(x, images, ours)


def test_data_in_our_own_form_are_passed_on_unchanged(detector, images, ours):
    dataset = tf.data.Dataset.from_tensors((images, ours))

    class Batches(keras.utils.PyDataset):
        num_batches = 1

        def __getitem__(self, index):
            return images, ours

    for x, y in ((dataset, None), (images, ours), (Batches(), None)):
        found = OwnData(detector).for_keras(x, y, "fit")
        assert found[0] is x
        assert found[1] is y
        assert not found[2]
    x, _, _ = OwnData(detector).for_keras(iter_of([(images, ours)] * 2), None, "fit")
    assert [objects is ours for _, objects in x] == [True, True]


def iter_of(batches):
    yield from batches


def test_validation_data_are_read_alike(detector, images, padded, ragged, ours):
    x, y = OwnData(detector).validation_for_keras((images, padded))
    assert_batches([(x, y)], images, ours)
    assert_batches(OwnData(detector).validation_for_keras(ragged.batch(4)).as_numpy_iterator(), images, ours)
    with pytest.raises(UserError, match=r"^validation_data: labels: expected class indices of 0 to 1"):
        OwnData(detector).validation_for_keras((images, padded | {"labels": padded["labels"] + 5}))


def test_data_padded_to_more_rows_than_usual_keep_them(detector, images, padded):
    wide = {key: np.concatenate([value] * 40, axis=1) for key, value in padded.items()}
    _, objects, _ = OwnData(detector).for_keras(images, wide, "fit")
    assert objects["mask"].shape == (6, 200)
    assert objects["mask"].sum() == 8 * 40


def test_a_box_format_is_refused_for_data_in_our_own_form(detector, images, ours):
    message = r"fit: bounding_box_format: expected None, as boxes_xyxy are in pixels of the input, got 'xywh'; rem"
    for x, y in ((images, ours), (tf.data.Dataset.from_tensors((images, ours)), None)):
        with pytest.raises(UserError, match=message):
            OwnData(detector, "xywh").for_keras(x, y, "fit")


def test_data_of_load_dataset_with_more_classes_than_the_model(detector):
    data = load_dataset("shapes", "val", input_size=64, batch_size=2, limit=2)
    message = r"fit: expected data of the model's 2 classes, got data with 4 \(circle, square, star, triangle\); build"
    with pytest.raises(UserError, match=message):
        OwnData(detector).for_keras(data.take(1), None, "fit")


def test_the_user_decides_about_shuffling(detector, images, padded, loader):
    for given in (True, False):
        assert OwnData(detector).for_keras(images, padded, "fit", given)[2] is given
    assert OwnData(detector).for_keras(loader, None, "fit", False)[2] is False
    message = "fit: shuffle: expected None with a loader, which shuffles itself, got True; remove it"
    with pytest.raises(UserError, match=message):
        OwnData(detector).for_keras(loader, None, "fit", True)


class Stream:
    def __iter__(self):
        return itertools.repeat(())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda ragged: ragged,
            r"fit: images: expected batches \(B, H, W, 3\), got single ones \(64, 64, 3\); dataset.ragged_batch",
        ),
        (
            lambda ragged: ragged.map(lambda image, labels: (of_unknown_size(image), labels)).ragged_batch(4),
            r"fit: images: expected batches \(B, H, W, 3\) of one size, got a RaggedTensor; resize them, or tell their",
        ),
        (lambda ragged: ragged.batch(4).take(0), "fit: images: expected at least one batch, got none."),
        (lambda ragged: (one for one in ()), "fit: images: expected at least one batch, got none."),
        (
            lambda ragged: Stream(),
            "fit: expected a loader with a length, which tells when an epoch ends, got one",
        ),
        (
            lambda ragged: ragged.map(lambda images, labels: (images, labels["labels"])).batch(4),
            r'fit: expected \(images, {"boxes", "labels"}\), got a tuple of 2',
        ),
    ],
)
def test_what_is_no_data(detector, ragged, make, message):
    with pytest.raises(UserError, match=message):
        OwnData(detector).for_keras(make(ragged), None, "fit")


@pytest.mark.parametrize("path", ["photos/", pathlib.PurePosixPath("photos")])
def test_a_path_is_refused_with_the_call_that_reads_it(path, detector):
    text, own = repr(str(path)), OwnData(detector)
    start = 'expected (images, {"boxes", "labels"}) or batches of them, got'
    with pytest.raises(UserError) as error:
        own.for_keras(path, None, "fit")
    assert str(error.value) == f"fit: {start} {text}; pass keras_centernet.load_dataset({text})."
    with pytest.raises(UserError) as error:
        own.for_keras(path, None, "evaluate")
    assert str(error.value) == f'evaluate: {start} {text}; pass keras_centernet.load_dataset({text}, "val").'
    with pytest.raises(UserError, match=r"^validation_data: .*load_dataset\(.photos/?., .val.\)"):
        own.validation_for_keras(path)


@pytest.mark.parametrize("container", ["tf.data", "loader"])
def test_a_mistake_in_a_later_batch_is_its_one_line(container, detector, ragged, parts):
    wrong = parts[0][0][:, :32], parts[0][1]
    own = OwnData(detector)
    if container == "tf.data":
        data = dense(ragged).padded_batch(3)
        data = data.concatenate(data.map(lambda images, labels: (images[:, :32], labels)))
        x, _, _ = own.for_keras(data, None, "fit")
    else:
        x, _, _ = own.for_keras([parts[0], wrong], None, "fit")
    with pytest.raises(UserError) as error, own.plain_errors():
        for _ in x:
            pass
    assert str(error.value).startswith("fit: images: expected the model's 64 x 64 pixels, got 32 x 64; resize")
