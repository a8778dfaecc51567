import numpy as np
import pytest

from keras_centernet.data.annotations import build_annotations
from keras_centernet.data.passes import new_pass
from keras_centernet.data.source import source_from_annotations
from keras_centernet.errors import DataWarning, UserError

SCHEMA = {
    "image": np.uint8,
    "boxes_xyxy": np.float32,
    "classes": np.int32,
    "is_crowd": np.bool_,
    "is_difficult": np.bool_,
    "areas": np.float32,
    "image_id": np.int64,
}


def source_of(count, load_image=None):
    rows = [(i, j, j, j + 2, j + 3, 0, False, False, None) for i in range(count) for j in range(i)]
    table = build_annotations(
        [f"{i}.png" for i in range(count)], rows, image_ids=range(100, 100 + count), image_hw=[(40, 60)] * count
    )
    return source_from_annotations(
        "set", ("thing",), table, load_image or (lambda i: np.full((40, 60, 3), i, np.uint8))
    )


def test_schema(examples_of):
    for i, example in enumerate(examples_of(source_of(4))):
        assert {key: value.dtype for key, value in example.items()} == SCHEMA
        assert example["boxes_xyxy"].shape == (i, 4)
        assert example["image_id"] == 100 + i
        assert (example["image"] == i).all()


def test_shuffled_passes_differ_but_repeat_with_the_seed():
    def epochs(seed):
        dataset = source_of(12).examples(new_pass(seed, 12))
        return [[int(example["image_id"]) for example in dataset] for _ in range(2)]

    first, second = epochs(1)
    assert sorted(first) == sorted(second) == list(range(100, 112))
    assert first != second
    assert epochs(1) == [first, second]
    assert epochs(2) != [first, second]


@pytest.mark.parametrize(("limit", "count"), [(None, 5), (2, 2), (9, 5)])
def test_limit_takes_the_first_images(limit, count):
    assert source_of(5).examples(limit=limit).cardinality() == count
    dataset = source_of(5).examples(new_pass(0, count), limit=limit)
    assert sorted(int(example["image_id"]) for example in dataset) == list(range(100, 100 + count))


def test_file_damaged_during_training_becomes_black_and_is_counted(examples_of):
    def load_image(index):
        if index == 2:
            raise UserError("image 2.png: expected a readable file, got 'gone'")
        return np.full((40, 60, 3), 9, np.uint8)

    source = source_of(4, load_image)
    message = (
        r"1 image\(s\) became black and without objects, file damaged or gone .* so far; first: image 2.png: expected"
    )
    with pytest.warns(DataWarning, match=message):
        examples = examples_of(source)
    assert [len(example["classes"]) for example in examples] == [0, 1, 0, 3]
    assert not examples[2]["image"].any()


def test_empty_split():
    with pytest.raises(UserError, match=r"set: expected at least one image, got an empty split; choose another split."):
        source_of(0)
