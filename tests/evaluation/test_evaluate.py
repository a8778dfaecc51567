"""`evaluate`: from a model and batches to a report, with a model that knows the truth."""

import json

import numpy as np
import pytest

from keras_centernet.errors import DataWarning, UserError
from keras_centernet.evaluation import Report, evaluate
from keras_centernet.geometry import letterbox, transform_boxes

CLASSES = ("car", "dog")
INPUT_HW = (64, 96)
# image_hw and the objects (class, box in image pixels) of each image
SCENES = [
    ((128, 128), [(0, [10, 20, 60, 90]), (1, [64, 4, 127, 50])]),
    ((40, 200), [(1, [100, 5, 180, 35])]),
    ((300, 90), []),
]


class Batches(list):
    """A data set of few batches: a list with the attribute `classes`."""

    classes = CLASSES


def build_batch(scenes, first_id=0, max_objects=4):
    """One batch as load_dataset yields it. Images are black except for their id in one pixel."""
    count = len(scenes)
    objects = {
        "boxes_xyxy": np.zeros((count, max_objects, 4), np.float32),
        "classes": np.zeros((count, max_objects), np.int32),
        "mask": np.zeros((count, max_objects), bool),
        "is_crowd": np.zeros((count, max_objects), bool),
        "is_difficult": np.zeros((count, max_objects), bool),
        "areas": np.zeros((count, max_objects), np.float32),
        "image_id": np.arange(first_id, first_id + count),
        "image_hw": np.array([hw for hw, _ in scenes], np.int32),
        "image_to_input": np.stack([letterbox(hw, INPUT_HW) for hw, _ in scenes]).astype(np.float32),
    }
    for b, (hw, rows) in enumerate(scenes):
        for m, (index, box) in enumerate(rows):
            objects["boxes_xyxy"][b, m] = transform_boxes(box, letterbox(hw, INPUT_HW))
            objects["classes"][b, m] = index
            objects["mask"][b, m] = True
            objects["areas"][b, m] = (box[2] - box[0]) * (box[3] - box[1])
    images = np.zeros((count, *INPUT_HW, 3), np.uint8)
    images[:, 0, 0, 0] = objects["image_id"]
    return images, objects


def build_dataset():
    return Batches([build_batch(SCENES[:2]), build_batch(SCENES[2:], first_id=2)])


class Oracle:
    """Detects the true boxes, moved by `shift_xy` input pixels; padding rows have the score 0."""

    classes = CLASSES

    def __init__(self, dataset, shift_xy=(0, 0)):
        self.truth = {i: (objects, b) for _, objects in dataset for b, i in enumerate(objects["image_id"])}
        self.shift = np.tile(np.float32(shift_xy), 2)

    def detect_batch(self, images, top_k=100):
        rows = [self.truth[int(image[0, 0, 0])] for image in np.asarray(images)]
        return {
            "boxes_xyxy": np.stack([objects["boxes_xyxy"][b] for objects, b in rows]) + self.shift,
            "scores": np.stack([objects["mask"][b].astype(np.float32) for objects, b in rows]),
            "classes": np.stack([objects["classes"][b] for objects, b in rows]),
        }


def test_the_truth_scores_one():
    dataset = build_dataset()
    metrics = evaluate(Oracle(dataset), dataset).metrics
    names = ("AP", "AP50", "AP75", "AR100", "VOC07_mAP50", "VOC_mAP50")
    assert [metrics[name] for name in names] == [pytest.approx(1.0)] * 6
    assert metrics["per_class"] == {name: {"AP": pytest.approx(1.0), "AP50": pytest.approx(1.0)} for name in CLASSES}
    assert (metrics["images"], metrics["objects"]) == (3, 3)
    assert metrics["seconds"] >= metrics["seconds_network"] + metrics["seconds_metrics"]


def test_a_shift_costs_the_strict_thresholds_first():
    dataset = build_dataset()
    metrics = evaluate(Oracle(dataset, shift_xy=(6, 0)), dataset).metrics
    assert metrics["AP50"] > metrics["AP75"]
    assert 0 < metrics["AP"] < 1


def test_boxes_are_compared_in_original_pixels():
    dataset = build_dataset()
    report = evaluate(Oracle(dataset), dataset)
    expected = [[x1, y1, x2 - x1, y2 - y1] for _, rows in SCENES for _, (x1, y1, x2, y2) in rows]
    np.testing.assert_allclose([row["bbox"] for row in report.detections], expected, atol=1e-4)
    np.testing.assert_allclose([row["bbox"] for row in report.ground_truth["annotations"]], expected, atol=1e-4)
    assert [row["category_id"] for row in report.detections] == [1, 2, 2]


def test_detections_are_cut_at_the_image_unless_asked_otherwise():
    dataset = Batches([build_batch([((64, 96), [(0, [0, 0, 50, 50])])])])
    model = Oracle(dataset, shift_xy=(-10, 0))
    assert evaluate(model, dataset).detections[0]["bbox"] == [0, 0, 40, 50]
    assert evaluate(model, dataset, clip_boxes=False).detections[0]["bbox"] == [-10, 0, 50, 50]


def test_difficult_objects_count_for_coco_only_and_crowds_for_neither():
    images, objects = build_batch([((64, 96), [(0, [0, 0, 20, 20]), (0, [40, 0, 60, 20]), (0, [0, 40, 90, 60])])])
    objects["is_difficult"][0, 1] = True
    objects["is_crowd"][0, 2] = True
    dataset = Batches([(images, objects)])
    model = Oracle(Batches([build_batch([((64, 96), [(0, [0, 0, 20, 20])])])]))
    metrics = evaluate(model, dataset).metrics
    assert metrics["AR100"] == 0.5
    assert metrics["VOC_mAP50"] == 1.0


def test_what_is_found_in_a_hidden_region_is_neither_right_nor_wrong():
    real, region = [0, 0, 20, 20], [40, 0, 90, 60]
    inside, twice, outside = [50, 10, 70, 40], [52, 10, 72, 40], [4, 40, 30, 60]
    images, objects = build_batch([((64, 96), [(0, real), (0, region)])])
    objects["is_hidden"] = np.array([[False, True, False, False]])
    names = ("AP", "AR100", "VOC07_mAP50", "VOC_mAP50")
    for found, expected in (([real, inside, twice], 1.0), ([inside, twice], 0.0), ([real, inside, outside], 1.0)):
        model = Oracle(Batches([build_batch([((64, 96), [(0, box) for box in found])])]))
        metrics = evaluate(model, Batches([(images, objects)])).metrics
        assert [metrics[name] for name in names] == [pytest.approx(expected)] * 4, found
    wrong_first = Oracle(Batches([build_batch([((64, 96), [(0, outside), (0, real)])])]))
    assert evaluate(wrong_first, Batches([(images, objects)])).metrics["AP"] == pytest.approx(0.5)


def test_accepts_a_tf_dataset_also_after_take():
    import tensorflow as tf

    images, objects = build_batch(SCENES)
    dataset = tf.data.Dataset.from_tensor_slices((images, objects)).batch(2).take(2)
    assert evaluate(Oracle([(images, objects)]), dataset).metrics["AP"] == pytest.approx(1.0)


def test_shows_no_bar_where_stderr_is_no_terminal(capfd):
    evaluate(Oracle(build_dataset()), build_dataset())
    assert capfd.readouterr() == ("", "")


def test_table_is_aligned_and_shows_undefined_metrics_as_a_dash():
    metrics = dict.fromkeys(("AP", "AP50", "AP75", "APm", "APl", "AR1", "AR10", "AR100"), 0.5)
    metrics |= {"APs": None, "VOC07_mAP50": 0.25, "VOC_mAP50": 1.0, "images": 3}
    metrics |= {"seconds": 2.0, "seconds_network": 1.5, "seconds_metrics": 0.25}
    metrics["per_class"] = {"traffic light": {"AP": 0.5, "AP50": 0.75}, "cat": {"AP": None, "AP50": None}}
    assert Report(metrics).table() == (
        "metric       value\n"
        "-----------  -----\n"
        "AP           0.500\n"
        "AP50         0.500\n"
        "AP75         0.500\n"
        "APs              -\n"
        "APm          0.500\n"
        "APl          0.500\n"
        "AR1          0.500\n"
        "AR10         0.500\n"
        "AR100        0.500\n"
        "VOC07_mAP50  0.250\n"
        "VOC_mAP50    1.000\n"
        "\n"
        "class             AP   AP50\n"
        "-------------  -----  -----\n"
        "traffic light  0.500  0.750\n"
        "cat                -      -\n"
        "\n"
        "3 images in 2.0 s (network and decoding 1.5 s, metrics 0.2 s)"
    )


def test_save_writes_strict_json(tmp_path):
    dataset = Batches([build_batch([((64, 96), [])])])
    report = evaluate(Oracle(dataset), dataset)
    report.save(tmp_path / "metrics.json", command="evaluate")
    saved = json.loads((tmp_path / "metrics.json").read_text())
    assert saved == {**report.metrics, "command": "evaluate"}
    assert saved["AP"] is None


def test_the_precision_recall_curves_are_drawn(tmp_path):
    dataset = build_dataset()
    report = evaluate(Oracle(dataset, shift_xy=(8, 0)), dataset)
    report.draw_precision_recall(tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 5000


def nan_model():
    model = Oracle(build_dataset())
    model.shift = np.float32([np.nan, 0, 0, 0])
    return model


def endless():
    import tensorflow as tf

    dataset = tf.data.Dataset.from_tensor_slices(build_batch(SCENES)).batch(2).repeat()
    dataset.classes = CLASSES
    return dataset


class Renamed(Batches):
    classes = ("cat", "bus")


class Reordered(Batches):
    classes = ("dog", "bird", "car")


def test_classes_are_compared_by_their_names_and_others_left_out():
    """The same scenes with another data set's class numbers, and a bird, which the model does not know."""
    scenes = [(hw, [({0: 2, 1: 0}[index], box) for index, box in rows]) for hw, rows in SCENES]
    scenes[0][1].append((1, [0, 0, 9, 9]))
    others = Reordered([build_batch(scenes[:2]), build_batch(scenes[2:], first_id=2)])
    with pytest.warns(DataWarning, match="only common classes are measured; unknown to the model: bird"):
        report = evaluate(Oracle(build_dataset()), others)
    assert report.metrics["AP"] == pytest.approx(1.0)
    assert report.metrics["objects"] == 3
    assert set(report.metrics["per_class"]) == set(CLASSES)


def test_true_boxes_end_at_the_border_as_found_ones_do():
    """A perfect detector finds the visible part. If the truth were not cut, its overlap would be 40 / 70."""
    dataset = Batches([build_batch([((64, 96), [(0, [56, 0, 126, 50])])])])
    report = evaluate(Oracle(dataset), dataset)
    assert report.ground_truth["annotations"][0]["bbox"] == [56, 0, 40, 50]
    assert report.metrics["AP"] == pytest.approx(1.0)
    assert evaluate(Oracle(dataset), dataset, clip_boxes=False).ground_truth["annotations"][0]["bbox"] == [
        56,
        0,
        70,
        50,
    ]


@pytest.mark.parametrize(
    ("model", "dataset", "message"),
    [
        pytest.param(
            Oracle(build_dataset()),
            Batches(),
            "evaluate: expected at least one image, the data set is empty. Check its split.",
            id="empty data set",
        ),
        pytest.param(
            Oracle(build_dataset()),
            Renamed(build_dataset()),
            "evaluate: expected some of the model's classes, [car, dog], the data set has [cat, bus]; rename them by "
            "class_map of load_dataset.",
            id="other classes",
        ),
        pytest.param(
            Oracle(build_dataset()),
            Batches(build_dataset() * 2),
            "evaluate: expected every image once, got image_id 0 again. Remove repeat().",
            id="an image twice",
        ),
        pytest.param(
            Oracle(build_dataset()),
            [build_batch([((64, 96), [(0, [0, 0, 20, 20]), (2, [0, 0, 9, 9])])])],
            "evaluate: expected class indices below 2, the number of the model's classes, got 2. "
            "Pass classes=model.classes to load_dataset, or evaluate another model.",
            id="more classes, by a data set that names none",
        ),
        pytest.param(
            nan_model(),
            build_dataset(),
            "evaluate: expected finite boxes and scores, the model gave NaN or infinity for image_id 0. "
            "Its weights are probably broken; take an earlier checkpoint.",
            id="NaN from the model",
        ),
    ],
)
def test_bad_input_is_named(model, dataset, message):
    with pytest.raises(UserError) as error:
        evaluate(model, dataset)
    assert str(error.value) == message


def test_an_endless_data_set_is_refused():
    with pytest.raises(UserError) as error:
        evaluate(Oracle(build_dataset()), endless())
    assert str(error.value) == ("evaluate: expected a data set that ends, got an endless one. Remove repeat().")


def test_an_unwritable_path_is_named(tmp_path):
    report = evaluate(Oracle(build_dataset()), build_dataset())
    path = tmp_path / "no folder" / "metrics.json"
    with pytest.raises(UserError) as error:
        report.save(path)
    assert (
        str(error.value)
        == f"{path}: could not be written (No such file or directory). Free some space or name another path."
    )
