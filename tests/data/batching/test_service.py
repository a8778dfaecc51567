"""Batches made by a tf.data service, whose processes do not import this package."""

import re
import socket

import numpy as np
import pytest

from keras_centernet import geometry
from keras_centernet.data import load_dataset
from keras_centernet.data.formats.opening import read_source
from keras_centernet.data.formats.shapes import build_shapes
from keras_centernet.data.inputs import Changes, build_training_input
from keras_centernet.data.records.writing import write_tfrecords
from keras_centernet.errors import UserError
from tests.helpers.graph_nodes import CALLS_TO_PYTHON, operations_of


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """(folder of records, 20 images in five files; the source that they come from)."""
    folder, source = tmp_path_factory.mktemp("records"), build_shapes(size=20, image_size=48)
    write_tfrecords(source, "train", folder, 5)
    return folder, source


@pytest.mark.slow
def test_an_epoch_is_every_image_once_and_epochs_differ(data_service, records):
    folder, source = records
    dataset = load_dataset(folder, "train", input_size=64, batch_size=4, data_service=data_service)
    assert dataset.cardinality() == 5
    truth = {int(example["image_id"]): example for example in source.examples().as_numpy_iterator()}
    orders, zooms = [], []
    for _ in range(2):
        batches = [(images.numpy(), {key: v.numpy() for key, v in objects.items()}) for images, objects in dataset]
        orders.append([int(i) for _, objects in batches for i in objects["image_id"]])
        zooms.append([round(abs(matrix[0, 0]), 3) for _, objects in batches for matrix in objects["image_to_input"]])
        for images, objects in batches:
            assert images.shape == (4, 64, 64, 3)
            for i, image_id in enumerate(objects["image_id"]):
                example, matrix = truth[int(image_id)], objects["image_to_input"][i]
                expected = geometry.warp(example["image"], matrix, (64, 64))
                assert np.abs(images[i].astype(int) - expected).mean() < 0.5
                boxes = geometry.transform_boxes(example["boxes_xyxy"], matrix)
                meets_input = ((boxes[:, 2:] > 0) & (boxes[:, :2] < 64)).all(axis=1)
                np.testing.assert_allclose(objects["boxes_xyxy"][i][objects["mask"][i]], boxes[meets_input], atol=1e-3)
    assert [sorted(order) for order in orders] == [list(range(20))] * 2
    assert orders[0] != orders[1]
    assert zooms[0] != zooms[1]
    assert len(set(zooms[0])) > 3


@pytest.mark.slow
def test_numbered_epochs_of_a_service_are_whole(data_service, records):
    dataset = load_dataset(records[0], "train", input_size=64, batch_size=4, data_service=data_service)
    epochs = [objects["image_id"].numpy().tolist() for _, objects in dataset.for_epochs(3, 5)]
    for epoch in (epochs[:5], epochs[5:]):
        assert sorted(np.ravel(epoch)) == list(range(20))
    with pytest.raises(UserError, match=r"data_service: expected no batches to skip, .* got 2\."):
        dataset.for_epochs(3, 5, skip=2)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data_service": "localhost:5000"}, "data_service: expected an address such as grpc://10.0.0.2:5000, got"),
        ({"data_service": "grpc://localhost"}, "data_service: expected an address such as grpc://10.0.0.2:5000, got"),
        ({"data_service": "grpc://localhost:x"}, "data_service: expected an address such as grpc://10.0.0.2:5000, got"),
        ({"data_service": "grpc://127.0.0.1:{port}"}, "expected a dispatcher that answers at grpc://127.0.0.1:"),
        ({"data_service": "grpc://127.0.0.1:1", "training": False}, "data_service: expected training=True; evaluation"),
        ({"data_service": "grpc://127.0.0.1:1", "shard": (2, 0)}, "data_service: expected no shard, as no seed fixes"),
        ({"data_service": "grpc://127.0.0.1:1", "limit": 3}, "limit: expected None with data_service, got 3"),
    ],
)
def test_mistakes(options, message, records):
    options = {key: v.format(port=free_port()) if isinstance(v, str) else v for key, v in options.items()}
    with pytest.raises(UserError, match=re.escape(message)):
        load_dataset(records[0], "train", input_size=64, batch_size=4, **options)


def test_the_service_takes_records_only():
    message = "shapes (train): expected records for data_service"
    with pytest.raises(UserError, match=re.escape(message)):
        load_dataset("shapes", "train", input_size=64, data_service="grpc://127.0.0.1:1")


@pytest.mark.slow
@pytest.mark.parametrize("input_hw", [(64, 64), (32, 96)])
def test_the_workers_graph_differs_only_by_rounding_and_calls_no_python(input_hw, records):
    source = read_source(records[0], "train")
    examples, changes = source.service_examples(), Changes("crop", flip=0.5)
    ours, theirs = (build_training_input(source, input_hw, changes, is_tensor)[0] for is_tensor in (True, False))
    assert not operations_of(examples.map(ours)) & CALLS_TO_PYTHON
    assert operations_of(examples.map(theirs)) & CALLS_TO_PYTHON
    for example in examples:
        found, expected = ours(example), theirs(example)
        assert np.abs(found["image"].numpy().astype(int) - expected["image"].numpy()).mean() < 0.5
        for key in expected.keys() - {"image"}:
            np.testing.assert_allclose(found[key], expected[key], atol=1e-3, err_msg=key)
