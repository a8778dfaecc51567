"""Order and random numbers depend only on seed and epoch, so any epoch can be made alone, from any step on."""

import numpy as np
import pytest
import tensorflow as tf

from keras_centernet.data import load_dataset
from keras_centernet.data.annotations import build_annotations
from keras_centernet.data.formats.shapes import build_shapes
from keras_centernet.data.passes import in_order, new_pass, numbered_passes, shuffled_indices
from keras_centernet.data.source import source_from_annotations
from keras_centernet.errors import UserError


def drawn(passes, count=10):
    """Returns the passes as one list of (index, seed)."""
    stream = passes.stream(shuffled_indices(count))
    return [(int(index), tuple(seed.tolist())) for index, seed in stream.as_numpy_iterator()]


def test_each_pass_is_a_permutation_with_a_seed_for_each_example():
    entries = drawn(numbered_passes(3, 10, 0, 4))
    epochs = [entries[i : i + 10] for i in range(0, 40, 10)]
    assert all(sorted(index for index, _ in epoch) == list(range(10)) for epoch in epochs)
    assert len({tuple(index for index, _ in epoch) for epoch in epochs}) == 4
    seeds = np.array([seed for _, seed in entries])
    assert len(np.unique(seeds[:, 0])) == len(np.unique(seeds[:, 1])) == 40
    # Augmentations add their choice's number to the second seed. No two streams may overlap.
    assert np.diff(np.sort(seeds[:, 1]).astype(float)).min() > 100


def test_an_epoch_does_not_depend_on_those_before_it():
    whole = drawn(numbered_passes(3, 10, 0, 4))
    assert drawn(numbered_passes(3, 10, 2, 4)) == whole[20:]
    assert drawn(numbered_passes(4, 10, 2, 4)) != whole[20:]


@pytest.mark.parametrize("skip", [0, 1, 7, 10])
def test_skipping_leaves_out_only_the_beginning_of_the_first_pass(skip):
    assert drawn(numbered_passes(3, 10, 1, 3, skip)) == drawn(numbered_passes(3, 10, 1, 3))[skip:]


def test_a_pass_ends_at_its_size():
    assert [index for index, _ in drawn(numbered_passes(3, 8, 0, 2))] == [
        index for i, (index, _) in enumerate(drawn(numbered_passes(3, 10, 0, 2))) if i % 10 < 8
    ]


def test_new_passes_differ_from_iteration_to_iteration_and_under_repeat():
    stream = new_pass(5, 10).stream(shuffled_indices(10))
    seeds = [tuple(seed.numpy().tolist()) for dataset in (stream, stream, stream.repeat(2)) for _, seed in dataset]
    assert len(set(seeds)) >= 30


@pytest.mark.parametrize("skip", [0, 6])
def test_shards_divide_the_passes_of_one_process_with_their_random_numbers(skip):
    whole = drawn(numbered_passes(3, 9, 0, 2, skip))
    parts = [drawn(numbered_passes(3, 9, 0, 2, skip, shard=(3, index))) for index in range(3)]
    assert [len(part) for part in parts] == [len(whole) // 3] * 3
    assert [entry for together in zip(*parts, strict=True) for entry in together] == whole


def test_shards_of_the_order_of_the_data_are_equally_large():
    parts = [in_order(8, shard=(3, index)).examples(shuffled_indices(8), lambda i: {"index": i}) for index in range(3)]
    found = [[int(example["index"]) for example in part] for part in parts]
    assert found == [[0, 3], [1, 4], [2, 5]]


@pytest.fixture(scope="module")
def dataset():
    return load_dataset(build_shapes(size=7), "train", input_size=64, batch_size=2, seed=9)


def assert_equal_batches(some, others):
    for (images, objects), (other_images, other_objects) in zip(some, others, strict=True):
        np.testing.assert_array_equal(images, other_images)
        tf.nest.map_structure(np.testing.assert_array_equal, objects, other_objects)


@pytest.mark.slow
def test_batches_of_an_epoch_are_the_same_wherever_training_begins(dataset):
    whole = list(dataset.for_epochs(0, 3))
    assert len(whole) == 9  # no batch mixes images of two epochs
    assert len({objects["image_id"].numpy().tobytes() for _, objects in whole}) > 3
    assert_equal_batches(dataset.for_epochs(1, 3, skip=2), whole[5:])
    again = load_dataset(build_shapes(size=7), "train", input_size=64, batch_size=2, seed=9, workers=2)
    assert_equal_batches(again.for_epochs(2, 3), whole[6:])
    assert again.for_epochs(2, 3).classes == dataset.classes


@pytest.mark.slow
def test_batches_of_shards_together_are_those_of_one_process(dataset):
    parts = [
        load_dataset(build_shapes(size=7), "train", input_size=64, batch_size=1, seed=9, shard=(2, index))
        for index in range(2)
    ]
    assert [part.cardinality() for part in parts] == [3, 3]
    for (images, _), *shares in zip(
        dataset.for_epochs(0, 2, 1), *(part.for_epochs(0, 2, 1) for part in parts), strict=True
    ):
        np.testing.assert_array_equal(images, np.concatenate([share for share, _ in shares]))


def test_an_epoch_of_fewer_steps_is_the_beginning_of_the_whole_one(dataset):
    short, whole = list(dataset.for_epochs(1, 3, steps=2)), list(dataset.for_epochs(1, 3))
    assert_equal_batches(short, whole[:2] + whole[3:5])


@pytest.mark.parametrize("shard", [(2, 2), (0, 0), (8, 0), (2,), (2, 0.5)])
def test_an_invalid_shard(shard):
    with pytest.raises(UserError, match=r"shard: expected \(n, i\) with 0 <= i < n <= 7, the number of images, got"):
        load_dataset(build_shapes(size=7), "train", input_size=64, batch_size=1, shard=shard)


def test_skipped_images_are_not_read():
    read = []

    def load(index):
        read.append(int(index))
        return np.zeros((32, 32, 3), np.uint8)

    table = build_annotations([f"{i}.png" for i in range(100)], [], image_hw=[(32, 32)] * 100)
    source = source_from_annotations("set", ("thing",), table, load)
    batches = load_dataset(source, "train", input_size=32, batch_size=2, workers=1).for_epochs(0, 1, skip=48)
    assert len(list(batches)) == 2
    assert len(read) == 4


def test_each_pass_over_the_plain_data_set_is_new(dataset):
    first, second = (np.concatenate([images for images, _ in dataset]) for _ in range(2))
    assert dataset.cardinality() == 3
    assert (first != second).any()


def test_only_training_sets_have_epochs():
    assert not hasattr(load_dataset(build_shapes(size=2), "val", input_size=64, batch_size=2), "for_epochs")
