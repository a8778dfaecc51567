"""A training that was stopped at any point continues as if nothing had happened."""

import json
import math
import re
import shutil
import signal

import keras
import pytest

from keras_centernet import UserError, load_model
from keras_centernet.data.formats import shapes
from keras_centernet.files.atomic import local_copy
from keras_centernet.model import CenterNet
from keras_centernet.runs.callbacks import KeepBest
from keras_centernet.runs.folder import RunFolder
from keras_centernet.runs.history import first_epochs
from keras_centernet.runs.settings import TrainSettings
from keras_centernet.runs.train import train
from keras_centernet.terminal.running import run_command
from tests.helpers.killed_runs import IMAGES, OPTIONS, POINTS, differences
from tests.helpers.processes import run_python
from tests.helpers.tiny_backbone import TINY


class PulledPlugError(Exception):
    """Stops a training in these tests."""


@pytest.fixture(scope="module", autouse=True)
def few_images():
    """Makes `shapes` so small that training takes seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shapes, "SPLIT_SIZES", IMAGES)
        yield


@pytest.fixture(scope="module")
def whole(few_images, tmp_path_factory):
    """The folder of an uninterrupted run."""
    output = tmp_path_factory.mktemp("runs") / "whole"
    run(output)
    return output


def run(output, **options):
    return train(TrainSettings(output=str(output), **{"backbone": TINY} | OPTIONS | options))


def run_and_stop(output, steps, **options):
    """Trains and raises after `steps` batches."""
    fit, done = CenterNet.fit, []

    def stop(batch, logs):
        done.append(batch)
        if len(done) == steps:
            raise PulledPlugError

    def fit_and_stop(self, *args, callbacks, **rest):
        plug = keras.callbacks.LambdaCallback(on_train_batch_end=stop)
        return fit(self, *args, callbacks=[*callbacks, plug], **rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CenterNet, "fit", fit_and_stop)
        with pytest.raises(PulledPlugError):
            run(output, **options)


@pytest.mark.slow
def test_a_run_that_was_stopped_several_times_has_the_same_result(whole, tmp_path, capsys):
    """It is stopped before its first checkpoint, and inside epochs."""
    run_and_stop(tmp_path, 3)
    run_and_stop(tmp_path, 15, resume=True)  # 6 steps per epoch, a checkpoint after every 4th
    assert f"--resume: {tmp_path} holds no checkpoint yet: this is the beginning." in capsys.readouterr().out
    state = RunFolder(tmp_path, resume=True).read_checkpoint()
    assert (int(state["epoch"]), int(state["batch"])) == (2, 0)
    load_model(tmp_path / "checkpoints" / "step_000000008.keras")
    run_and_stop(tmp_path, 11, resume=True)  # steps 13 to 23; a checkpoint is kept of step 20
    assert int(RunFolder(tmp_path, resume=True).read_checkpoint()["batch"]) == 2
    run(tmp_path, resume=True)
    assert differences(whole, tmp_path) == []


@pytest.mark.exhaustive
def test_mixed_images_are_the_same_after_a_stop(tmp_path):
    mixed = {"mosaic": 0.5, "mixup": 0.5, "hsv": (0.015, 0.7, 0.4), "vertical_flip": 0.5, "close_mosaic": 2}
    run(tmp_path / "whole", **mixed)
    run_and_stop(tmp_path / "stopped", 11, **mixed)  # in the second epoch of 6 steps, the last that is mixed
    run(tmp_path / "stopped", resume=True, **mixed)
    assert differences(tmp_path / "whole", tmp_path / "stopped") == []


@pytest.mark.exhaustive
def test_steps_that_run_together_train_the_same_and_go_on_inside_an_epoch(whole, tmp_path):
    options = {"steps_per_execution": 3, "checkpoint_every": 3, "profile": True}
    run_and_stop(tmp_path, 4, **options)  # two executions of 3 steps, 6 steps per epoch
    state = RunFolder(tmp_path, resume=True).read_checkpoint()
    assert (int(state["epoch"]), int(state["batch"])) == (1, 3)
    run(tmp_path, resume=True, **options)
    # This run saved more often, so it kept other checkpoints.
    assert set(differences(whole, tmp_path)) <= {"last.keras: earlier"}


@pytest.mark.slow
def test_a_finished_run_has_nothing_to_do(whole, capsys):
    before = (whole / "last.keras").read_bytes()
    run(whole, resume=True, verbose=2)
    assert (whole / "last.keras").read_bytes() == before
    assert f"{whole}: all 4 epochs are trained; larger --epochs go on." in capsys.readouterr().out


@pytest.mark.exhaustive
def test_a_missing_best_model_is_replaced_by_the_best_of_the_next_epochs(whole, tmp_path, capsys):
    for name, source in (("last.keras", "checkpoints/step_000000020.keras"), ("config.json", "config.json")):
        (tmp_path / name).write_bytes((whole / source).read_bytes())
    run(tmp_path, resume=True)
    assert "best.keras is missing: the best of what follows will be there" in capsys.readouterr().out
    assert not load_model(tmp_path / "best.keras").compiled


@pytest.mark.slow
def test_a_run_without_a_backend_in_its_config_ran_on_tensorflow(whole, tmp_path):
    for name in ("last.keras", "best.keras", "history.csv"):
        (tmp_path / name).write_bytes((whole / name).read_bytes())
    config = json.loads((whole / "config.json").read_text())
    assert config.pop("backend") == "tensorflow"
    (tmp_path / "config.json").write_text(json.dumps(config))
    run(tmp_path, resume=True)


@pytest.mark.slow
def test_a_damaged_checkpoint_names_the_one_before(whole, tmp_path):
    for path in ("last.keras", "config.json", "checkpoints/step_000000020.keras"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes((whole / path).read_bytes()[: 3000 if "last" in path else None])
    with pytest.raises(UserError, match=r"got a file without it .*Copy .*step_000000020.keras to its path"):
        run(tmp_path, resume=True)


@pytest.mark.exhaustive
def test_prolonging_a_run_with_a_constant_rate_equals_a_longer_run(tmp_path):
    constant = {"schedule": "constant", "keep": 1}
    run(tmp_path / "longer", **constant)
    run(tmp_path / "prolonged", epochs=2, **constant)
    run(tmp_path / "prolonged", resume=True, **constant)
    assert differences(tmp_path / "longer", tmp_path / "prolonged") == []


@pytest.mark.slow
def test_a_run_is_prolonged_with_more_images(whole, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(shapes, "SPLIT_SIZES", IMAGES | {"train": 14, "val": 5})
    output = shutil.copytree(whole, tmp_path / "copy")
    with pytest.raises(UserError, match="--epochs: expected at least the 4 that the run has begun, got 3"):
        run(output, resume=True, epochs=3)
    capsys.readouterr()
    run(output, resume=True, epochs=5)
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("--resume: ")]
    assert re.match("--resume: the data have changed: 2 images more in train, .* 1 image more in val", said[0])
    assert said[1:] == [
        "--resume: 7 steps an epoch instead of 6.",
        "--resume: 5 epochs instead of 4; the learning rate is that of a run of 5.",
        f"--resume: {output / 'best.keras'} was measured on other images: the best of what follows will be there.",
    ]
    assert (output / "best.keras").read_bytes() != (whole / "best.keras").read_bytes()
    rows = first_epochs(RunFolder(output, resume=True), 9)
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4", "5"]
    warmup, peak = 35 // 2, TrainSettings("shapes").learning_rate  # the warm-up takes at most half of all steps
    expected = peak * (0.99 * (1 + math.cos(math.pi * (4 * 7 - warmup) / (35 - warmup))) / 2 + 0.01)
    assert float(rows[-1]["learning_rate"]) == pytest.approx(expected, rel=1e-4)
    with local_copy(output / "last.keras") as path:
        assert int(load_model(path).optimizer.iterations) == 35


@pytest.mark.slow
def test_an_epoch_that_was_begun_with_other_data_begins_anew(tmp_path, monkeypatch, capsys):
    run_and_stop(tmp_path, 4)  # 6 steps per epoch, a checkpoint after the 4th
    monkeypatch.setattr(shapes, "SPLIT_SIZES", IMAGES | {"train": 14})
    run(tmp_path, resume=True, epochs=1)
    assert "--resume: 7 steps an epoch instead of 6; epoch 1 begins anew." in capsys.readouterr().out
    assert int(RunFolder(tmp_path, resume=True).read_checkpoint()["epoch"]) == 1


MOMENTS = {  # (hook of a callback, number of its calls before the signal)
    "between two steps": ("on_train_batch_begin", 9),
    "in validation": ("on_test_begin", 1),
    "while the best model is saved": ("on_best", 0),
}


def run_and_signal(output, number, hook, calls, **options):
    """Trains in a command that gets a signal at the given call of a hook; returns its exit code."""
    fit, done, save = CenterNet.fit, [], KeepBest.on_epoch_end

    def send(*arguments, **logs):
        if len(done) == calls:
            signal.raise_signal(number)
        done.append(hook)

    def save_and_send(self, *arguments):
        save(self, *arguments)
        if hook == "on_best":
            send()

    def fit_and_send(self, *args, callbacks, **rest):
        sender = keras.callbacks.LambdaCallback(on_train_batch_begin=send if "train" in hook else None)
        sender.on_test_begin = send if "test" in hook else sender.on_test_begin
        return fit(self, *args, callbacks=[sender, *callbacks], **rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CenterNet, "fit", fit_and_send)
        patch.setattr(KeepBest, "on_epoch_end", save_and_send)
        return run_command(lambda: bool(run(output, **options)))


@pytest.mark.slow
@pytest.mark.parametrize(
    "moment", [name if "steps" in name else pytest.param(name, marks=pytest.mark.exhaustive) for name in MOMENTS]
)
def test_a_signal_leaves_a_checkpoint_of_that_moment(moment, whole, tmp_path, capsys):
    hook, calls = MOMENTS[moment]
    options = {"checkpoint_every": None, "keep": 1}
    assert run_and_signal(tmp_path, signal.SIGTERM, hook, calls, **options) == 143
    epochs, batches = {"steps": (1, 3), "validation": (1, 6), "saved": (0, 6)}[moment.split()[-1]]
    said = f"{epochs} of 4 epochs and {batches} of 6 batches; go on with: keras-centernet train --resume {tmp_path}"
    assert capsys.readouterr().err == f"\nTerminated. Saved after {said}\n"
    state = RunFolder(tmp_path, resume=True).read_checkpoint()
    assert (int(state["epoch"]), int(state["batch"])) == (epochs, batches)
    run(tmp_path, resume=True, **options)
    assert set(differences(whole, tmp_path)) <= {"last.keras: earlier"}


@pytest.mark.slow
def test_a_remote_run_that_patience_ended_stays_ended(tmp_path, capsys):
    output = f"ram://{tmp_path.name}/run"
    options = {"freeze": ("backbone", "bn2"), "backbone_rate": 0.1, "accumulate": 2, "patience": 1, "verbose": 2}
    options |= {"learning_rate": 1e-9}  # neither weights nor batch statistics change, so AP stays
    with pytest.raises(UserError, match="freeze and backbone_rate"):
        run(output, **options)
    metrics = run(output, **options | {"backbone_rate": 1.0})
    assert "No better result in 1 evaluations: stopped after epoch 2 of 4." in capsys.readouterr().out
    folder = RunFolder(output, resume=True)
    assert {"best.keras", "last.keras", "metrics.json", "history.csv", "curves.png"} <= set(folder.names(""))
    assert len(first_epochs(folder, 9)) == 2
    with local_copy(folder / "last.keras") as path:
        optimizer = load_model(path).optimizer
    assert int(optimizer.iterations) == 6  # 2 epochs of 6 batches
    again = run(output, resume=True, **options | {"backbone_rate": 1.0})
    assert "Epoch " not in capsys.readouterr().out
    assert again["AP"] == metrics["AP"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "moments", "kills"),
    [
        ("few", 1, 6),
        pytest.param("each", 2, 16, marks=pytest.mark.exhaustive),
        pytest.param("all", 7, 26, marks=pytest.mark.exhaustive),
    ],
)
def test_runs_killed_at_many_points_end_like_an_uninterrupted_one(how, moments, kills, tmp_path):
    """Before the first step, in steps, in validation, during and between writing files, and at random moments."""
    done = run_python("-m", "tests.helpers.killed_runs", str(tmp_path), how, str(moments))
    assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads(done.stdout.splitlines()[-1])
    assert len(report["killed"]) == kills
    assert set(report["killed"]) <= {point for point, _ in POINTS} | {"moment"}
    assert len(set(report["killed"])) == min(kills, len(dict(POINTS)) + 1)
    assert report["broken"] == report["different"] == []


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("backend", "options"),
    [
        ("tensorflow", {"steps_per_execution": 4}),
        ("tensorflow", {"optimizer": "muon"}),
        pytest.param("jax", {}, marks=pytest.mark.exhaustive),
        pytest.param("torch", {}, marks=pytest.mark.exhaustive),
    ],
)
def test_a_killed_run_with_a_slow_backbone_ends_like_an_uninterrupted_one(backend, options, tmp_path):
    def start(output, *point):
        every = {"backbone_rate": 0.1, "backend": backend, "output": str(tmp_path / output), **options}
        done = run_python("-m", "tests.helpers.one_run", json.dumps(every), *point, KERAS_BACKEND=backend)
        assert done.returncode == (-signal.SIGKILL if point else 0), done.stderr[-2000:]

    start("whole")
    start("killed", "step", "7")
    assert (tmp_path / "killed" / "last.keras").exists()
    start("killed")
    assert differences(tmp_path / "whole", tmp_path / "killed") == []


DETERMINISTIC = """
import pathlib, sys
from tensorflow.python.framework.config import is_op_determinism_enabled
from keras_centernet.data.formats import shapes
from keras_centernet.runs.settings import TrainSettings
from keras_centernet.runs.train import train
from keras_centernet.terminal.running import run_command
from tests.helpers.killed_runs import IMAGES, OPTIONS, differences
from tests.helpers.tiny_backbone import TINY, add_tiny_backbone

shapes.SPLIT_SIZES.update(IMAGES)
add_tiny_backbone()
outputs = [pathlib.Path(sys.argv[1]) / name for name in ("one", "other")]
for output in outputs:
    train(TrainSettings(backbone=TINY, output=str(output), deterministic=True, **OPTIONS))
print(is_op_determinism_enabled(), differences(*outputs))
"""


@pytest.mark.exhaustive
def test_only_deterministic_kernels_train_twice_to_the_same_bits(tmp_path):
    done = run_python("-c", DETERMINISTIC, str(tmp_path))
    assert done.stdout.splitlines()[-1] == "True []", done.stderr[-2000:]
