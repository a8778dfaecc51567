"""KITTI's folders: layouts, classes, which objects are trained or hidden, and errors in a data set."""

import re

import numpy as np
import pytest

from keras_centernet import UserError, load_dataset
from keras_centernet.data.formats.opening import read_source
from keras_centernet.data.formats.table import FORMATS, find_format
from keras_centernet.errors import DataWarning

CAR = "Car 0.10 1 -1.50 100.00 50.00 160.00 90.00 1.50 1.60 3.90 -2.00 1.60 12.00 -1.60"
WALKER = "Pedestrian 0 0 0.2 20.00 40.00 40.00 95.00 1.70 0.90 0.80 3.00 1.70 9.00 0.40"
VAN = "Van 0.00 0 0.30 200.00 40.00 260.00 95.00 2.10 1.90 5.00 3.00 1.70 15.00 0.40"
SITTER = "Person_sitting 0.00 0 0.30 20.00 40.00 40.00 95.00 1.20 0.90 0.80 3.00 1.70 9.00 0.40"
REGION = "DontCare -1 -1 -10 300.00 60.00 340.00 80.00 -1 -1 -1 -1000 -1000 -1000 -10"
TRAM = "Tram 0.00 0 0.30 2.00 40.00 20.00 95.00 3.20 0.90 9.80 3.00 1.70 29.00 0.40"
# Boxes without a third dimension, as some tools write them.
ZEROS = "Pedestrian 0 0 0 70 20 90 50 0 0 0 0 0 0 0"
UNKNOWN = "Cyclist 0 0 -1 20 20 60 50 -1 -1 -1 -1000 -1000 -1000 -10"
BEHIND = CAR.replace("12.00", "-3.00").replace("160.00", "140.00")
FIELDS_3D = ("locations_xyz", "dimensions_hwl", "alphas")
ALL_3D = (*FIELDS_3D, "rotations_y", "truncations", "occlusions", "kitti_types", "is_hidden", "calibration")


@pytest.fixture
def write_frames(tmp_path, write_image):
    """write_frames(images folder, labels folder, {name: lines or None}, suffix) -> root; images are 120 x 400."""

    def write(images, labels, frames, suffix=".png"):
        for name, lines in frames.items():
            write_image(tmp_path / "data" / images / f"{name}{suffix}", (120, 400))
            path = tmp_path / "data" / labels / f"{name}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            if lines is not None:
                path.write_text("\n".join(lines) + "\n")
        return tmp_path / "data"

    return write


def rows_of(source):
    """{name of an image: [(class name, box, whether it is hidden)]}."""
    found = {}
    for name, example in zip(source.image_names, source.examples().as_numpy_iterator(), strict=True):
        names = [source.classes[i] for i in example["classes"]]
        boxes, hidden = example["boxes_xyxy"].tolist(), example["is_hidden"].tolist()
        found[name.rpartition("/")[2]] = list(zip(names, map(tuple, boxes), hidden, strict=True))
    return found


CAR_BOX, WALKER_BOX = (100, 50, 160, 90), (20, 40, 40, 95)


@pytest.mark.parametrize(
    ("images", "labels", "suffix"),
    [
        ("training/image_2", "training/label_2", ".png"),
        ("image_2", "label_2", ".jpg"),
        ("images", "labels", ".jpeg"),
        ("images", "label_2", ".BMP"),
        ("data", "labels", ".webp"),
        ("default/image_2", "default/label_2", ".png"),
    ],
)
def test_a_pool_in_any_layout(write_frames, images, labels, suffix):
    frames = {f"{i:06d}": [CAR] if i % 2 else [WALKER] for i in range(10)}
    folder = write_frames(images, labels, frames, suffix)
    assert find_format(folder) == "kitti"
    source = read_source(folder, "all")
    assert source.classes == ("Pedestrian", "Car", "Cyclist")
    rows = rows_of(source)
    assert len(rows) == 10
    assert rows[f"000003{suffix}"] == [("Car", CAR_BOX, False)]
    assert rows[f"000004{suffix}"] == [("Pedestrian", WALKER_BOX, False)]
    train, val = read_source(folder, "train"), read_source(folder, "val")
    assert (train.size, val.size) == (8, 2)
    assert not set(train.image_names) & set(val.image_names)


@pytest.mark.parametrize(
    "places",
    [
        {"train": ("train/image_2", "train/label_2"), "val": ("val/image_2", "val/label_2")},
        {"train": ("train/images", "train/labels"), "val": ("val/images", "val/labels")},
        {"train": ("images/train", "labels/train"), "val": ("images/val", "labels/val")},
        {"train": ("training/image_2", "training/label_2"), "val": ("validation/image_2", "validation/label_2")},
    ],
    ids=["KITTI's folders", "images and labels", "splits inside", "long names"],
)
def test_split_folders(write_frames, places):
    write_frames(*places["train"], {"000001": [CAR], "000002": [WALKER]})
    folder = write_frames(*places["val"], {"000001": [WALKER]})
    assert find_format(folder) == "kitti"
    assert rows_of(read_source(folder, "train"))["000001.png"] == [("Car", CAR_BOX, False)]
    assert rows_of(read_source(folder, "val")) == {"000001.png": [("Pedestrian", WALKER_BOX, False)]}
    assert read_source(folder, "all").size == 3


def test_lists_of_frames_are_splits(write_kitti):
    folder = write_kitti({"000001": [CAR], "000002": [], "000003": [WALKER]}, splits={"train": ["000001"]})
    (folder / "ImageSets" / "val.txt").write_text("training/image_2/000003.png\n'000002'\n")
    assert rows_of(read_source(folder, "train")) == {"000001.png": [("Car", CAR_BOX, False)]}
    # A frame without objects is legal.
    assert rows_of(read_source(folder, "val")) == {"000003.png": [("Pedestrian", WALKER_BOX, False)], "000002.png": []}
    assert read_source(folder / "training", "val").size == 2
    assert read_source(folder, "all").size == 3
    with pytest.raises(UserError, match="expected a split of train, val, or all, got 'test'"):
        read_source(folder, "test")


def test_the_benchmarks_test_images_have_no_labels(write_kitti, write_image):
    folder = write_kitti({"000001": [CAR]}, splits={"train": ["000001"], "test": ["000001"]})
    write_image(folder / "testing" / "image_2" / "000001.png")
    assert read_source(folder, "all").size == 1
    with pytest.raises(UserError, match="expected a split of train, or all, got 'test'"):
        read_source(folder, "test")


def test_a_split_of_frames_without_label_file_names_the_folder(write_kitti):
    folder = write_kitti({"000001": [CAR]}, splits={"train": ["000001"], "val": ["000007", "000008"]})
    message = f"val.txt: expected frames with a label file in {folder}/training/label_2, got none for 2 of them, first"
    with pytest.raises(UserError, match=re.escape(message)):
        read_source(folder, "val")


@pytest.mark.parametrize("listed", [True, False], ids=["list", "pool"])
def test_images_without_label_file_are_left_out_and_counted(write_kitti, listed):
    folder = write_kitti({"000001": [CAR], "000002": [CAR]}, splits={"train": ["000001", "000002"]} if listed else None)
    (folder / "training" / "label_2" / "000002.txt").unlink()
    with pytest.warns(DataWarning, match=r"1 image\(s\) left out, they have no label file; first: .*000002"):
        assert read_source(folder, "train").size == 1


def test_label_files_without_image_are_skipped_and_counted(write_kitti):
    folder = write_kitti({"000001": [CAR], "000002": [CAR]})
    (folder / "training" / "image_2" / "000002.png").unlink()
    with pytest.warns(DataWarning, match=r"1 of 2 images skipped, file missing.*000002\.png"):
        assert read_source(folder, "all").size == 1


# -- classes


def test_types_that_look_like_a_class_hide_objects_and_others_are_left_out(write_kitti):
    folder = write_kitti({"000001": [CAR, VAN, SITTER, REGION, TRAM]})
    with pytest.warns(DataWarning, match=r"1 object\(s\) left out, as published, .* first: .*object 5 \(Tram\)"):
        rows = rows_of(read_source(folder, "all"))["000001.png"]
    region = (300, 60, 340, 80)
    assert rows == [
        ("Car", CAR_BOX, False),
        ("Car", (200, 40, 260, 95), True),
        ("Pedestrian", (20, 40, 40, 95), True),
        *((name, region, True) for name in ("Pedestrian", "Car", "Cyclist")),
    ]


@pytest.mark.parametrize(
    ("options", "classes", "expected"),
    [
        ({"classes": ("Van", "Car")}, ("Van", "Car"), {"Van": [False, True], "Car": [False, True]}),
        ({"classes": ("Car",)}, ("Car",), {"Car": [False, True, True]}),
        (
            {"class_map": {"Van": "Car"}},
            ("Pedestrian", "Car", "Cyclist"),
            {"Car": [False, False, True], "Pedestrian": [True], "Cyclist": [True]},
        ),
        (
            {"class_map": {"Pedestrian": "person", "Cyclist": "person", "Car": "vehicle", "Van": "vehicle"}},
            ("person", "vehicle"),
            {"person": [True], "vehicle": [False, False, True]},
        ),
    ],
    ids=["a class of its own", "hidden where it is none", "joined", "renamed"],
)
def test_types_that_are_asked_for_are_classes(write_kitti, options, classes, expected):
    source = read_source(write_kitti({"000001": [CAR, VAN, REGION]}), "all", **options)
    assert source.classes == classes
    found = {}
    for name, _, is_hidden in rows_of(source)["000001.png"]:
        found.setdefault(name, []).append(is_hidden)
    assert {name: sorted(hidden) for name, hidden in found.items()} == expected


def test_own_types_are_classes(write_frames):
    helmet, hat = UNKNOWN.replace("Cyclist", "helmet"), UNKNOWN.replace("Cyclist", "hard hat").replace("60", "80")
    frames = {"a": [helmet, REGION], "b": [hat, VAN]}
    source = read_source(write_frames("images", "labels", frames), "all")
    assert source.classes == ("Van", "hard hat", "helmet")
    rows = rows_of(source)
    assert rows["a.png"][0] == ("helmet", (20, 20, 60, 50), False)
    assert [(name, hidden) for name, _, hidden in rows["a.png"][1:]] == [(name, True) for name in source.classes]
    assert rows["b.png"] == [("hard hat", (20, 20, 80, 50), False), ("Van", (200, 40, 260, 95), False)]


def test_classes_are_those_of_all_splits(write_kitti):
    frames = {"000001": [CAR], "000002": [UNKNOWN.replace("Cyclist", "helmet")]}
    folder = write_kitti(frames, splits={"train": ["000001"], "val": ["000002"]})
    assert read_source(folder, "train").classes == read_source(folder, "val").classes == ("Car", "helmet")


@pytest.mark.parametrize("kind", ["car", "CAR"])
def test_kittis_types_are_known_in_any_case(write_kitti, kind):
    folder = write_kitti({"000001": [CAR.replace("Car", kind), REGION.replace("DontCare", "dontcare")]})
    with pytest.warns(DataWarning, match=rf"2 object\(s\) whose type is written in another case .*1 \({kind}\)"):
        source = read_source(folder, "all")
    assert source.classes == ("Pedestrian", "Car", "Cyclist")
    assert rows_of(source)["000001.png"][0] == ("Car", CAR_BOX, False)


def test_types_in_another_case_are_classes_when_asked_for(write_kitti):
    source = read_source(write_kitti({"000001": [CAR.replace("Car", "car"), VAN]}), "all", classes=("car", "helmet"))
    assert source.classes == ("car", "helmet")
    assert [(name, hidden) for name, _, hidden in rows_of(source)["000001.png"]] == [("car", False), ("car", True)]


# -- the third dimension


def test_a_car_with_its_third_dimension(write_kitti):
    source = read_source(write_kitti({"000007": [CAR]}), "train", fields=FIELDS_3D)
    assert set(source.fields) == set(ALL_3D) == {*FORMATS["kitti"].fields, *FORMATS["kitti"].own_fields}
    (example,) = source.examples().as_numpy_iterator()
    assert example["image_id"] == 7
    assert (example["is_crowd"].tolist(), example["is_hidden"].tolist()) == ([False], [False])
    np.testing.assert_allclose(example["dimensions_hwl"], [[1.5, 1.6, 3.9]])
    np.testing.assert_allclose(example["locations_xyz"], [[-2, 1.6, 12]])
    np.testing.assert_allclose([example["alphas"][0], example["rotations_y"][0]], [-1.5, -1.6])
    np.testing.assert_allclose(example["calibration"][1], [0, 720, 60, 0.2])


def test_boxes_need_neither_calibration_nor_third_dimension(write_frames):
    source = read_source(write_frames("image_2", "label_2", {"000001": [ZEROS, UNKNOWN, BEHIND]}), "all")
    assert set(source.fields) == {"is_hidden"}
    assert [(name, hidden) for name, _, hidden in rows_of(source)["000001.png"]] == [
        ("Pedestrian", False),
        ("Cyclist", False),
        ("Car", False),
    ]


def test_objects_without_a_3d_box_are_hidden_in_3d_and_counted(write_kitti):
    folder = write_kitti({"000001": [CAR, BEHIND, VAN, ZEROS, UNKNOWN, REGION]})
    message = r"3 object\(s\) hidden, no 3D box in front of the camera, .* first: .*000001\.txt, object 2"
    with pytest.warns(DataWarning, match=message):
        rows = rows_of(read_source(folder, "all", fields=FIELDS_3D))["000001.png"]
    assert [hidden for _, _, hidden in rows] == [False, *[True] * 7]


def test_a_split_with_nothing_but_hidden_objects_says_why(write_kitti):
    folder = write_kitti({"000001": [ZEROS, UNKNOWN]})
    message = "all of its objects are hidden: 2 object(s) hidden, no 3D box in front of the camera"
    with pytest.raises(UserError, match=re.escape(message)), pytest.warns(DataWarning):
        read_source(folder, "train", fields=FIELDS_3D)
    with pytest.raises(UserError, match="all of its objects are hidden"):
        read_source(write_kitti({"000001": [REGION]}), "train")


def test_only_kittis_own_types_reach_kittis_metric(write_kitti):
    def fields(kind, **options):
        folder = write_kitti({"000001": [CAR.replace("Car", kind), VAN]})
        return set(read_source(folder, "all", fields=FIELDS_3D, **options).fields)

    without = set(ALL_3D) - {"kitti_types"}
    assert fields("Car") == fields("Car", classes=("Car", "Van")) == set(ALL_3D)
    assert fields("helmet") == fields("Car", class_map={"Car": "vehicle"}) == without


def test_batches_hold_everything_that_the_task_needs(write_kitti):
    folder = write_kitti({"000001": [CAR, REGION]})
    data = load_dataset(folder, "train", task="detection_3d", input_size=(128, 416), batch_size=1)
    images, objects = next(iter(data))
    assert images.shape == (1, 128, 416, 3)
    assert objects["locations_xyz"].shape == (1, 50, 3)
    assert objects["calibration"].shape == (1, 3, 4)
    assert objects["is_zoomed"].shape == (1,)
    np.testing.assert_array_equal(objects["mask"][0, :5], [True, True, True, True, False])
    np.testing.assert_array_equal(objects["is_hidden"][0, :5], [False, True, True, True, False])


def test_formats_without_a_third_dimension_say_so(write_voc):
    folder = write_voc({"a": [("cat", 1, 2, 30, 40)]})
    message = (
        "format voc has no locations_xyz, dimensions_hwl, alphas, which this task needs: expected one of tfrecord, "
        "kitti, tfds"
    )
    with pytest.raises(UserError, match=re.escape(message)):
        load_dataset(folder, task="detection_3d")


# -- damage


def test_a_bad_line_is_named_with_its_file(write_kitti):
    with pytest.raises(UserError, match=r"000001\.txt, line 2: expected numbers of at most 1e\+06 in size, got nan"):
        read_source(write_kitti({"000001": [CAR, CAR.replace("-1.50", "nan")]}), "train")


def test_a_frame_needs_its_calibration(write_kitti):
    folder = write_kitti({"000001": [CAR]}, calibration="P3: 1 2 3")
    with pytest.raises(UserError, match=r"000001\.txt: expected a line 'P2: \.\.\.' of 12 numbers, got none"):
        read_source(folder, "train", fields=FIELDS_3D)
    (folder / "training" / "calib" / "000001.txt").unlink()
    with pytest.raises(UserError, match=r"000001\.txt: expected a calibration file, it cannot be read"):
        read_source(folder, "train", fields=FIELDS_3D)


def test_a_folder_without_label_files_is_named(write_frames):
    folder = write_frames("image_2", "label_2", {"000001": None})
    with pytest.raises(UserError, match=r"label_2: expected label files \*\.txt, got none"):
        read_source(folder, "train")


def test_labels_of_other_formats_are_not_taken_for_kitti(write_frames):
    folder = write_frames("images", "labels", {"a": ["0 .5 .5 .2 .2"]})
    assert find_format(folder) == "yolo"
