"""From an option to devices: what is refused in one line, what is promised in the plan, and two real workers."""

import json
import pathlib
import re
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf

from keras_centernet import UserError, load_dataset, load_model
from keras_centernet.cli import main
from keras_centernet.runs import devices as strategies
from keras_centernet.runs.devices import build_strategy, check_batch, plan, steps_together
from keras_centernet.runs.settings import TrainSettings
from keras_centernet.runs.workers import check_cluster
from tests.helpers.tiny_backbone import TINY

CLUSTER = {"worker": ["127.0.0.1:2222", "127.0.0.1:2223"]}


def test_no_option_is_tensorflows_default():
    assert build_strategy(TrainSettings("shapes")) is tf.distribute.get_strategy()


def test_two_options_at_once():
    with pytest.raises(UserError, match=r"Expected at most one of --tpu, --gpus .* got --tpu and --gpus"):
        build_strategy(TrainSettings("shapes", tpu="local", gpus=2))


def test_gpus_that_are_not_there():
    there = len(tf.config.list_logical_devices("GPU"))
    with pytest.raises(UserError, match=rf"--gpus 99: expected at most the {there} GPU\(s\) that TensorFlow sees"):
        build_strategy(TrainSettings("shapes", gpus=99))
    with pytest.raises(UserError, match="gpus: expected a positive number, got 0"):
        TrainSettings("shapes", gpus=0)


@pytest.mark.skipif(bool(tf.config.list_physical_devices("TPU")), reason="there is a TPU")
def test_a_missing_tpu_is_one_line_and_code_2(tmp_path, capsys):
    assert main(["train", "--data", "shapes", "--tpu", "--output", str(tmp_path / "run")]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert re.search(r"--tpu local: expected a TPU, found none \(TPUs not found in the cluster\)\. Start", line)
    assert not (tmp_path / "run").exists()


def test_a_tpu_that_never_answers_is_given_up(monkeypatch):
    """As an address does at which nobody listens; TensorFlow itself tries for ever."""
    monkeypatch.setattr(strategies, "TPU_SECONDS", 0.2)
    monkeypatch.setattr(tf.config, "experimental_connect_to_cluster", lambda resolver: time.sleep(5))
    start = time.perf_counter()
    with pytest.raises(UserError, match=r"--tpu grpc://127\.0\.0\.1:1: expected a TPU, found none \(no answer within"):
        build_strategy(TrainSettings("shapes", tpu="grpc://127.0.0.1:1"))
    assert time.perf_counter() - start < 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "expected the environment variable TF_CONFIG, it is not set"),
        ("{half", "expected TF_CONFIG to list a cluster and a task, got {half"),
        ("[]", "expected TF_CONFIG to list a cluster and a task"),
        (json.dumps({"cluster": CLUSTER}), "expected TF_CONFIG to list a cluster and a task"),
        (json.dumps({"cluster": CLUSTER, "task": {"type": "worker", "index": 2}}), "expected a task of the cluster"),
        (json.dumps({"cluster": CLUSTER, "task": {"type": "ps", "index": 0}}), "expected a task of the cluster"),
    ],
)
def test_a_cluster_that_is_none(monkeypatch, text, message):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if text:
        monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(UserError, match="--multi-worker: .*" + re.escape(message)):
        build_strategy(TrainSettings("shapes", multi_worker=True))


def test_a_cluster_with_a_chief():
    check_cluster(json.dumps({"cluster": CLUSTER | {"chief": ["a:1"]}, "task": {"type": "chief", "index": 0}}))


def test_the_plan_says_what_runs_where():
    train_set = load_dataset("shapes", input_size=64, batch_size=8, limit=16)
    text = plan(TrainSettings("shapes", epochs=3), tf.distribute.get_strategy(), train_set, steps=2)
    assert re.search(r"devices +1 replica\(s\) of 1 process\(es\); here (CPU|GPU)", text)
    assert re.search(r"batch +8 images in a step, 8 per replica", text)
    assert re.search(r"steps +2 an epoch, 6 in 3 epochs", text)
    assert re.search(r"precision +float32\n", text)
    text_of_tpu = plan(
        TrainSettings("shapes", tpu="local", accumulate=2), tf.distribute.get_strategy(), train_set, 64, together=32
    )
    assert re.search(r"batch +8 images in a step, 8 per replica, in 2 micro-batches\n", text_of_tpu)
    assert "read by this process" in text_of_tpu
    text_of_far_tpu = plan(TrainSettings("shapes", tpu="pod"), tf.distribute.get_strategy(), train_set, 64)
    assert "images, read by the hosts of the TPU" in text_of_far_tpu
    assert re.search(r"steps +64 an epoch, 6400 in 100 epochs, 32 per execution\nprecision +bfloat16", text_of_tpu)
    assert re.search(r"data +shapes \(train\), 1024 images, read by this process", text)


def test_a_batch_that_cannot_be_shared():
    class OfThree:
        num_replicas_in_sync = 3

    check_batch(OfThree(), 9)
    with pytest.raises(UserError, match=r"--batch-size: expected a multiple of the 3 device\(s\), got 8 images"):
        check_batch(OfThree(), 8)
    check_batch(OfThree(), 12, accumulate=2)
    with pytest.raises(UserError, match=r"a multiple of the 3 device\(s\) times --accumulate 2, got 9 images"):
        check_batch(OfThree(), 9, accumulate=2)


@pytest.mark.parametrize(
    ("steps", "wanted", "together"), [(100, 1, 1), (100, 50, 50), (99, 50, 33), (7, 50, 7), (101, 10, 10), (1, 1, 1)]
)
def test_steps_that_run_together_leave_few_of_an_epoch_over(steps, wanted, together):
    assert steps_together(steps, TrainSettings("shapes", steps_per_execution=wanted)) == together


def test_steps_run_together_on_a_tpu_where_nobody_says_how_many():
    assert steps_together(640, TrainSettings("shapes")) == 1
    assert steps_together(640, TrainSettings("shapes", tpu="local")) == 32
    assert steps_together(640, TrainSettings("shapes", tpu="local", steps_per_execution=1)) == 1


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def train_two_workers(folder, *more):
    """Trains in two processes, each in a working folder of its own; returns what they printed."""
    root = pathlib.Path(__file__).parents[2]
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
    assert len(history) == 1 + 2  # `one_worker.py` lets one of them stop after two of the four epochs
    assert "2 replica(s) of 2 process(es)" in printed[0]
    assert "1/2 of them read by each process" in printed[0]
    assert {"best.keras", "last.keras", "metrics.json"} <= {path.name for path in run.iterdir()}
    assert not (tmp_path / "1" / "run").exists()  # in its own working folder the other worker has written nothing
    assert len(load_model(run / "last.keras").network.variables) == len(np.load(weights[0]).files)

    before = weights[0].rename(tmp_path / "before.npz")
    (tmp_path / "1" / "run").symlink_to(run)
    (run / "checkpoints" / "step_000000030.keras").replace(run / "last.keras")  # the 14th of 16 steps of epoch 2
    train_two_workers(tmp_path, "--resume")
    assert_equal_files(*weights)
    assert_equal_files(before, weights[0])
    again = (run / "history.csv").read_text().splitlines()
    assert [row.rpartition(",")[0] for row in again] == [row.rpartition(",")[0] for row in history]  # but for seconds
