"""Training on records without their empty images: records of this package, of older versions, of others."""

import json

import pytest

from keras_centernet.data import load_dataset
from keras_centernet.data.formats.opening import read_source
from keras_centernet.data.formats.request import DataRequest
from keras_centernet.data.passes import new_pass, numbered_passes
from keras_centernet.data.records.reading import read_tfrecord
from keras_centernet.data.records.writing import write_tfrecords
from keras_centernet.errors import DataWarning, UserError

CAT = "0 0.5 0.5 0.2 0.2"
WITH_OBJECTS = {0, 3, 4, 7, 8, 10}


@pytest.fixture
def write(write_yolo, tmp_path):
    """write(who) -> records of 11 images in 3 files; who: "ours", "before" (a first version's) or "api"."""

    def write(who, marked=WITH_OBJECTS):
        folder = write_yolo({f"{i:02d}": CAT if i in marked else "" for i in range(11)})
        records = tmp_path / "records"
        write_tfrecords(read_source(folder, "train"), "train", records, 3)
        path = records / "dataset.json"
        if who == "api":
            path.unlink()
        if who == "before":
            content = json.loads(path.read_text())
            del content["category_ids"], content["splits"]["train"]["class_objects"]
            for shard in content["splits"]["train"]["shards"].values():
                del shard["with_objects"]
            path.write_text(json.dumps(content))
        return records

    return write


def ids_of(dataset):
    return [objects["image_id"].numpy().tolist() for _, objects in dataset]


def reader(records):
    """Returns a function: passes -> ids of the images with objects, in order."""
    source = read_tfrecord(DataRequest(records, "train"))
    assert source.size == 11
    source = source.without_empty()
    assert source.size == 6
    return lambda passes: [int(example["image_id"]) for example in source.examples(passes)]


@pytest.mark.slow
@pytest.mark.parametrize("who", ["ours", "before", "api"])
def test_epochs_have_only_images_with_objects(who, write):
    ids_in = reader(write(who))
    whole = ids_in(numbered_passes(0, 6, 0, 2, 0, (1, 0)))
    for epoch in (whole[:6], whole[6:], ids_in(new_pass(0, 6))):
        assert sorted(epoch) == sorted(WITH_OBJECTS)
    assert whole[:6] != whole[6:]


@pytest.mark.slow
@pytest.mark.parametrize("who", ["ours", *(pytest.param(who, marks=pytest.mark.slow) for who in ("before", "api"))])
def test_skipping_and_shards_give_parts_of_the_whole_epochs(who, write):
    ids_in = reader(write(who))
    whole = ids_in(numbered_passes(0, 6, 0, 2, 0, (1, 0)))
    assert ids_in(numbered_passes(0, 6, 1, 2, 2, (1, 0))) == whole[8:]
    assert [ids_in(numbered_passes(0, 6, 0, 2, 0, (2, i))) for i in range(2)] == [whole[::2], whole[1::2]]


@pytest.mark.slow
def test_batches_have_only_images_with_objects(write):
    data = load_dataset(write("ours"), "train", empty_images=False, input_size=32, batch_size=2)
    assert data.source.size == 6
    assert data.cardinality() == 3
    epochs = ids_of(data.for_epochs(0, 2))
    for epoch in (epochs[:3], epochs[3:], ids_of(data)):
        assert {i for batch in epoch for i in batch} == WITH_OBJECTS
    assert epochs[:3] != epochs[3:]
    assert ids_of(data.for_epochs(1, 2, skip=1)) == epochs[4:]


@pytest.mark.slow
def test_limit_and_a_data_service_count_only_images_with_objects(write):
    source = read_tfrecord(DataRequest(write("ours"), "train")).without_empty()
    assert [int(example["image_id"]) for example in source.examples(limit=3)] == [0, 3, 4]
    assert sorted(int(example["image_id"]) for example in source.service_examples()) == sorted(WITH_OBJECTS)


def test_evaluation_takes_all(write):
    data = load_dataset(write("ours"), "train", training=False, empty_images=False, input_size=32, batch_size=11)
    assert ids_of(data) == [list(range(11))]


def test_a_lost_file_keeps_its_number_of_images(write):
    records = write("ours")
    source = read_tfrecord(DataRequest(records, "train")).without_empty()
    (records / "train-00001-of-00003.tfrecord").unlink()
    with pytest.warns(DataWarning, match="became black and without objects"):
        ids = [int(example["image_id"]) for example in source.examples()]
    assert len(ids) == 6
    assert [i for i in ids if i >= 0] == [0, 7, 8, 10]


@pytest.mark.parametrize("who", ["ours", "api"])
def test_records_without_empty_images_stay_whole(who, write):
    assert read_tfrecord(DataRequest(write(who, marked=range(11)), "train")).without_empty().size == 11


@pytest.mark.filterwarnings("ignore::keras_centernet.errors.DataWarning")
def test_objects_that_are_skipped_do_not_count(write_records, tmp_path):
    corners = {"xmin": [0.1], "xmax": [0.5], "ymin": [0.1], "ymax": [0.5]}
    box = {f"image/object/bbox/{name}": values for name, values in corners.items()}
    empty = box | {"image/object/bbox/xmax": [0.1]}
    label = {"image/encoded": ["x"], "image/object/class/label": [1]}
    path = write_records(
        tmp_path / "a.tfrecord", [box | label, empty | label, box | label | {"image/object/class/label": [2]}, b"x"]
    )
    (tmp_path / "label_map.pbtxt").write_text("item { id: 1 name: 'dog' }")
    source = read_tfrecord(DataRequest(path, "train", val_share=0))
    assert (source.size, source.without_empty().size) == (4, 1)
    path = write_records(tmp_path / "a.tfrecord", [empty | label])
    with pytest.raises(
        UserError, match=r"a.tfrecord \(all\): expected objects to learn .* all 1 image\(s\) are without"
    ):
        load_dataset(path, "train", input_size=32, val_share=0)
