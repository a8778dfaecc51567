"""The demo: the files that it promises, and that it overwrites no other run."""

import pytest

from keras_centernet import UserError
from keras_centernet.data.formats import shapes
from keras_centernet.runs.demo import demo

FILES = (
    "metrics.json",
    "history.csv",
    "curves.png",
    "detections.png",
    "precision_recall.png",
    "best.keras",
    "detector.tflite",
)


@pytest.mark.parametrize(
    ("images", "least"),
    [
        pytest.param({"train": 64, "val": 32, "test": 4}, {}, id="few", marks=pytest.mark.slow),
        pytest.param({}, {"AP": 0.60, "AP50": 0.90}, id="as it is", marks=pytest.mark.exhaustive),
    ],
)
def test_the_whole_way_from_images_to_a_phone(images, least, tmp_path, capsys, monkeypatch):
    for split, size in images.items():
        monkeypatch.setitem(shapes.SPLIT_SIZES, split, size)
    output = tmp_path / "demo"
    metrics = demo(output)
    assert all(metrics[name] >= value for name, value in least.items())
    for name in FILES:
        assert (output / name).stat().st_size > 0
    last_line = capsys.readouterr().out.strip().splitlines()[-1]
    assert "px and" in last_line
    assert last_line.endswith("classes equal.")


def test_another_run_is_not_overwritten(tmp_path):
    for name in ("config.json", "detector.tflite"):
        (tmp_path / name).write_text("mine")
        with pytest.raises(UserError, match=rf"{name}"):
            demo(tmp_path)
        assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]
        (tmp_path / name).unlink()
