"""What is said of a file, and what is not let pass."""

import json

import numpy as np
import pytest

from keras_centernet import UserError, evaluate, load_dataset
from keras_centernet.exporting import PRECISIONS, TFLiteDetector, agreement_report, verify_tflite
from keras_centernet.exporting.tflite.verifying import check_tolerance

SAME = {
    "images": 3,
    "detections": 40,
    "missed": 0,
    "mean_iou": 1.0,
    "box_pixels": 0.0,
    "box_pixels_p98": 0.0,
    "score": 0.0,
    "heads": {"center_heatmap": 1.0, "size": 1.0},
}


def test_report_is_plain_and_complete(export_once, drawn):
    model, path = export_once("int8")
    report = json.loads(json.dumps(verify_tflite(model, path, drawn[:2], "int8")))
    assert report.keys() == {"size_bytes", "operators", "agreement", "latency_ms"}
    assert report["size_bytes"] == path.stat().st_size
    assert report["operators"]["TRANSPOSE_CONV"] == 3
    assert report["operators"]["DEQUANTIZE"] == 3
    assert report["latency_ms"] > 0
    assert report["agreement"].keys() == {*SAME, "same_classes"}


def test_correlations_are_those_of_the_maps(export_once, drawn):
    """Against the outputs of the raw file, which has the same network."""
    model, raw = export_once("int8", "int8")
    found = agreement_report(model, export_once("int8")[1], drawn[:3])["heads"]
    theirs = [TFLiteDetector(raw).run(image) for image in drawn[:3]]
    for name, ours in model(drawn[:3], training=False).items():
        expected = np.corrcoef(np.ravel(ours), np.concatenate([np.ravel(maps[name]) for maps in theirs]))[0, 1]
        assert abs(found[name] - expected) < 2e-3, name


def test_a_moved_head_shows_in_boxes_and_correlation(export_once, tiny_model, drawn):
    path = export_once()[1]
    other = tiny_model(input_size=(64, 96))
    kernel = other.network.get_layer("offset").kernel
    kernel.assign(-kernel)
    found = agreement_report(other, path, drawn[:2])
    assert found["box_pixels"] > 0.1
    assert found["heads"]["offset"] < -0.99
    assert found["heads"]["size"] > 0.9999


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"missed": 20}, "missed of at most"),
        (
            {"heads": {"center_heatmap": 0.2, "size": 1.0}, "box_pixels_p98": 30.0},
            "(correlation|box_pixels_p98) of",
        ),
        ({"mean_iou": 0.3, "box_pixels_p98": 30.0}, "(iou|box_pixels_p98) of"),
    ],
)
def test_every_precision_has_limits(precision, change, what):
    check_tolerance(SAME, precision)
    with pytest.raises(UserError, match=rf"^TFLite {precision}: expected {what}.* against Keras on 3 image\(s\), got"):
        check_tolerance(SAME | change, precision)


def test_a_file_can_be_evaluated(export_once):
    model, path = export_once()
    data = load_dataset("shapes", "val", input_size=(64, 96), batch_size=4, limit=8)
    detector = TFLiteDetector(path)
    detector.classes = model.classes = data.classes
    ours, theirs = (evaluate(m, data, top_k=20, progress=False).metrics for m in (model, detector))
    model.classes = ("cat", "dog")
    assert theirs["objects"] == ours["objects"]
    assert theirs["AP"] == pytest.approx(ours["AP"], abs=1e-3)
