"""A user's own network and task on the command line, from a module in the current folder."""

import json
import subprocess
import sys

import keras
import pytest

from keras_centernet import load_model
from keras_centernet.cli import main
from keras_centernet.tasks.table import TASKS

MODULE = """
import dataclasses
import keras
from keras_centernet.tasks.detection import build_detection
from keras_centernet.tasks.table import TASKS, TaskRow


@keras.saving.register_keras_serializable(package="mine")
def build_network(images):
    x = keras.layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(images)
    return keras.layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(x)


def darken(example):
    return {"image": example["image"] // 2}


@keras.saving.register_keras_serializable(package="mine")
def build_task(classes, radius="published"):
    return dataclasses.replace(build_detection(classes, radius=radius), name="of_mine")


TASKS["of_mine"] = TaskRow(build_task, (), flip=0.0)
"""
FORK = """
import contextlib, io, json, os, sys
import keras_centernet.evaluation, keras_centernet.model
from keras_centernet.cli import main
done = []
for command in json.loads(sys.argv[1]):
    ours, theirs = os.pipe()
    if not os.fork():
        with contextlib.redirect_stderr(io.StringIO()) as error:
            code = main(command)
        os.write(theirs, json.dumps([code, error.getvalue()[-9000:]]).encode())
        os._exit(0)
    os.close(theirs)
    done.append(json.load(open(ours)))
    os.wait()
print(json.dumps(done))
"""
TRAIN = "train --backbone {module}:build_network --task {module}:build_task --task-option radius=geometric"
TRAIN += " --input-size 64 --batch-size 3 --epochs 1 --head-loss size=smooth_l1 --loss-weight size=0.2"
TRAIN += " --mixed-precision --augment {module}:darken --hsv 0.015,0.7,0.4 --mosaic 0.5 --close-mosaic 0"


@pytest.fixture(scope="module")
def module(tmp_path_factory):
    """A folder with a module that no other test imports."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "objects_of_mine.py").write_text(MODULE)
    yield folder / "objects_of_mine.py"
    TASKS.pop("of_mine", None)


@pytest.fixture
def there(module, monkeypatch):
    """Makes the module's folder the current one."""
    monkeypatch.chdir(module.parent)


@pytest.fixture(scope="module")
def best(module, photos):
    """The best model of a run of one epoch."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(module.parent)
        command = TRAIN.format(module=module.stem).split()
        assert main([*command, "--data", str(photos), "--output", "run"]) == 0
    return module.parent / "run" / "best.keras"


@pytest.mark.slow
def test_the_run_remembers_the_names(best, photos, there, capsys):
    config = json.loads((best.parent / "config.json").read_text())
    assert (config["backbone"], config["task"]) == ("objects_of_mine:build_network", "objects_of_mine:build_task")
    assert (config["augment"], config["hsv"]) == ("objects_of_mine:darken", [0.015, 0.7, 0.4])
    assert (config["head_losses"], config["loss_weights"]) == ({"size": "smooth_l1"}, {"size": 0.2})
    model = load_model(best)
    assert (model.dtype_policy.name, model.dtype_policy.compute_dtype) == ("mixed_bfloat16", "bfloat16")
    assert keras.config.dtype_policy().name == "float32"  # the process's own policy is left alone
    assert [head.weight for head in model.task.heads if head.name == "size"] == [0.2]
    command = [*TRAIN.format(module="objects_of_mine").split(), "--data", str(photos), "--output", "run", "--resume"]
    assert main(command) == 0
    assert main([*command, "--loss-weight", "size=0.3"]) == 2
    assert "--resume: expected loss_weights {'size': 0.2} as in" in capsys.readouterr().err


def run_afresh(folder, *commands):
    """Runs each command in a process without the user's module; returns (exit code, stderr) of each.

    The processes are forked from one that has imported Keras: four imports would take longer than everything else.
    """
    done = subprocess.run(
        [sys.executable, "-c", FORK, json.dumps(commands)], capture_output=True, text=True, cwd=folder
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_a_fresh_process_imports_the_module(best, photos):
    measure = ["evaluate", "--model", str(best), "--data", str(photos), "--output", "metrics.json"]
    detect = ["predict", "--model", str(best), str(photos / "JPEGImages"), "--no-draw", "--output", "found"]
    more = ["--import", "objects_of_mine"]
    again = [[*measure[:-1], "again.json"], [*detect[:-1], "again"]]
    *imported, measured, detected = run_afresh(best.parent.parent, [*measure, *more], [*detect, *more], *again)
    for code, error in imported:
        assert code == 0, error
    for code, error in (measured, detected):
        assert code == 2
        (line,) = [line for line in error.splitlines() if line.startswith("keras-centernet: ")]
        assert "is not registered here" in line
        assert "--import MODULE" in line


@pytest.mark.slow
def test_an_exported_file_of_an_own_task_is_opened_by_its_row(best, photos):
    """Calibrated and measured on a data set as well, which is loaded for the own task."""
    data, more = ["--data", str(photos)], ["--import", "objects_of_mine"]
    export = ["export", "--model", str(best), "--output", "of_mine.tflite", "--precision", "int8", "--evaluate", "val"]
    measure = ["evaluate", "--model", "of_mine.tflite", "--output", "exported.json"]
    ((code, error),) = run_afresh(best.parent.parent, [*export, *data, *more])
    assert code == 0, error
    imported, refused = run_afresh(best.parent.parent, [*measure, *data, *more], [*measure[:-1], "no.json", *data])
    assert imported[0] == 0, imported[1]
    assert refused[0] == 2
    assert "got 'of_mine'. Import the module that adds its row to TASKS (--import MODULE)." in refused[1]


@pytest.mark.parametrize("command", ["inspect", "make-tfrecords"])
def test_data_are_read_for_an_own_task(command, photos, there, tmp_path):
    output = tmp_path / ("page.html" if command == "inspect" else "records")
    data = ["--data", str(photos), "--task", "objects_of_mine:build_task"]
    assert main([command, *data, "--output", str(output)]) == 0
    assert output.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--backbone objects_of_mine:other", "--backbone objects_of_mine:other: expected an object of module"),
        ("--backbone nowhere:build", "--backbone nowhere: expected a module that can be imported"),
        ("--augment objects_of_mine:lighten", "--augment objects_of_mine:lighten: expected an object of module"),
        ("--mosaic 0.5 --epochs 10 --close-mosaic 10", "close_mosaic: expected fewer than the 10 epochs"),
        ("--import nowhere", "--import nowhere: expected a module that can be imported"),
        ("--head-loss size=sharp", "Unknown loss: expected one of focal"),
        ("--head-loss nose=l1", "Unknown head of head_losses: expected one of center_heatmap"),
        ("--loss-weight size", "--loss-weight: expected NAME=VALUE, got 'size'"),
        ("--head-rate nose=2", "Unknown head of head_rates: expected one of center_heatmap"),
        ("--head-rate size=0", "head_rates of size: expected a number above 0 and at most 1000, got 0"),
        ("--loss-weight size=much", "loss_weights of size: expected a number of at least zero, got 'much'"),
    ],
)
def test_mistakes_are_one_line(options, message, photos, there, tmp_path, capsys):
    command = ["train", "--data", str(photos), "--output", str(tmp_path), "--input-size", "64", *options.split()]
    assert main([*command, "--batch-size", "2"]) == 2
    assert message in capsys.readouterr().err
