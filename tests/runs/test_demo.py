"""The demo: what it promises, and what it refuses to overwrite."""

import pytest

from keras_centernet import UserError
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


@pytest.mark.slow
def test_the_whole_way_from_images_to_a_phone(tmp_path, capsys):
    output = tmp_path / "demo"
    metrics = demo(output)
    assert metrics["AP"] >= 0.60
    assert metrics["AP50"] >= 0.90
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
