"""`evaluate` with mirrored images, several scales, true heads, two decimals, and result files for servers."""

import json

import numpy as np
import pytest

from keras_centernet import UserError, evaluate, load_dataset
from keras_centernet.data.annotations import build_annotations
from keras_centernet.data.source import source_from_annotations
from keras_centernet.evaluation import Report
from keras_centernet.evaluation.merging import merge_detections


@pytest.fixture(scope="module")
def source():
    """Four images of two sizes with two boxes each."""
    rng = np.random.default_rng(3)
    sizes = [(40, 60), (70, 50), (40, 60), (64, 64)]
    images = [rng.integers(0, 256, (*hw, 3), np.uint8) for hw in sizes]
    rows = [(i, 2 + i, 3, 20, 25, i % 2, False, False, None) for i in range(4)]
    rows += [(i, 22, 23, 39, 39, 0, False, False, None) for i in range(4)]
    table = build_annotations([f"{i}.png" for i in range(4)], rows, image_hw=sizes)
    return source_from_annotations("set", ("cat", "dog"), table, lambda i: images[i], category_ids=(17, None))


def view(source, **options):
    return load_dataset(source, "val", input_size=64, batch_size=2, **options)


@pytest.mark.parametrize("resize", ["fit", "keep"])
def test_one_scale_is_the_plain_test(tiny_model, source, resize):
    model = tiny_model()
    plain = evaluate(model, view(source, resize=resize))
    one = evaluate(model, [view(source, resize=resize, scale=1.0)])
    assert one.detections == plain.detections


def test_the_detections_of_all_scales_are_merged(tiny_model, source):
    model, scales = tiny_model(), (0.5, 1.0, 1.5)
    options = {"top_k": 10, "clip_boxes": False}
    together = evaluate(model, [view(source, scale=scale) for scale in scales], flip=True, **options)
    alone = [evaluate(model, view(source, scale=scale), flip=True, **options).detections for scale in scales]
    for image_id in range(4):
        parts = [[row for row in rows if row["image_id"] == image_id] for rows in alone]
        views = [
            {
                "boxes_xyxy": np.float64([row["bbox"] for row in part])
                @ [[1, 0, 1, 0], [0, 1, 0, 1], [0, 0, 1, 0], [0, 0, 0, 1]],
                "scores": np.float32([row["score"] for row in part]),
                "classes": np.int32([row["category_id"] - 1 for row in part]),
            }
            for part in parts
        ]
        expected = merge_detections(views, "soft", max_detections=10)
        found = [row for row in together.detections if row["image_id"] == image_id]
        np.testing.assert_allclose([row["score"] for row in found], expected["scores"], atol=1e-6)
        assert [row["category_id"] - 1 for row in found] == expected["classes"].tolist()


def test_the_true_heads_find_everything(tiny_model, source):
    report = evaluate(tiny_model(), view(source), oracle=["heatmap", "size", "offset"])
    assert report.metrics["AP"] == pytest.approx(1)
    alone = evaluate(tiny_model(), view(source), oracle=["size"])
    assert alone.metrics["AP"] < 0.5


def test_metrics_of_results_rounded_to_two_decimals_are_added(tiny_model, source):
    report = evaluate(tiny_model(), view(source), round_results=True)
    assert set(report.metrics["rounded"]) >= {"AP", "AP50", "VOC_mAP50"}
    assert report.table().splitlines()[0].split() == ["metric", "value", "two", "decimals"]
    scores = {row["score"] for row in report.detections}
    assert scores != {round(score, 2) for score in scores}  # the detections themselves are not rounded


def test_the_time_of_each_stage_is_reported(tiny_model, source):
    report = evaluate(tiny_model(), [view(source), view(source, scale=0.5)])
    stages = report.metrics["stages_ms"]
    assert list(stages) == ["load", "preprocess", "network", "decode", "merge"]
    assert all(time > 0 for time in stages.values())
    assert "milliseconds an image: load" in report.table()


def test_results_for_a_server_have_its_category_ids(tmp_path, tiny_model, source):
    report = evaluate(tiny_model(), view(source))
    paths = report.write_results(tmp_path / "results", source.category_ids)
    assert paths == [str(tmp_path / "results" / "detections.json")]
    rows = json.loads((tmp_path / "results" / "detections.json").read_text())
    cats = [row for row in report.detections if row["category_id"] == 1]
    assert rows == [row | {"category_id": 17} for row in cats]  # the server has no dogs


def test_results_have_the_data_sets_own_ids(tmp_path, tiny_model, source):
    report, own = evaluate(tiny_model(), view(source)), {0: "photo-a", 1: 2**70}
    report.write_results(tmp_path, ["kitten", 2], own)
    rows = json.loads((tmp_path / "detections.json").read_text())
    expected = [(own.get(row["image_id"], row["image_id"]), row["category_id"]) for row in report.detections]
    assert [(row["image_id"], row["category_id"]) for row in rows] == [
        (image_id, "kitten" if category_id == 1 else 2) for image_id, category_id in expected
    ]
    assert {"photo-a", 2**70} <= {row["image_id"] for row in rows}


def test_keypoints_have_a_file_of_their_own(tmp_path):
    rows = [{"image_id": 1, "category_id": 1, "bbox": [0, 0, 2, 2], "score": 0.5, "keypoints": np.ones(6)}]
    Report({}, results={"boxes": [], "keypoints": rows}).write_results(tmp_path)
    assert json.loads((tmp_path / "keypoints.json").read_text())[0]["keypoints"] == [1.0] * 6
    assert json.loads((tmp_path / "detections.json").read_text()) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file/results: expected a folder that can be written to"):
        Report({}).write_results(tmp_path / "file" / "results")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"oracle": ["depth"]}, "oracle: expected heads of task detection"),
        ({"oracle": ["size"], "flip": True}, "oracle: expected neither flip nor several scales"),
        ({"nms": "hard"}, "Unknown nms: expected one of none, soft; got 'hard'"),
    ],
)
def test_options_that_do_not_go_together_are_named(tiny_model, source, options, message):
    with pytest.raises(UserError, match=message):
        evaluate(tiny_model(), view(source), **options)


def test_classes_are_compared_after_take_too(tiny_model, source):
    model = tiny_model(classes=("fox", "emu"))
    with pytest.raises(UserError, match=r"expected some of the model's classes, \[fox, emu\], .* has \[cat, dog\]"):
        evaluate(model, view(source).take(1))


def test_views_of_other_images_are_refused(tiny_model, source):
    with pytest.raises(UserError, match="expected image_id 2 once at each of 2 scales, got it 1 times"):
        evaluate(tiny_model(), [view(source), view(source, limit=2)])


def test_3d_detection_refuses_flip_tests(tiny_model):
    class Batches(list):
        classes = ("Pedestrian", "Car", "Cyclist")

    model = tiny_model(task="detection_3d", classes=Batches.classes)
    with pytest.raises(UserError, match="task detection_3d measures distances"):
        evaluate(model, Batches(), flip=True)
