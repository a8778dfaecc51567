"""The lowest scores that `detect` keeps: the caller's, else the model's own one for each class."""

import numpy as np
import pytest

from keras_centernet import UserError, load_model
from keras_centernet.detecting.thresholds import lowest_scores

IMAGE = np.random.default_rng(3).integers(0, 256, (64, 64, 3), np.uint8)


@pytest.fixture(scope="module")
def model(tiny_model):
    return tiny_model()


@pytest.mark.parametrize(
    ("thresholds", "given", "expected"),
    [
        pytest.param({}, None, [0.3, 0.3], id="none: the usual one"),
        pytest.param({"dog": 0.7}, None, [0.3, 0.7], id="of one class"),
        pytest.param({"dog": 0.7, "cat": 0.0, "cow": 0.9}, None, [0.0, 0.7], id="of both, and of another model's"),
        pytest.param({"dog": 0.7, "cat": 0.1}, 0.5, [0.5, 0.5], id="the caller's counts"),
        pytest.param({"dog": 0.7, "cat": 0.1}, 0.0, [0.0, 0.0], id="zero is one, too"),
    ],
)
def test_lowest_scores(model, thresholds, given, expected):
    model.thresholds = thresholds
    np.testing.assert_allclose(lowest_scores(model, given), expected, rtol=1e-6)


def test_detect_filters_each_class_by_its_own_threshold(model):
    (all_of_it,) = model.detect(IMAGE, threshold=0.0)
    scores = {i: np.sort(all_of_it.scores[all_of_it.classes == i])[::-1] for i in range(2)}
    thresholds = {name: float(scores[i][3]) for i, name in enumerate(model.classes)}  # keeps four of each
    model.thresholds = thresholds
    (found,) = model.detect(IMAGE)
    assert np.bincount(found.classes).tolist() == [4, 4]
    assert len(model.detect(IMAGE, threshold=0.0)[0]) == len(all_of_it)


def test_they_are_saved_with_the_model(model, tmp_path):
    model.thresholds = {"cat": 0.25}
    model.save(tmp_path / "model.keras")
    assert load_model(tmp_path / "model.keras").thresholds == {"cat": 0.25}
    model.thresholds = None
    model.save(tmp_path / "model.keras")
    assert load_model(tmp_path / "model.keras").thresholds == {}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (0.5, "thresholds: expected {class name: lowest score}, got 0.5."),
        ({1: 0.5}, "thresholds: expected {class name: lowest score}, got {1: 0.5}."),
        ({"cat": 1.5}, "thresholds: 'cat': expected a number of at least 0 and at most 1, got 1.5."),
        ({"cat": "high"}, "thresholds: 'cat': expected a number of at least 0 and at most 1, got 'high'."),
    ],
)
def test_invalid_thresholds_are_refused(model, wrong, said):
    with pytest.raises(UserError) as error:
        model.thresholds = wrong
    assert str(error.value) == said
    config = model.get_config() | {"thresholds": wrong}
    with pytest.raises(UserError, match="thresholds: "):
        type(model).from_config(config)
