"""Every task is exported with its decoding: TFLite against Keras."""

import numpy as np
import pytest

from keras_centernet.exporting import TFLiteDetector, agreement, export_tflite, verify

TOP_K = 12
MORE = {
    "detection": set(),
    "detection_3d": {"points_xy", "depths", "dimensions_hwl", "alphas"},
    "pose": {"keypoints_xy", "keypoint_scores"},
}


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(6).integers(0, 256, (3, 64, 96, 3), np.uint8)


@pytest.mark.slow
def test_tflite_equals_keras_with_builtin_operators(model_of_task, images, tmp_path):
    model, path = model_of_task, tmp_path / "model.tflite"
    export_tflite(model, tmp_path / "model.tflite", top_k=TOP_K)
    detector = TFLiteDetector(path)
    operators = verify(model, path, images[:1])["operators"]
    assert not [name for name in operators if name.startswith("Flex") or name == "CUSTOM"]
    assert set(detector(images[0])) == {"boxes_xyxy", "scores", "classes"} | MORE[model.task.name]
    worst = agreement(model, path, images, threshold=0)
    assert worst["detections"] > 2 * TOP_K  # boxes without area and the ends of the lists are not compared
    assert worst["same_classes"]
    for key in {"box_pixels", "score"} | MORE[model.task.name]:
        assert worst[key] < 2e-3, key
