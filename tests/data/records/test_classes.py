"""Classes of records: chosen, renamed and merged, whichever program wrote the records."""

import dataclasses
import json

import pytest

from keras_centernet.data.formats.opening import read_source
from keras_centernet.data.records.writing import write_tfrecords
from keras_centernet.errors import DataWarning, UserError
from tests.helpers.service_reading import service_examples

OBJECTS = [
    [("Cat", 5, 6, 25, 30), ("car", 1, 2, 30, 40), ("truck", 1, 2, 30, 40)],
    [("truck", 9, 9, 20, 30)],
    [("Cat", 2, 2, 20, 20)],
]


@pytest.fixture(params=["ours", "before", "others"])
def records(request, record, write_records, tmp_path):
    """Records of the classes Cat, car and truck, written by this package, its first version or another program."""
    rows = [record(objects, **{"image/source_id": [str(i)]}) for i, objects in enumerate(OBJECTS)]
    path = write_records(tmp_path / "others" / "train.tfrecord", rows)
    if request.param == "others":
        return path.parent
    write_tfrecords(read_source(path, "train"), "train", tmp_path / "ours", 1)
    if request.param == "before":
        path = tmp_path / "ours" / "dataset.json"
        description = json.loads(path.read_text())
        del description["splits"]["train"]["class_objects"]
        path.write_text(json.dumps(description))
    return tmp_path / "ours"


by_service = pytest.mark.parametrize(
    "by_service", [False, pytest.param(True, marks=[pytest.mark.slow, pytest.mark.exhaustive])]
)


def names_of(source, by_service):
    examples = service_examples(source) if by_service else source.examples().as_numpy_iterator()
    return [[source.classes[i] for i in example["classes"]] for example in examples]


@pytest.mark.slow
@pytest.mark.parametrize("by_service", [False, True])
def test_all_of_them(by_service, records):
    source = read_source(records, "train")
    assert source.classes == ("Cat", "car", "truck")
    assert names_of(source, by_service) == [["Cat", "car", "truck"], ["truck"], ["Cat"]]


@pytest.mark.slow
@by_service
def test_some_of_them_in_another_order(by_service, records):
    with pytest.warns(DataWarning, match=r"left out, not among \[truck, bird\]; first: Cat"):
        source = read_source(records, "train", classes=("truck", "bird"))
    assert source.classes == ("truck", "bird")
    assert names_of(source, by_service) == [["truck"], ["truck"], []]
    assert source.without_empty().size == 2
    assert names_of(source.without_empty(), by_service) == [["truck"], ["truck"]]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.* left out, not among .vehicle, CAT.:keras_centernet.errors.DataWarning")
@by_service
def test_merged_and_renamed(by_service, records):
    source = read_source(records, "train", class_map={"car": "vehicle", "truck": "vehicle"})
    assert source.classes == ("Cat", "vehicle")
    # The car and the truck have the same box, so they become one vehicle.
    assert names_of(source, by_service) == [["Cat", "vehicle"], ["vehicle"], ["Cat"]]
    source = read_source(records, "train", classes=("vehicle", "CAT"), class_map={"car": "vehicle"}, ignore_case=True)
    assert names_of(source, by_service)[0] == ["CAT", "vehicle"]


def test_none_of_them(records):
    with pytest.raises(
        UserError, match=r"expected objects of the classes \[cat\], got only others: Cat.*; pass ignore"
    ):
        read_source(records, "train", classes=("cat",))


@pytest.mark.slow
def test_category_ids_follow_their_classes(records, tmp_path):
    source = dataclasses.replace(read_source(records, "train"), category_ids=(18, 3, "t"))
    write_tfrecords(source, "train", tmp_path / "numbered", 1)
    again = read_source(tmp_path / "numbered", "train", class_map={"Cat": "cat"})
    assert (again.classes, again.category_ids) == (("cat", "car", "truck"), (18, 3, "t"))
    again = read_source(tmp_path / "numbered", "train", classes=("truck", "bird", "Cat", "car"))
    assert again.category_ids == ("t", None, 18, 3)
