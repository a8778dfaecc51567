"""The TFLite file in its own runtime, against the Keras model."""

import numpy as np
import pytest

from keras_centernet import UserError
from keras_centernet.exporting import TFLiteDetector, agreement, export_tflite
from keras_centernet.exporting.serving import OUTPUTS

# Builtin operators that LiteRT's converter makes of the whole detector; Flex and custom ones have other names.
DECODING = {"TOPK_V2", "GATHER", "MAX_POOL_2D", "LOGISTIC"}


@pytest.fixture(scope="module")
def exported(tiny_model, tmp_path_factory):
    model = tiny_model(input_size=(64, 96))
    return model, export_tflite(model, tmp_path_factory.mktemp("export") / "detector.tflite", top_k=20)


def test_detections_equal_keras(exported, rng):
    model, path = exported
    images = rng.integers(0, 256, (3, 64, 96, 3), np.uint8)
    worst = agreement(model, path, images, threshold=0.0)
    assert worst["detections"] == 60
    assert worst["box_pixels"] < 0.05
    assert worst["score"] < 1e-4
    assert worst["same_classes"]


def test_decoding_is_in_the_graph_and_all_operators_are_builtin(exported):
    operators = TFLiteDetector(exported[1]).operators()
    assert set(operators) >= DECODING
    assert not [name for name in operators if name.startswith("Flex") or name == "CUSTOM"]


def test_everything_is_static(exported):
    detector = TFLiteDetector(exported[1])
    assert detector.input_hw == (64, 96)
    shapes = {name: list(detail["shape"]) for name, detail in detector._run.get_output_details().items()}
    assert shapes == {"location": [1, 20, 4], "category": [1, 20], "score": [1, 20], "count": [1]}
    assert set(shapes) == set(OUTPUTS)


def test_locations_are_fractions_in_the_order_of_mobile_clients(exported, rng):
    detector = TFLiteDetector(exported[1])
    image = rng.integers(0, 256, (1, 64, 96, 3)).astype("float32")
    raw = detector._run(images=image)
    assert raw["location"].min() >= 0
    assert raw["location"].max() <= 1
    boxes = detector(image[0])["boxes_xyxy"]
    np.testing.assert_allclose(boxes[:, 0], raw["location"][0, :, 1] * 96)  # x comes second there
    assert raw["count"] == [20]


def test_an_unwritable_place_leaves_nothing_behind(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setattr("keras_centernet.exporting.tflite._build", lambda *args: b"content")
    monkeypatch.setattr("keras_centernet.exporting.tflite.verify_tflite", lambda *args: {})
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(UserError, match=r"detector\.tflite: could not be written \(Not a directory\)"):
        export_tflite(tiny_model(), tmp_path / "file" / "detector.tflite")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
