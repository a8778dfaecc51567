"""Image ids: the numbers in the records, or made ones, all different and the same at every reading."""

import json

import numpy as np
import pytest

from keras_centernet import evaluate, load_dataset
from keras_centernet.data.formats.opening import read_source
from keras_centernet.data.records.writing import write_tfrecords
from tests.helpers.service_reading import service_examples

CAT = ("cat", 5, 6, 25, 30)


def named(record, *names, **more):
    return [record([CAT], **({"image/filename": [name]} if name else {}), **more) for name in names]


def ids_of(dataset):
    return [int(example["image_id"]) for example in dataset]


@pytest.mark.slow
def test_equal_names_are_told_apart_by_position(record, write_records, tmp_path):
    records = [*named(record, "a.png", "a.png", "b.png", ""), record([CAT], **{"image/source_id": ["7"]})]
    records += [record([CAT], **{"image/source_id": ["0"]})] * 2
    path = write_records(tmp_path / "train.tfrecord", records)
    source = read_source(path, "train")
    ids = ids_of(source.examples())
    assert ids_of(service_examples(source)) == sorted(ids)
    assert len(set(ids)) == 7
    assert ids[4] == 7
    assert min(ids) >= 0
    own = {image_id: source.own_image_ids.get(image_id) for image_id in ids}
    assert list(own.values()) == [
        "a.png (train.tfrecord, record 1)",
        "a.png (train.tfrecord, record 2)",
        "b.png",
        "train.tfrecord, record 4",
        None,
        "0 (train.tfrecord, record 6)",
        "0 (train.tfrecord, record 7)",
    ]
    # The ids stay the same after the folder has moved.
    (tmp_path / "moved").mkdir()
    path.rename(tmp_path / "moved" / path.name)
    assert ids_of(read_source(tmp_path / "moved", "train").examples()) == ids


@pytest.mark.slow
def test_equal_names_do_not_change_the_order_of_epochs(record, write_records, tmp_path):
    def order(names):
        values = [record([CAT], value=10 * i, **{"image/filename": [name]}) for i, name in enumerate(names)]
        data = load_dataset(
            write_records(tmp_path / "train.tfrecord", values),
            "train",
            input_size=32,
            batch_size=2,
            augmentation="none",
        )
        return [images.numpy()[:, 16, 16, 0].tolist() for images, _ in data.for_epochs(1, 3, skip=1)]

    assert order(["same.png"] * 8) == order([f"{i}.png" for i in range(8)])


def test_evaluation_measures_each_of_several_images_of_one_name(record, write_records, tmp_path, tiny_model):
    path = write_records(tmp_path / "val.tfrecord", named(record, "a.png", "a.png", "", ""))
    data = load_dataset(path, "val", input_size=64, batch_size=2, classes=("cat", "dog"))
    assert evaluate(tiny_model(), data, progress=False).metrics["images"] == 4


OWN = ["x", 5, "5", 2**70, 1.5, "7", "ä", "\ud800", -3]


def test_own_ids_of_any_kind_are_kept_through_records(write_image, tmp_path):
    images, annotations = [], []
    for i, own in enumerate(OWN):
        write_image(tmp_path / "coco" / "train" / f"{i}.png")
        images.append({"id": own, "file_name": f"{i}.png", "height": 48, "width": 64})
        annotations.append({"id": i, "image_id": own, "category_id": 1, "bbox": [i, 2, 20, 30]})
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "cat"}]}
    (tmp_path / "coco" / "annotations").mkdir()
    (tmp_path / "coco" / "annotations" / "instances_train.json").write_text(json.dumps(content))

    source = read_source(tmp_path / "coco", "train")
    write_tfrecords(source, "train", tmp_path / "records", 2)
    again = read_source(tmp_path / "records", "train")
    write_tfrecords(again, "train", tmp_path / "once more", 1)
    for one in (source, again, read_source(tmp_path / "once more", "train")):
        examples = list(one.examples().as_numpy_iterator())
        own = [(one.own_image_ids or {}).get(int(e["image_id"]), int(e["image_id"])) for e in examples]
        assert own == OWN
        assert [type(value) for value in own] == [type(value) for value in OWN]
        np.testing.assert_allclose([e["boxes_xyxy"][0, 0] for e in examples], range(len(OWN)), atol=1e-4)
    # Without the description, only the ids' texts are left.
    (tmp_path / "once more" / "dataset.json").unlink()
    texts = read_source(tmp_path / "once more", "train").own_image_ids
    assert {"x", "ä", "1.5", str(2**70)} <= set(texts.values())


def test_numbers_stay_numbers(write_coco, tmp_path):
    cat = {"category_id": 3, "bbox": [5, 6, 20, 24]}
    source = read_source(write_coco([cat | {"image_id": 30}, cat | {"image_id": 7}]), "train")
    write_tfrecords(source, "train", tmp_path / "records", 1)
    again = read_source(tmp_path / "records", "train")
    assert ids_of(again.examples()) == [30, 7]
    assert again.own_image_ids is None
    assert "own_image_ids" not in json.loads((tmp_path / "records" / "dataset.json").read_text())["splits"]["train"]
