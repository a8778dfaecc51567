"""Ids of images and categories: any JSON value is kept, told apart from others, and returned."""

import json

import numpy as np
import pytest

from keras_centernet.data.formats.opening import read_source
from keras_centernet.errors import DataWarning

HUGE = 2**63


def write(write_coco_file, tmp_path, image_ids, references, categories=(1, 2), category_ids=None):
    """Writes a file with one image per id, and one box per reference to an image; all boxes differ in width."""
    names = [f"{'abcdef'[i]}.jpg" for i in range(len(image_ids))]
    write_coco_file(
        tmp_path / "annotations" / "instances_train.json",
        names,
        tmp_path / "train",
        images=[{"id": key, "file_name": name} for key, name in zip(image_ids, names, strict=True)],
        annotations=[
            {"image_id": image, "category_id": category, "bbox": [1, 1, 10 + i, 10]}
            for i, (image, category) in enumerate(
                zip(references, category_ids or [categories[0]] * len(references), strict=True)
            )
        ],
        categories=[{"id": key, "name": name} for key, name in zip(categories, "xyz", strict=False)],
    )
    return tmp_path


def own_ids(source, examples):
    return [(source.own_image_ids or {}).get(int(e["image_id"]), int(e["image_id"])) for e in examples]


@pytest.mark.parametrize(
    "ids",
    [["img_a", "img_b"], [HUGE, HUGE + 1], [10**30, 1], [1, "1"], [1.5, 1], ["", 0], [-5, 7], ["ä", "a b"]],
    ids=str,
)
def test_ids_of_images_are_kept_apart_and_returned(ids, write_coco_file, tmp_path, examples_of):
    source = read_source(write(write_coco_file, tmp_path, ids, ids[::-1]), "train")
    examples = examples_of(source)
    assert own_ids(source, examples) == ids
    assert len({int(example["image_id"]) for example in examples}) == 2
    # The first annotation belongs to the second image and is ten pixels wide.
    assert [float(np.diff(example["boxes_xyxy"][0, [0, 2]])[0]) for example in examples] == [11, 10]
    assert json.loads(json.dumps(own_ids(source, examples))) == ids


@pytest.mark.parametrize(
    ("ids", "references", "count"),
    [([1, 2], ["1", "2"], 2), (["1", "2"], [1, 2], 2), ([1, "2"], [1, 2], 1), ([HUGE, 2], [str(HUGE), 2], 1)],
    ids=str,
)
def test_a_number_matches_the_same_id_written_as_text(ids, references, count, write_coco_file, tmp_path):
    folder = write(write_coco_file, tmp_path, ids, references)
    with pytest.warns(DataWarning, match=rf"{count} id\(s\) of another JSON type .*; first: .*image_id") as said:
        source = read_source(folder, "train")
    assert source.object_counts.tolist() == [1, 1]
    assert len(said) == 1


def test_a_number_with_a_decimal_point_is_the_same_id(write_coco_file, tmp_path):
    assert read_source(write(write_coco_file, tmp_path, [1, 2.0], [1.0, 2]), "train").object_counts.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("categories", "classes"),
    [
        (("b", "a"), ("x", "y")),  # texts keep their order in the file
        ((2, 1), ("y", "x")),
        (("10", "9"), ("y", "x")),  # texts that are numbers are sorted as numbers
        ((HUGE, 1), ("y", "x")),
        (("a", 1), ("y", "x")),
        ((1, "1"), ("x", "y")),
    ],
    ids=str,
)
def test_ids_of_categories(categories, classes, write_coco_file, tmp_path, examples_of):
    folder = write(write_coco_file, tmp_path, [1, 2], [1, 2], categories, category_ids=categories)
    source = read_source(folder, "train")
    assert source.classes == classes
    by_name = dict(zip("xy", categories, strict=True))
    assert source.category_ids == tuple(by_name[name] for name in classes)
    assert [source.classes[example["classes"][0]] for example in examples_of(source)] == ["x", "y"]


def test_category_id_of_another_type_is_found_and_reported(write_coco_file, tmp_path):
    folder = write(write_coco_file, tmp_path, [1, 2], [1, 2], (1, 2), category_ids=("1", "2"))
    with pytest.warns(DataWarning, match=r"2 id\(s\) of another JSON type .*; first: .*category_id '1' in entry 0 of"):
        assert read_source(folder, "train").category_ids == (1, 2)


def test_ids_of_all_splits_together(write_coco_file, tmp_path, examples_of):
    """Two files use the same image numbers."""
    for split in ("train", "val"):
        write_coco_file(tmp_path / "annotations" / f"instances_{split}.json", ("a.jpg", "b.jpg"), tmp_path / split)
    source = read_source(tmp_path, "all")
    examples = examples_of(source)
    assert len({int(example["image_id"]) for example in examples}) == 4
    assert own_ids(source, examples) == [0, 1, 0, 1]
