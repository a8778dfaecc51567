"""Merging detections of several scales: against the published merge, and edge cases."""

import numpy as np
import pytest

from keras_centernet.evaluation.merging import merge_detections


def views_of(arrays, names):
    """Returns the detections of each scale from rows of class, box, score."""
    return [
        {"classes": rows[:, 0].astype("int32"), "boxes_xyxy": rows[:, 1:5], "scores": rows[:, 5]}
        for rows in (arrays[name] for name in names)
    ]


def by_score(rows):
    return rows[np.lexsort(rows.T[::-1])]


@pytest.mark.parametrize(
    ("name", "scales", "nms"), [("merge_out", ("s0", "s1", "s2"), "soft"), ("merge1_out", ("s0",), "none")]
)
def test_boxes_equal_the_published_merge(fixture, name, scales, nms):
    arrays = fixture("nms_merge")
    found = merge_detections(views_of(arrays, [f"merge_in_{scale}" for scale in scales]), nms)
    ours = np.column_stack([found["classes"], found["boxes_xyxy"], found["scores"]])
    expected = arrays[name]
    assert np.all(np.diff(found["scores"]) <= 0)
    np.testing.assert_allclose(by_score(ours), by_score(expected), atol=1e-5)


def test_poses_equal_the_published_merge(fixture):
    arrays = fixture("nms_merge")
    views = [
        {
            "classes": np.zeros(len(rows), "int32"),
            "boxes_xyxy": rows[:, :4],
            "scores": rows[:, 4],
            "keypoints_xy": rows[:, 5:].reshape(-1, 17, 2),
        }
        for rows in (arrays[f"pmerge_in_{scale}"] for scale in ("s0", "s1", "s2"))
    ]
    found = merge_detections(views)
    ours = np.column_stack([found["boxes_xyxy"], found["scores"], found["keypoints_xy"].reshape(-1, 34)])
    np.testing.assert_allclose(by_score(ours), by_score(arrays["pmerge_out"]), atol=1e-5)


def test_one_view_without_nms_is_that_view(rng):
    scores = np.sort(rng.uniform(size=30).astype("float32"))[::-1]
    view = {"boxes_xyxy": rng.uniform(size=(30, 4)), "scores": scores, "classes": rng.integers(0, 3, 30)}
    merged = merge_detections([view], "none")
    for key in view:
        np.testing.assert_array_equal(merged[key], view[key])


def test_equal_scores_at_the_limit_all_stay():
    boxes = np.arange(20).reshape(5, 4)
    view = {"boxes_xyxy": boxes, "scores": np.float32([0.9, 0.5, 0.5, 0.5, 0.1]), "classes": np.zeros(5, "int32")}
    assert len(merge_detections([view], "none", max_detections=2)["scores"]) == 4


def test_nothing_found_stays_nothing():
    view = {"boxes_xyxy": np.zeros((0, 4)), "scores": np.zeros(0, "float32"), "classes": np.zeros(0, "int32")}
    assert {key: len(values) for key, values in merge_detections([view, view]).items()} == dict.fromkeys(view, 0)
