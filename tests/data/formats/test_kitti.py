"""KITTI's folders: what is trained, what is hidden, and what is wrong with a file."""

import re

import numpy as np
import pytest

from keras_centernet import UserError, load_dataset
from keras_centernet.data.formats.kitti import read_kitti
from keras_centernet.data.formats.kitti_labels import KittiObjects, read_kitti_file, write_kitti_file
from keras_centernet.data.formats.request import DataRequest
from keras_centernet.data.formats.table import FORMATS
from keras_centernet.errors import DataWarning
from keras_centernet.method.targets import encode_targets
from keras_centernet.tasks import TASKS

CAR = "Car 0.10 1 -1.50 100.00 50.00 160.00 90.00 1.50 1.60 3.90 -2.00 1.60 12.00 -1.60"
VAN = "Van 0.00 0 0.30 200.00 40.00 260.00 95.00 2.10 1.90 5.00 3.00 1.70 15.00 0.40"
SITTER = "Person_sitting 0.00 0 0.30 20.00 40.00 40.00 95.00 1.20 0.90 0.80 3.00 1.70 9.00 0.40"
REGION = "DontCare -1 -1 -10 300.00 60.00 340.00 80.00 -1 -1 -1 -1000 -1000 -1000 -10"
TRAM = "Tram 0.00 0 0.30 2.00 40.00 20.00 95.00 3.20 0.90 9.80 3.00 1.70 29.00 0.40"


def rows_of(source):
    (example,) = source.examples()
    return {key: value.numpy() for key, value in example.items()}


def test_a_car_with_its_third_dimension(write_kitti):
    example = rows_of(read_kitti(DataRequest(write_kitti({"000007": [CAR]}), "train")))
    assert example["image_id"] == 7
    np.testing.assert_array_equal(example["classes"], [1])  # Pedestrian, Car, Cyclist
    assert (example["is_crowd"].tolist(), example["is_hidden"].tolist()) == ([False], [False])
    np.testing.assert_allclose(example["boxes_xyxy"], [[100, 50, 160, 90]])
    np.testing.assert_allclose(example["dimensions_hwl"], [[1.5, 1.6, 3.9]])
    np.testing.assert_allclose(example["locations_xyz"], [[-2, 1.6, 12]])
    np.testing.assert_allclose([example["alphas"][0], example["rotations_y"][0]], [-1.5, -1.6])
    np.testing.assert_allclose(example["calibration"][1], [0, 720, 60, 0.2])


def test_the_table_names_all_fields(write_kitti):
    assert set(read_kitti(DataRequest(write_kitti({"000007": [CAR]}))).fields) == set(FORMATS["kitti"].fields)


def test_what_looks_like_a_class_is_hidden_and_the_rest_left_out(write_kitti):
    example = rows_of(read_kitti(DataRequest(write_kitti({"000001": [VAN, SITTER, REGION, TRAM]}), "all")))
    # The van hides among cars, the sitter among pedestrians, the region in every class.
    np.testing.assert_array_equal(example["classes"], [1, 0, 0, 1, 2])
    assert example["is_hidden"].all()
    assert not example["is_crowd"].any()


BEHIND = CAR.replace("12.00", "-3.00").replace("160.00", "140.00")
FLAT = CAR.replace("1.60 3.90", "0.00 3.90").replace("160.00", "150.00")
ZEROS = "Pedestrian 0 0 0 70 20 90 50 0 0 0 0 0 0 0"
UNKNOWN = "Cyclist 0 0 -1 20 20 60 50 -1 -1 -1 -1000 -1000 -1000 -10"


def test_objects_without_a_3d_box_are_hidden_in_3d_and_counted(write_kitti):
    folder = write_kitti({"000001": [CAR], "000002": [CAR, BEHIND, VAN, FLAT, ZEROS, UNKNOWN, REGION]})
    message = r"4 of 6 objects hidden, no 3D box in front of the camera, which this task needs; first: .*000002\.txt"
    with pytest.warns(DataWarning, match=message):
        source = read_kitti(DataRequest(folder, "train", fields=("locations_xyz", "dimensions_hwl", "alphas")))
    first, second = ({key: value.numpy() for key, value in example.items()} for example in source.examples())
    assert first["is_hidden"].tolist() == [False]
    assert second["is_hidden"].tolist() == [False, *[True] * 8]


def test_objects_without_a_3d_box_are_objects_in_2d(write_kitti):
    data = load_dataset(write_kitti({"000001": [CAR, ZEROS, UNKNOWN, REGION]}), "train", training=False, input_size=128)
    _, objects = next(iter(data))
    assert objects["is_hidden"][0, :7].numpy().tolist() == [False] * 3 + [True] * 3 + [False]  # the last is padding
    targets = encode_targets(TASKS["detection"].build(data.classes), objects, (32, 32))
    assert np.sum(np.asarray(targets["center_heatmap"]) == 1, axis=(0, 1, 2)).tolist() == [1, 1, 1]
    assert np.sum(targets["center_mask"]) == 3


def test_lists_of_frames_are_splits(write_kitti):
    folder = write_kitti({"000001": [CAR], "000002": []}, splits={"train": ["000001"], "val": ["000002"]})
    assert read_kitti(DataRequest(folder, "val")).size == 1
    assert len(rows_of(read_kitti(DataRequest(folder, "val")))["classes"]) == 0  # a frame without objects is legal
    with pytest.raises(UserError, match=r"expected a split of train, val, got 'test'; a list ImageSets/test\.txt"):
        read_kitti(DataRequest(folder, "test"))
    for path in (folder / "ImageSets").iterdir():
        path.unlink()
    with pytest.raises(UserError, match="expected a split of train, trainval, training, all, got 'val'"):
        read_kitti(DataRequest(folder, "val"))


def test_batches_hold_everything_that_the_task_needs(write_kitti):
    folder = write_kitti({"000001": [CAR, REGION]})
    data = load_dataset(folder, "train", task="detection_3d", input_size=(128, 416), batch_size=1)
    images, objects = next(iter(data))
    assert images.shape == (1, 128, 416, 3)
    assert objects["locations_xyz"].shape == (1, 50, 3)
    assert objects["calibration"].shape == (1, 3, 4)
    assert objects["is_zoomed"].shape == (1,)
    np.testing.assert_array_equal(objects["mask"][0, :5], [True, True, True, True, False])


def test_formats_without_a_third_dimension_say_so(write_voc):
    folder = write_voc({"a": [("cat", 1, 2, 30, 40)]})
    message = (
        "format voc has no locations_xyz, dimensions_hwl, alphas, which this task needs: expected one of tfrecord, "
        "kitti, tfds"
    )
    with pytest.raises(UserError, match=re.escape(message)):
        load_dataset(folder, task="detection_3d")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([CAR, "Car 0 0 1"], "000001.txt, line 2: expected 15 columns (or 16 with scores, in every line), got 4"),
        ([CAR.replace("12.00", "far")], "000001.txt, line 1: expected numbers after the type, got 'far'"),
    ],
)
def test_bad_labels_are_named_with_file_and_line(write_kitti, lines, message):
    with pytest.raises(UserError, match=re.escape(message)):
        read_kitti(DataRequest(write_kitti({"000001": lines}), "train"))


def test_a_frame_needs_its_calibration(write_kitti):
    folder = write_kitti({"000001": [CAR]}, calibration="P3: 1 2 3")
    with pytest.raises(UserError, match=r"000001\.txt: expected a line 'P2: \.\.\.' of 12 numbers, got none"):
        read_kitti(DataRequest(folder, "train"))
    (folder / "training" / "calib" / "000001.txt").unlink()
    with pytest.raises(UserError, match=r"000001\.txt: expected a calibration file, it cannot be read"):
        read_kitti(DataRequest(folder, "train"))


def test_result_files_hold_two_decimals(tmp_path, rng):
    objects = KittiObjects(
        types=("Car", "Cyclist"),
        boxes_xyxy=rng.uniform(0, 900, (2, 4)),
        alphas=rng.uniform(-3, 3, 2),
        dimensions_hwl=rng.uniform(1, 4, (2, 3)),
        locations_xyz=rng.uniform(-9, 40, (2, 3)),
        rotations_y=rng.uniform(-3, 3, 2),
        truncations=np.zeros(2),
        occlusions=np.zeros(2, int),
        scores=np.array([0.9, 0.25]),
    )
    write_kitti_file(tmp_path / "000003.txt", objects)
    first = (tmp_path / "000003.txt").read_text().split("\n")[0].split()
    assert first[:3] == ["Car", "0.0", "0"]
    assert all(len(word.partition(".")[2]) == 2 for word in first[3:])
    again = read_kitti_file(tmp_path / "000003.txt")
    assert again.types == objects.types
    for name in ("boxes_xyxy", "alphas", "dimensions_hwl", "locations_xyz", "rotations_y", "scores"):
        np.testing.assert_allclose(getattr(again, name), getattr(objects, name), atol=0.0051)
