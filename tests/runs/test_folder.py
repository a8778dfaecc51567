"""A run's folder never holds half a file and never loses a run."""

import errno
import io
import multiprocessing
import os
import zipfile

import numpy as np
import pytest
import tensorflow as tf

from keras_centernet import UserError, load_model
from keras_centernet.files.atomic import local_copy, write_whole
from keras_centernet.runs.checkpoints import Progress, restore, state_of
from keras_centernet.runs.folder import LAST, RESULTS, STATE, RunFolder
from tests.helpers.small_files import no_file_beyond


def test_a_full_disk_leaves_the_previous_file(tmp_path):
    folder = RunFolder(tmp_path)
    folder.write_json("metrics.json", {"AP": 0.5})

    def write(path):
        path.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(UserError, match=r"could not be written \(No space left on device\); what was there before is"):
        write_whole(folder / "metrics.json", write)
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.json"]
    assert '"AP": 0.5' in (tmp_path / "metrics.json").read_text()


def test_a_place_that_cannot_be_a_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="expected a folder that can be written to: Not a directory"):
        RunFolder(tmp_path / "file" / "run")


@pytest.mark.parametrize("name", RESULTS)
def test_a_file_that_no_run_wrote_is_not_overwritten(name, tmp_path):
    (tmp_path / name).write_bytes(b"mine")
    for options in ({}, {"overwrite": True}, *([] if name == LAST else [{"resume": True}])):
        with pytest.raises(UserError, match=r"expected (an empty folder, got one with|a folder, got a file)"):
            RunFolder(tmp_path, **options)
    assert (tmp_path / name).read_bytes() == b"mine"


def test_an_earlier_run_is_continued_or_replaced_only_when_asked(tmp_path):
    folder = RunFolder(tmp_path)
    folder.begin({"data": "photos"})
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "checkpoints").mkdir()
    for name in (
        "best.keras",
        "last.keras",
        "history.csv",
        "checkpoints/step_000000004.keras",
        "checkpoints/mine.keras",
    ):
        (tmp_path / name).write_text(name)
    with pytest.raises(UserError, match=r"got one with a run in it\. Add --resume .* or --overwrite to replace it"):
        RunFolder(tmp_path)
    assert RunFolder(tmp_path, resume=True).holds_run()
    replaced = RunFolder(tmp_path, overwrite=True)
    assert replaced.holds_run()  # the old run stays until the new one begins
    replaced.begin({"data": "others"})
    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert left == ["checkpoints/mine.keras", "config.json", "notes.txt"]
    assert replaced.is_ours()


@pytest.mark.parametrize("left", ["metrics.json", "checkpoints/step_000000004.keras", "history.csv"])
@pytest.mark.parametrize("resume", [False, True])
def test_a_run_that_lost_its_checkpoint_is_not_begun_again(left, resume, tmp_path):
    RunFolder(tmp_path).begin({"data": "photos"})
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / left).write_text("epoch,loss\n1,2\n2,1\n")
    with pytest.raises(UserError, match="last.keras, got a run without it" if resume else "got one with a run"):
        RunFolder(tmp_path, resume=resume)
    assert (tmp_path / left).exists()
    RunFolder(tmp_path, overwrite=True).begin({"data": "others"})
    assert not (tmp_path / left).exists()


def test_a_run_that_was_killed_in_its_first_epoch_is_begun_again_by_resume(tmp_path):
    RunFolder(tmp_path).begin({"data": "photos"})
    (tmp_path / "best.keras").write_text("model")
    (tmp_path / "history.csv").write_text("epoch,loss\n1,2\n")
    RunFolder(tmp_path, resume=True).begin({"data": "photos"})
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


@pytest.mark.parametrize("name", [*RESULTS, "tensorboard"])
def test_nothing_is_removed_where_a_result_cannot_be_written(name, tmp_path):
    RunFolder(tmp_path).begin({"data": "photos"})
    (tmp_path / "best.keras").write_text("model")
    path = tmp_path / name
    path.unlink(missing_ok=True)
    if name in ("checkpoints", "tensorboard"):
        path.write_text("mine")
    else:
        path.mkdir()
    for options in ({"resume": True}, {"overwrite": True}):
        with pytest.raises(UserError, match=f"{name}: expected a (file, got a folder|folder, got a file)"):
            RunFolder(tmp_path, **options)
    assert (tmp_path / "best.keras").exists()


def test_a_run_that_ended_before_its_first_checkpoint_is_begun_again(tmp_path):
    RunFolder(tmp_path).begin({"data": "photos"})
    RunFolder(tmp_path).begin({"data": "others"})
    assert "others" in (tmp_path / "config.json").read_text()


@pytest.mark.parametrize("content", [b"", b"[]", b'{"data": "photos"}', b"[" * 100_000, b"\xff"])
def test_a_config_that_no_run_wrote_is_not_overwritten(content, tmp_path):
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(UserError, match=r"got one with config\.json in it that no run wrote"):
        RunFolder(tmp_path, overwrite=True)


def test_only_half_written_files_of_killed_processes_are_removed(tmp_path):
    def write(path):
        path.write_bytes(b"half")
        os._exit(9)

    process = multiprocessing.get_context("fork").Process(target=write_whole, args=(tmp_path / LAST, write))
    process.start()
    process.join()
    (tmp_path / "part.of-mine.txt").write_text("mine")
    assert len(list(tmp_path.iterdir())) == 2
    RunFolder(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["part.of-mine.txt"]


@pytest.fixture(params=["here", "ram"])
def folder(request, tmp_path):
    """A run's folder, local or remote."""
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


def test_a_full_disk_in_the_middle_of_a_checkpoint_keeps_the_one_before(tmp_path, tiny_model):
    folder, model = RunFolder(tmp_path), tiny_model()
    folder.save_checkpoint(model, {"epoch": np.array(1)})
    size = (tmp_path / LAST).stat().st_size
    for room in (1000, size // 2, size - 100):  # in the configuration, in the weights, in the state
        told = r"last.keras: could not be written .*; what was there before is intact"
        with pytest.raises(UserError, match=told) as error, no_file_beyond(room):
            folder.save_checkpoint(model, {"epoch": np.array(2)})
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


def replaced(path, changes):
    """Rewrites an archive with other members; None removes a member."""
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()} | changes
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            if data is not None:
                archive.writestr(name, data)


def saved(**arrays):
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (None, "There is no item named"),
        (b"", "expected arrays of numbers and texts, got File is not a zip file"),
        (saved(epoch=np.array([print], object)), "'epoch.npy' of type dtype"),
        (saved(epoch=np.array(3))[:-30], "expected arrays of numbers"),
        (bytes(100 << 20), "expected at most "),
    ],
)
def test_an_invalid_state_is_one_line(tmp_path, tiny_model, state, message):
    folder = RunFolder(tmp_path)
    folder.save_checkpoint(tiny_model(), {"epoch": np.array(3)})
    replaced(tmp_path / LAST, {STATE: state})
    with pytest.raises(UserError, match=f"with the state of its training, got a file without it .*{message}") as caught:
        folder.read_checkpoint()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({}, "to be of this model and data"),
        ({"steps_per_epoch": np.zeros(3)}, "to be of this model and data"),
        ({"steps_per_epoch": np.array(4)}, "to be of this model and data: 'random_0'|to be of this model and data"),
    ],
)
def test_a_state_of_another_run_is_one_line(tmp_path, tiny_model, state, message):
    folder, model = RunFolder(tmp_path), tiny_model()
    folder.save_checkpoint(model, state)
    with pytest.raises(UserError, match=message) as caught:
        restore(model, folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["../last.keras", "/etc/passwd", "mine.keras", "step_1.keras/../../x", "", "step_1"])
def test_a_state_cannot_name_other_files_to_be_removed(tmp_path, tiny_model, name):
    folder, model = RunFolder(tmp_path), tiny_model()
    model.compile("adam")
    state = state_of(model, Progress(steps_per_epoch=4, earlier=("step_000000004.keras", name)))
    folder.save_checkpoint(model, state)
    with pytest.raises(UserError, match=r"expected names of checkpoints in it, got .*; do not use the file"):
        restore(model, folder)
    folder.save_checkpoint(model, state | {"earlier": np.array(["step_000000004.keras"])})
    assert restore(model, folder).earlier == ("step_000000004.keras",)
