"""A run's folder never holds half a file and never loses a run."""

import errno

import pytest

from keras_centernet import UserError
from keras_centernet.runs.folder import LAST, STATE, RunFolder


def test_a_full_disk_leaves_the_previous_file(tmp_path):
    folder = RunFolder(tmp_path)
    folder.write_json("metrics.json", {"AP": 0.5})

    def write(path):
        path.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(UserError, match=r"could not be written \(No space left on device\); the previous file is"):
        folder.replace("metrics.json", write)
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.json"]
    assert '"AP": 0.5' in (tmp_path / "metrics.json").read_text()


def test_a_place_that_cannot_be_a_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="expected a folder that can be written to: Not a directory"):
        RunFolder(tmp_path / "file" / "run")


def test_an_earlier_run_is_not_overwritten(tmp_path):
    for name in (LAST, STATE):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(UserError, match=r"expected an empty folder, got one with a run in it\. Add --resume"):
        RunFolder(tmp_path)
    RunFolder(tmp_path, resume=True)


def test_nothing_to_resume(tmp_path):
    with pytest.raises(UserError, match=r"--resume: expected .*last\.keras"):
        RunFolder(tmp_path, resume=True)
