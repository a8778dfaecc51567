"""TensorFlow: from an option to replicas, what is refused in one line, and two real workers."""

import json
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from keras_centernet import UserError, load_model
from keras_centernet.runs.devices.devices import build_devices
from keras_centernet.runs.devices.tensorflow import check_cluster
from keras_centernet.runs.settings import TrainSettings
from tests.helpers.processes import free_ports
from tests.helpers.tiny_backbone import TINY

CLUSTER = {"worker": ["127.0.0.1:2222", "127.0.0.1:2223"]}


def test_without_an_option_tensorflows_default_strategy_is_used():
    devices = build_devices(TrainSettings("shapes"))
    assert devices.strategy is tf.distribute.get_strategy()
    assert (devices.replicas, devices.processes, devices.is_chief) == (1, 1, True)


def test_missing_gpus():
    there = len(tf.config.list_logical_devices("GPU"))
    with pytest.raises(UserError, match=rf"--gpus 99: expected at most the {there} GPU\(s\) that TensorFlow sees"):
        build_devices(TrainSettings("shapes", gpus=99))
    with pytest.raises(UserError, match="gpus: expected a whole number of at least 1, got 0"):
        TrainSettings("shapes", gpus=0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "expected the environment variable TF_CONFIG, it is not set"),
        ("{half", "expected TF_CONFIG to list a cluster and a task, got {half"),
        ("[]", "expected TF_CONFIG to list a cluster and a task"),
        (json.dumps({"cluster": CLUSTER}), "expected TF_CONFIG to list a cluster and a task"),
        (json.dumps({"cluster": {"worker": 3}, "task": {"type": "worker", "index": 0}}), "expected TF_CONFIG to list"),
        (json.dumps({"cluster": {"worker": ["a"]}, "task": {"type": "worker", "index": 0}}), "expected TF_CONFIG to l"),
        (json.dumps({"cluster": CLUSTER, "task": {"type": ["x"], "index": 0}}), "expected TF_CONFIG to list"),
        (json.dumps({"cluster": CLUSTER, "task": "worker"}), "expected TF_CONFIG to list a cluster and a task"),
        ('{"cluster": ' + "[" * 5000, "expected TF_CONFIG to list a cluster and a task"),
        ("x" * 5000, "(5000 characters). docs/backends.md shows one."),
        (json.dumps({"cluster": CLUSTER, "task": {"type": "worker", "index": 2}}), "expected a task of the cluster"),
        (json.dumps({"cluster": CLUSTER, "task": {"type": "ps", "index": 0}}), "expected a task of the cluster"),
    ],
)
def test_an_invalid_cluster(monkeypatch, text, message):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if text:
        monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(UserError, match="--multi-worker: .*" + re.escape(message)):
        build_devices(TrainSettings("shapes", multi_worker=True))


def test_a_cluster_with_a_chief():
    check_cluster(json.dumps({"cluster": CLUSTER | {"chief": ["a:1"]}, "task": {"type": "chief", "index": 0}}))


def train_two_workers(folder, *more):
    """Trains in two processes, each in its own working folder; returns their outputs."""
    root = pathlib.Path(__file__).parents[3]
    cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports(2)]}
    sizes = ["--input-size", "32", "--batch-size", "32", "--accumulate", "2", "--epochs", "4", "--evaluate-every", "1"]
    options = ["--data", "shapes", "--backbone", TINY, *sizes, "--checkpoint-every", "5", "--keep", "2", *more]
    started = []
    for index in range(2):
        config = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}})
        own = folder / str(index)
        own.mkdir(exist_ok=True)
        command = [
            sys.executable,
            str(root / "tests" / "helpers" / "one_worker.py"),
            "weights.npz",
            *options,
            "--multi-worker",
        ]
        environment = {"PYTHONPATH": str(root), "TF_CONFIG": config, "TMPDIR": str(folder)}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        started.append(subprocess.Popen([*command, "--output", "run"], cwd=own, env=environment, **pipes))
    printed = [process.communicate(timeout=900)[0] for process in started]
    assert [process.returncode for process in started] == [0, 0], printed
    assert not any("Warning" in text for text in printed), printed
    return printed


def assert_equal_files(first, second):
    first, second = np.load(first), np.load(second)
    assert first.files == second.files
    for name in first.files:
        np.testing.assert_array_equal(first[name], second[name])


@pytest.mark.slow
def test_two_workers_end_with_the_same_weights_and_one_folder_and_go_on_inside_an_epoch(tmp_path):
    printed = train_two_workers(tmp_path)
    run, weights = tmp_path / "0" / "run", [tmp_path / str(index) / "weights.npz" for index in range(2)]
    assert_equal_files(*weights)
    history = (run / "history.csv").read_text().splitlines()
    assert len(history) == 1 + 2  # `one_worker.py` stops one of them after two of the four epochs
    assert "2 replica(s) of 2 process(es)" in printed[0]
    assert "1/2 of them read by each process" in printed[0]
    assert {"best.keras", "last.keras", "metrics.json"} <= {path.name for path in run.iterdir()}
    assert not (tmp_path / "1" / "run").exists()  # the other worker has written nothing in its folder
    assert len(load_model(run / "last.keras").network.variables) == len(np.load(weights[0]).files)

    before = weights[0].rename(tmp_path / "before.npz")
    (tmp_path / "1" / "run").symlink_to(run)
    (run / "checkpoints" / "step_000000030.keras").replace(run / "last.keras")  # the 14th of 16 steps of epoch 2
    train_two_workers(tmp_path, "--resume")
    assert_equal_files(*weights)
    assert_equal_files(before, weights[0])
    again = (run / "history.csv").read_text().splitlines()
    assert [row.rpartition(",")[0] for row in again] == [row.rpartition(",")[0] for row in history]  # without seconds
