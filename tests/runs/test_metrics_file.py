"""metrics.json of old and new runs."""

import json

import pytest

from keras_centernet.errors import UserError
from keras_centernet.runs.ending.metrics_file import METRICS_FILE
from keras_centernet.runs.folder import METRICS_MARK

RUN = {"versions": {"keras": "3.15"}, "seed": 0, "data": {"train": {}, "val": {}}, "command": "keras-centernet train"}


@pytest.mark.parametrize(
    "content",
    [
        pytest.param({"AP": 0.5, "per_class": {}}, id="before versions"),
        pytest.param({METRICS_MARK: 2, "AP": None, "run": RUN}, id="today"),
        pytest.param({METRICS_MARK: 2, "run": RUN | {"later": 1}}, id="with more"),
    ],
)
def test_is_read(content, tmp_path):
    (tmp_path / "metrics.json").write_text(json.dumps(content))
    assert METRICS_FILE.read(tmp_path / "metrics.json") == content


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([1], "an object as its content, got [1]"),
        ({METRICS_MARK: 99}, "a version from 1 to 2, got 99 (update keras_centernet if that is newer)"),
        ({"parameters": "many"}, "a whole number from 0 as parameters, got 'many'"),
        ({"run": {}}, "the key 'versions' as run, got []"),
        ({"run": RUN | {"seed": -1}}, "a whole number from 0 as run.seed, got -1"),
    ],
)
def test_is_refused(content, said, tmp_path):
    (tmp_path / "metrics.json").write_text(json.dumps(content))
    with pytest.raises(UserError) as error:
        METRICS_FILE.read(tmp_path / "metrics.json")
    path = tmp_path / "metrics.json"
    assert str(error.value) == f"{path}: expected {said}; remove it, and --resume writes it anew."
