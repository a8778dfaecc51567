"""Which records belong to a split: its files or folder, or a part made by the image names."""

import gzip
import re

import numpy as np
import pytest

from keras_centernet import load_dataset
from keras_centernet.data.formats.opening import read_source, splits_of
from keras_centernet.data.records.writing import write_tfrecords
from keras_centernet.errors import DataWarning, UserError

CAT, DOG = ("cat", 5, 6, 25, 30), ("dog", 1, 2, 30, 40)
MAP = "item { name: 'dog', id: 1, display_name: 'dog' }\nitem { name: 'cat', id: 2 }"


def ids_of(source):
    return [int(example["image_id"]) for example in source.examples()]


def numbered(record, numbers, objects=(CAT, DOG)):
    return [
        record(
            objects[: 1 + i % 2], **{"image/source_id": [str(i)], "image/filename": [f"photo{i * 37 % 101:03d}.png"]}
        )
        for i in numbers
    ]


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["tfrecord", "tfrec", "records"])
def test_folders_by_split_with_a_label_map_in_each(suffix, record, write_records, tmp_path, capsys):
    for split, numbers in (("train", range(3)), ("valid", (3, 4)), ("test", (5,))):
        records = numbered(record, numbers)
        for one in records:
            labels = [{"dog": 1, "cat": 2}[name] for name in one.pop("image/object/class/text")]
            one["image/object/class/label"] = labels
        write_records(tmp_path / split / f"Cells.{suffix}", records)
        (tmp_path / split / "Cells_label_map.pbtxt").write_text(MAP)
    assert splits_of(tmp_path) == ("test", "train", "valid")
    assert ids_of(read_source(tmp_path, "train")) == [0, 1, 2]
    assert ids_of(read_source(tmp_path, "val")) == [3, 4]
    whole = read_source(tmp_path, "all")
    assert sorted(ids_of(whole)) == list(range(6))
    assert whole.classes == ("dog", "cat")
    assert f"{tmp_path} (train): 3 images, 4 objects of 2 classes (cat 3, dog 1)." in capsys.readouterr().out
    data = load_dataset(tmp_path, "val", input_size=32, batch_size=2)
    assert next(iter(data))[1]["mask"].numpy().sum() == 3


@pytest.mark.slow
def test_a_pool_is_split_by_the_names_of_its_images(record, write_records, tmp_path, capsys):
    for i in range(2):
        write_records(tmp_path / f"part-{i:05d}-of-00002", numbered(record, range(10 * i, 10 * i + 10)))
    assert splits_of(tmp_path) == ()
    assert len(ids_of(read_source(tmp_path, "all"))) == 20
    assert ids_of(read_source(tmp_path, "train", val_share=0)) == list(range(20))
    train, val = (read_source(tmp_path, split) for split in ("train", "val"))
    assert sorted(ids_of(train) + ids_of(val)) == list(range(20))
    assert val.size == pytest.approx(4, abs=1)
    assert (train.made_split, train.size, val.size) == (val.made_split, len(ids_of(train)), len(ids_of(val)))
    line = f"{tmp_path} (val, made by image names, val is {val.size} of 20 images): {val.size} images, "
    assert line in capsys.readouterr().out
    before = sorted(ids_of(val))
    # The split has the same images after the files have been renamed and reordered.
    (tmp_path / "part-00000-of-00002").rename(tmp_path / "other-00001-of-00002")
    (tmp_path / "part-00001-of-00002").rename(tmp_path / "other-00000-of-00002")
    assert sorted(ids_of(read_source(tmp_path, "val"))) == before


def test_a_made_split_can_be_made_again(record, write_records, tmp_path):
    path = write_records(tmp_path / "a.tfrecord", numbered(record, range(6)))
    names = [f"photo{i * 37 % 101:03d}.png" for i in range(6)]
    made = {"train": names[:2], "val": names[3:]}
    with pytest.warns(DataWarning, match=r"1 image\(s\) left out, they are not in the split that was made before; "):
        source = read_source(path, "val", made_split=made)
    assert ids_of(source) == [3, 4, 5]
    assert source.made_split == made


@pytest.mark.slow
def test_a_part_of_a_split_is_held_out(record, write_records, tmp_path):
    write_records(tmp_path / "train.tfrecord", numbered(record, range(10)))
    write_records(tmp_path / "test.tfrecord", numbered(record, range(10, 13)))
    with pytest.raises(UserError, match=re.escape("got 'val'. Pass holds_out='train' to hold a part of it out.")):
        read_source(tmp_path, "val")
    train, val = (read_source(tmp_path, split, holds_out="train") for split in ("train", "val"))
    assert sorted(ids_of(train) + ids_of(val)) == list(range(10))
    # The same holds for new records of this package.
    write_tfrecords(read_source(tmp_path, "train"), "train", tmp_path / "ours", 2)
    for split, reference in (("train", train), ("val", val)):
        again = read_source(tmp_path / "ours", split, holds_out="train")
        assert again.size == reference.size


@pytest.mark.slow
def test_epochs_of_a_part_hold_only_its_images_with_objects(record, write_records, tmp_path):
    records = numbered(record, range(16))
    for i in range(0, 16, 4):
        records[i] |= {key: [] for key in records[i] if "/object/" in key}
    path = write_records(tmp_path / "a.tfrecord", records)
    options = {"input_size": 32, "batch_size": 2}
    every, kept = (load_dataset(path, "train", empty_images=empty, **options).source for empty in (True, False))
    assert set(ids_of(kept)) == {i for i in ids_of(every) if i % 4}
    data = load_dataset(path, "train", empty_images=False, **options)
    seen = [objects["image_id"].numpy().tolist() for _, objects in data.for_epochs(0, 1)]
    assert set(np.ravel(seen)) <= set(ids_of(kept))


def test_records_without_any_object_are_refused(record, write_records, tmp_path):
    write_records(tmp_path / "train.tfrecord", numbered(record, range(2)))
    write_records(tmp_path / "val.tfrecord", [record(), record()])
    (tmp_path / "label_map.pbtxt").write_text(MAP)
    message = f"{tmp_path} (val): expected objects to learn from or to measure with, but all 2 image(s) are without"
    with pytest.raises(UserError, match=re.escape(message)):
        read_source(tmp_path, "val")


def test_boxes_in_pixels_are_refused(record, write_records, tmp_path):
    pixels = [("cat", *np.multiply(CAT[1:], [64, 48, 64, 48]))]
    path = write_records(tmp_path / "train.tfrecord", [record(), record(pixels)])
    message = f"{path}, record 2: expected boxes in fractions of the image (0 to 1), got pixels."
    with pytest.raises(UserError, match=re.escape(message)):
        read_source(tmp_path, "train")
    write_records(tmp_path / "train.tfrecord", [record([CAT]), record(pixels)])
    with pytest.warns(DataWarning, match=r"1 image\(s\) with boxes that are empty, outside or given twice"):
        assert read_source(tmp_path, "train").without_empty().size == 1


def test_records_of_other_tasks_are_named_with_what_they_have(write_records, tmp_path):
    path = write_records(
        tmp_path / "ld_train01-1338.tfrec", [{"image": [b"x"], "image_name": ["a.jpg"], "target": [2]}]
    )
    message = "expected an image in image/encoded, got none (keys: image, image_name, target); none of 1 file(s) holds"
    with pytest.raises(UserError, match=re.escape(f"{path}, record 1: {message}")):
        read_source(tmp_path, "train")


def test_compressed_files_are_refused(tmp_path):
    (tmp_path / "train.tfrecord.gz").write_bytes(gzip.compress(b"x"))
    with pytest.raises(
        UserError, match=r"train.tfrecord.gz: expected uncompressed records, got a file that is compressed"
    ):
        read_source(tmp_path, "train")
