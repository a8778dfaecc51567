"""A run's folder never holds half a file and never loses a run."""

import errno
import resource

import numpy as np
import pytest
import tensorflow as tf

from keras_centernet import UserError, load_model
from keras_centernet.files.atomic import local_copy, write_whole
from keras_centernet.runs.folder import LAST, RunFolder


def test_a_full_disk_leaves_the_previous_file(tmp_path):
    folder = RunFolder(tmp_path)
    folder.write_json("metrics.json", {"AP": 0.5})

    def write(path):
        path.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(UserError, match=r"could not be written \(No space left on device\); the previous file is"):
        write_whole(folder / "metrics.json", write)
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.json"]
    assert '"AP": 0.5' in (tmp_path / "metrics.json").read_text()


def test_a_place_that_cannot_be_a_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="expected a folder that can be written to: Not a directory"):
        RunFolder(tmp_path / "file" / "run")


def test_an_earlier_run_is_not_overwritten(tmp_path):
    (tmp_path / LAST).write_bytes(b"")
    with pytest.raises(UserError, match=r"expected an empty folder, got one with a run in it\. Add --resume"):
        RunFolder(tmp_path)
    RunFolder(tmp_path, resume=True)


def test_what_a_killed_process_left_half_written_is_cleared(tmp_path):
    (tmp_path / "part.last.keras").write_bytes(b"half")
    RunFolder(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(params=["here", "ram"])
def folder(request, tmp_path):
    """A run's folder on this machine, and a remote one."""
    return RunFolder(tmp_path if request.param == "here" else f"ram://{tmp_path.name}/run")


def test_a_checkpoint_is_a_model_and_its_state_in_one_file(folder, tiny_model, batch):
    model = tiny_model()
    folder.save_checkpoint(model, {"epoch": np.array(3), "mean": np.float32([1, 2])})
    assert folder.names("") == [LAST]
    state = folder.read_checkpoint()
    assert (int(state["epoch"]), state["mean"].tolist()) == (3, [1, 2])
    with local_copy(folder / LAST) as path:
        loaded = load_model(path)
    for name, value in model(batch[0]).items():
        np.testing.assert_array_equal(loaded(batch[0])[name], value)


def test_an_earlier_checkpoint_gets_another_name(folder, tiny_model):
    model = tiny_model()
    for number in range(3):
        folder.save_checkpoint(model, {"epoch": np.array(number)}, previous=f"step_{number}.keras")
    assert folder.names("checkpoints") == ["step_1.keras", "step_2.keras"]
    assert int(folder.read_checkpoint()["epoch"]) == 2


def test_a_disk_that_is_full_in_the_middle_of_a_checkpoint_keeps_the_one_before(tmp_path, tiny_model):
    folder, model = RunFolder(tmp_path), tiny_model()
    folder.save_checkpoint(model, {"epoch": np.array(1)})
    size = (tmp_path / LAST).stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    for room in (1000, size // 2, size - 100):  # in the configuration, in the weights, in the state
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
        try:
            with pytest.raises(
                UserError, match=r"last.keras: could not be written .*; the previous file is intact"
            ) as error:
                folder.save_checkpoint(model, {"epoch": np.array(2)})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert "\n" not in str(error.value)
        assert [path.name for path in tmp_path.iterdir()] == [LAST]
        assert int(folder.read_checkpoint()["epoch"]) == 1


def test_a_model_without_the_state_of_a_training_cannot_be_resumed(folder, tiny_model):
    write_whole(folder / LAST, tiny_model().save)
    with pytest.raises(UserError, match=r"expected .*last.keras with the state of its training, got a file without it"):
        folder.read_checkpoint()


def test_an_unknown_scheme_is_one_line():
    with pytest.raises(UserError, match=r"--output nosuch://x: expected a folder that can be written to: .*nosuch"):
        RunFolder("nosuch://x")


def test_remote_files_are_the_same_json():
    folder = RunFolder("ram://json/run/")
    folder.write_json("metrics.json", {"AP": 0.5})
    assert str(folder / "metrics.json") == "ram://json/run/metrics.json"
    assert tf.io.gfile.GFile("ram://json/run/metrics.json").read() == '{\n  "AP": 0.5\n}\n'
