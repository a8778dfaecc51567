"""The exported files in MediaPipe Tasks, the runtime for Android, iOS and the web."""

import numpy as np
import pytest

mediapipe = pytest.importorskip("mediapipe", reason="pip install keras_centernet[mediapipe]")


@pytest.fixture
def detect():
    """Returns a function: (path, image) -> at most 20 detections."""
    from mediapipe.tasks.python import BaseOptions, vision

    def run(path, image):
        base = BaseOptions(model_asset_path=str(path))
        options = vision.ObjectDetectorOptions(base_options=base, max_results=20, score_threshold=0.0)
        with vision.ObjectDetector.create_from_options(options) as detector:
            return detector.detect(mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=image)).detections

    return run


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "float16", "dynamic", "int8"])
def test_mediapipe_finds_the_boxes_of_the_file(export_once, drawn, detect, precision):
    """Float files are compared with the model; MediaPipe rounds boxes to whole pixels."""
    from keras_centernet.exporting import TFLiteDetector

    model, path = export_once(precision)
    image = np.ascontiguousarray(drawn[0])
    if precision.startswith("float"):
        expected = {key: np.asarray(value)[0] for key, value in model.detect_batch(image[None], top_k=20).items()}
    else:
        expected = TFLiteDetector(path)(image)
    corners = np.clip(expected["boxes_xyxy"], 0, [96, 64, 96, 64])
    boxes_xywh = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
    names = [model.classes[i] for i in expected["classes"]]
    found = detect(path, image)
    assert len(found) > 10
    for detection in found:
        box, (category, *_) = detection.bounding_box, detection.categories
        xywh = [box.origin_x, box.origin_y, box.width, box.height]
        same = [i for i, name in enumerate(names) if name == category.category_name]
        same = [i for i in same if abs(expected["scores"][i] - category.score) < 5e-3]
        assert min(np.abs(boxes_xywh[i] - xywh).max() for i in same) <= 1
