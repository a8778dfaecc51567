import sys

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_centernet.clock import Clock
from keras_centernet.data import load_dataset
from keras_centernet.data.formats.request import DataRequest
from keras_centernet.data.formats.tfds import read_tfds
from keras_centernet.data.source import load_encoded
from keras_centernet.errors import DataWarning, UserError

pytestmark = pytest.mark.filterwarnings("ignore::keras_centernet.errors.DataWarning")


@pytest.fixture
def mock_data(monkeypatch):
    """TensorFlow Datasets with mocked data. The mock cannot skip decoding, so its images are encoded again."""
    tfds = pytest.importorskip("tensorflow_datasets", reason="the extra [tfds] is not installed")
    with tfds.testing.mock_data(num_examples=5):
        decoded = tfds.core.DatasetBuilder.as_dataset

        def as_dataset(builder, *, decoders=None, **options):
            dataset = decoded(builder, **options)
            if not isinstance((decoders or {}).get("image"), tfds.decode.SkipDecoding):
                return dataset
            return dataset.map(lambda entry: {**entry, "image": tf.io.encode_png(entry["image"])})

        monkeypatch.setattr(tfds.core.DatasetBuilder, "as_dataset", as_dataset)
        yield tfds
        monkeypatch.undo()


def test_skip_decoding_gives_the_bytes_of_the_file(rng):
    tfds = pytest.importorskip("tensorflow_datasets", reason="the extra [tfds] is not installed")
    features = tfds.features.FeaturesDict({"image": tfds.features.Image(encoding_format="jpeg")})
    image = cv2.resize(rng.integers(0, 256, (6, 8, 3), np.uint8), (64, 48))
    stored = features.serialize_example(features.encode_example({"image": image}))
    encoded = features.deserialize_example(stored, decoders={"image": tfds.decode.SkipDecoding()})["image"]
    images = tf.data.Dataset.from_tensors(encoded).map(lambda image: load_encoded(Clock())("place", image))
    ours, is_loaded = images.get_single_element()
    theirs = features.deserialize_example(stored)["image"].numpy()
    assert is_loaded
    assert np.abs(ours.numpy().astype(int) - theirs).mean() < 2  # TensorFlow uses the fast inverse DCT


@pytest.mark.slow
def test_skipped_images_are_not_decoded(mock_data, monkeypatch):
    decoded = []
    monkeypatch.setattr(
        "keras_centernet.data.source.decode_image", lambda *_, **__: decoded.append(1) or np.zeros((9, 9, 3), np.uint8)
    )
    dataset = load_dataset("voc/2007", "train", input_size=64, batch_size=1)
    assert len(list(dataset.for_epochs(0, 1, skip=3))) == len(decoded) == 2


@pytest.mark.parametrize(("name", "classes"), [("coco/2017", 80), ("voc/2007", 20)])
@pytest.mark.parametrize(("split", "sizes"), [("train", [2, 2]), ("val", [2, 2, 1])])
def test_batches(name, classes, split, sizes, mock_data):
    dataset = load_dataset(name, split=split, input_size=64, batch_size=2, max_objects=60)
    assert len(dataset.classes) == classes
    assert dataset.source.size == 5
    batches = list(dataset)
    assert [images.shape[0] for images, _ in batches] == sizes
    for images, objects in batches:
        boxes = objects["boxes_xyxy"].numpy()[objects["mask"].numpy()]
        assert images.dtype == np.uint8
        assert (boxes[:, 2:] > boxes[:, :2]).all()
        assert (objects["classes"].numpy() < classes).all()


def test_boxes_become_pixels_xyxy(mock_data, examples_of):
    source = read_tfds(DataRequest("voc/2007", "train"))
    raw = list(mock_data.load("voc/2007", split="train").as_numpy_iterator())
    for example, entry in zip(examples_of(source), raw, strict=True):
        height, width = example["image"].shape[:2]
        y1, x1, y2, x2 = entry["objects"]["bbox"].T
        boxes = np.stack([x1 * width, y1 * height, x2 * width, y2 * height], axis=1)
        expected = boxes[(x2 > x1) & (y2 > y1)]
        np.testing.assert_allclose(example["boxes_xyxy"], expected[: len(example["boxes_xyxy"])], rtol=1e-6)
        np.testing.assert_array_equal(example["image"], entry["image"])


@pytest.mark.filterwarnings("always::keras_centernet.errors.DataWarning")
def test_empty_boxes_and_too_many_objects_are_counted(mock_data):
    with pytest.warns(DataWarning) as caught:
        list(load_dataset("coco/2017", split="val", input_size=64, max_objects=2))
    texts = [str(entry.message) for entry in caught]
    assert any(
        text.startswith("1 image(s) of coco/2017 with empty or repeated boxes, which are skipped") for text in texts
    )
    assert any(text.startswith("1 image(s) with more than max_objects = 2 objects") for text in texts)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 7])  # TensorFlow's global seed, which training sets
def test_an_epoch_is_the_same_wherever_training_begins(seed, mock_data):
    keras.utils.set_random_seed(seed)
    dataset = load_dataset("voc/2007", "train", input_size=64, batch_size=2)
    ids = [objects["image_id"].numpy().tolist() for _, objects in dataset.for_epochs(0, 3)]
    assert len(ids) == 6
    assert ids[:2] != ids[2:4]
    assert [objects["image_id"].numpy().tolist() for _, objects in dataset.for_epochs(1, 3, skip=1)] == ids[3:]


def test_limit(mock_data, examples_of):
    assert len(examples_of(read_tfds(DataRequest("voc/2007", "train")), limit=2)) == 2
    assert load_dataset("voc/2007", split="val", limit=3, input_size=64).cardinality() == 1


def test_unknown_name(mock_data):
    with pytest.raises(UserError, match="expected the name of a TensorFlow Datasets data set, got 'no_such_set'"):
        read_tfds(DataRequest("no_such_set", "train"))


def test_data_set_without_boxes(mock_data):
    with pytest.raises(UserError, match=r"mnist: expected a data set with 'image' and 'objects' .bbox, label., got"):
        read_tfds(DataRequest("mnist", "train"))


def test_other_classes_are_left_out(mock_data, examples_of):
    with pytest.warns(DataWarning, match=r"19 class.es. of voc/2007 .train. left out"):
        persons = read_tfds(DataRequest("voc/2007", "train", classes=("person",)))
    assert persons.classes == ("person",)
    assert all(not example["classes"].any() for example in examples_of(persons))
    with pytest.raises(UserError, match=r"voc/2007 .train.: expected objects of the classes .Person., got only others"):
        read_tfds(DataRequest("voc/2007", "train", classes=("Person",)))
    assert read_tfds(DataRequest("voc/2007", "train", class_map={"person": "human"})).classes[14] == "human"


def test_missing_extra_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(UserError, match=r'which is not installed. Run `pip install "keras_centernet\[tfds\]"'):
        read_tfds(DataRequest("coco/2017", "train"))


@pytest.mark.slow
def test_kitti_has_its_third_dimension_and_counts_rows_from_the_top(mock_data, examples_of):
    fields = ("locations_xyz", "dimensions_hwl", "alphas")
    source = read_tfds(DataRequest("kitti", "train", fields=fields))
    assert source.classes == ("Pedestrian", "Car", "Cyclist")
    assert tuple(source.fields) == (*fields, "is_hidden")
    raw = list(mock_data.load("kitti", split="train").as_numpy_iterator())
    types = mock_data.builder("kitti").info.features["objects"].feature["type"].names
    kept = 0
    for example, entry in zip(examples_of(source), raw, strict=True):
        height, width = example["image"].shape[:2]
        count = min(len(values) for values in entry["objects"].values())
        objects = {key: values[:count] for key, values in entry["objects"].items()}
        low, x1, high, x2 = objects["bbox"].T  # this data set counts rows from the bottom
        boxes = np.stack([x1 * width, (1 - high) * height, x2 * width, (1 - low) * height], axis=1)
        for i in range(len(example["classes"])):
            (place,) = np.flatnonzero(np.all(np.isclose(boxes, example["boxes_xyxy"][i], atol=1e-3), axis=1))[:1]
            kind = types[objects["type"][place]]
            np.testing.assert_allclose(example["locations_xyz"][i], objects["location"][place])
            assert kind not in ("Tram", "Misc")
            assert example["is_hidden"][i] == (kind in ("Van", "Truck", "Person_sitting"))
            kept += 1
    assert kept
    batches = load_dataset("kitti", task="detection_3d", input_size=(64, 96), batch_size=2, max_objects=60)
    _, batch = next(iter(batches))
    assert batch["alphas"].shape == (2, 60)


def test_data_sets_without_a_third_dimension_say_so(mock_data):
    with pytest.raises(UserError, match="voc/2007: expected objects with locations_xyz, got only"):
        read_tfds(DataRequest("voc/2007", "train", fields=("locations_xyz",)))
