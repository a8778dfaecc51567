"""The report about an exported file, and the differences that are refused."""

import json

import numpy as np
import pytest

from keras_centernet import UserError, evaluate, load_dataset
from keras_centernet.exporting import PRECISIONS, TFLiteDetector, agreement, verify
from keras_centernet.exporting.agreement import Opened, compare
from keras_centernet.exporting.verifying import check_tolerance
from tests.exporting.conftest import MOBILE

SAME = {
    "images": 3,
    "compared": "detections",
    "detections": 40,
    "missed": 0,
    "added": 0,
    "mean_iou": 1.0,
    "box_pixels": 0.0,
    "box_pixels_p98": 0.0,
    "score": 0.0,
    "others": 0.0,
    "same_classes": True,
    "heads": {"center_heatmap": 1.0, "size": 1.0},
    "head_differences": {"center_heatmap": 0.0, "size": 0.0},
}


def test_report_is_plain_and_complete(export_once, drawn):
    model, path = export_once("int8")
    report = json.loads(json.dumps(verify(model, path, drawn[:2], precision="int8")))
    assert report.keys() == {"size_bytes", "operators", "agreement", "latency_ms"}
    assert report["size_bytes"] == path.stat().st_size
    assert report["operators"]["TRANSPOSE_CONV"] == 3
    assert report["operators"]["DEQUANTIZE"] == 3
    assert report["latency_ms"] > 0
    assert report["agreement"].keys() == SAME.keys()


def test_correlations_are_those_of_the_maps(export_once, drawn):
    """The reference is the raw file's output, which comes from the same network."""
    model, raw = export_once("int8", "int8")
    found = agreement(model, export_once("int8")[1], drawn[:3])["heads"]
    theirs = [TFLiteDetector(raw).run(image) for image in drawn[:3]]
    for name, ours in model(drawn[:3], training=False).items():
        expected = np.corrcoef(np.ravel(ours), np.concatenate([np.ravel(maps[name]) for maps in theirs]))[0, 1]
        assert abs(found[name] - expected) < 2e-3, name


@pytest.mark.slow
def test_a_changed_head_shows_in_boxes_and_correlation(export_once, tiny_model, drawn):
    path = export_once()[1]
    other = tiny_model(MOBILE, input_size=(64, 96))
    kernel = other.network.get_layer("offset").kernel
    kernel.assign(-kernel)
    found = agreement(other, path, drawn[:2])
    assert found["box_pixels"] > 0.1
    assert found["heads"]["offset"] < -0.99
    assert found["heads"]["size"] > 0.9999


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"missed": 20}, "missed of at most"),
        ({"added": 20}, "added of at most"),
        (
            {"heads": {"center_heatmap": 0.2}, "head_differences": {"center_heatmap": 0.3}},
            "correlation of center_heatmap of at least",
        ),
        (
            {"heads": {"center_heatmap": np.nan}, "head_differences": {"center_heatmap": np.nan}},
            "correlation of center_heatmap of at least",
        ),
        ({"mean_iou": 0.3, "box_pixels_p98": 30.0}, "(mean overlap|box_pixels_p98) of"),
        ({"mean_iou": np.nan, "box_pixels_p98": np.nan}, "(mean overlap|box_pixels_p98) of"),
    ],
)
def test_every_precision_has_limits(precision, change, what):
    tolerance = PRECISIONS[precision].tolerance
    check_tolerance(SAME, tolerance, "a.tflite")
    with pytest.raises(UserError, match=rf"^a\.tflite: on 3 image\(s\) it does not find .* expected {what}.*, got"):
        check_tolerance(SAME | change, tolerance, "a.tflite")


def test_a_head_that_is_almost_constant_need_not_correlate():
    """Its maps differ by less than one step of 8 bits."""
    found = SAME | {"heads": {"size": 0.0}, "head_differences": {"size": 0.01}}
    check_tolerance(found, PRECISIONS["int8"].tolerance, "a.tflite")


def test_a_file_without_anything_to_compare_is_refused():
    found = SAME | {"detections": 0}
    found = {key: value for key, value in found.items() if not key.startswith("head")}
    with pytest.raises(UserError, match=r"^a: expected detections to compare, none of the 3 image\(s\)"):
        check_tolerance(found, PRECISIONS["float32"].tolerance, "a")


@pytest.fixture
def answers(tiny_model, drawn):
    """answers(change) -> the agreement of a file whose rows are the model's own after `change`."""
    model = tiny_model(input_size=(64, 96))

    def answer(change):
        def run(example):
            rows = {key: np.array(value)[0] for key, value in model.detect_batch(example.image[None], 20).items()}
            change(rows)
            return rows

        return compare(model, Opened((run,)), drawn[:2], threshold=0.0)

    return answer


def test_equal_rows_agree(answers):
    found = answers(lambda rows: None)
    assert found["detections"] > 20
    assert found["missed"] == found["added"] == found["box_pixels"] == found["score"] == 0
    assert found["mean_iou"] == pytest.approx(1)


def test_another_class_is_missed_and_added(answers):
    def swap(rows):
        rows["classes"] += 2

    found = answers(swap)
    assert found["missed"] == found["added"] == found["detections"] > 20
    assert not found["same_classes"]


def test_order_does_not_matter(answers):
    def turn(rows):
        rows.update({key: value[::-1] for key, value in rows.items()})

    assert answers(turn)["missed"] == 0


def test_boxes_without_area_are_missed(answers):
    def flatten(rows):
        rows["boxes_xyxy"][:, 2:] = rows["boxes_xyxy"][:, :2]

    found = answers(flatten)
    assert found["missed"] == found["detections"] > 20


def test_detections_near_the_end_of_the_list_are_not_missed(answers):
    def drop(rows):
        rows.update({key: value[:-3] for key, value in rows.items()})

    found = answers(drop)
    assert found["missed"] == 0
    assert found["detections"] > 10


def test_a_detection_that_the_file_dropped_as_a_duplicate_is_missed(answers):
    """In the file's list it has the score -1, so it is compared with nothing that the model found."""

    def drop_second(rows):
        rows["scores"][1] = -1.0

    found = answers(drop_second)
    assert found["missed"] == 2  # one per image
    assert found["score"] == 0


@pytest.mark.parametrize(("last", "difference"), [(0.0, 0.0), (0.2, 0.1)])
def test_fewer_peaks_of_an_untrained_model_are_no_difference(untrained, drawn, last, difference):
    """In a flat map, rounding decides which cells are peaks. A different score is still a difference."""

    def run(example):
        rows = {key: np.array(value)[0] for key, value in untrained.detect_batch(example.image[None], 20).items()}
        rows["scores"][-3:] = last
        return rows

    assert compare(untrained, Opened((run,)), drawn[:2])["score"] == pytest.approx(difference, abs=0.01)


def test_a_file_can_be_evaluated(export_once):
    model, path = export_once()
    data = load_dataset("shapes", "val", input_size=(64, 96), batch_size=4, limit=8)
    detector = TFLiteDetector(path)
    detector.classes = model.classes = data.classes
    ours, theirs = (evaluate(m, data, top_k=20, progress=False).metrics for m in (model, detector))
    model.classes = ("cat", "dog")
    assert theirs["objects"] == ours["objects"]
    assert theirs["AP"] == pytest.approx(ours["AP"], abs=1e-3)
