"""Every task leaves the house with its decoding: TFLite against Keras."""

import numpy as np
import pytest

from keras_centernet import CenterNet
from keras_centernet.exporting import TFLiteDetector, agreement, export_tflite, verify
from keras_centernet.tasks import TASKS

TOP_K = 12
MORE = {
    "detection": set(),
    "detection_3d": {"points_xy", "depths", "dimensions_hwl", "alphas"},
    "pose": {"keypoints_xy", "keypoint_scores"},
}


@pytest.fixture(scope="module", params=list(TASKS))
def model(request):
    """A small untrained model whose maps all differ from cell to cell."""
    rng = np.random.default_rng(4)
    model = CenterNet("mobilenet_v3_small_minimalistic", task=request.param, classes=("a", "b"), input_size=(64, 96))
    for head in model.task.heads:
        kernel = model.network.get_layer(head.name).kernel
        kernel.assign(rng.normal(0, 0.7, kernel.shape))
    return model


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(6).integers(0, 256, (3, 64, 96, 3), np.uint8)


def test_tflite_equals_keras_with_builtin_operators(model, images, tmp_path):
    path = export_tflite(model, tmp_path / "model.tflite", top_k=TOP_K)
    detector = TFLiteDetector(path)
    operators = verify(model, path, images[:1])["operators"]
    assert not [name for name in operators if name.startswith("Flex") or name == "CUSTOM"]
    assert set(detector(images[0])) == {"boxes_xyxy", "scores", "classes"} | MORE[model.task.name]
    worst = agreement(model, path, images, threshold=0)
    assert worst["detections"] > 2 * TOP_K  # but for boxes without area, and the ends of the lists
    assert worst["same_classes"]
    for key in {"box_pixels", "score"} | MORE[model.task.name]:
        assert worst[key] < 2e-3, key
