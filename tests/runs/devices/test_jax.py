"""JAX: many devices and several processes train as one device does, and resume after a kill.

CPUs stand in for GPUs and TPUs: XLA splits one into many devices, and Gloo connects the processes.
"""

import csv
import json
import os
import signal
import subprocess
import sys

import pytest

from keras_centernet import UserError
from keras_centernet.runs.devices.jax import ADDRESSES, COUNT, INDEX, read_cluster
from keras_centernet.runs.settings import TrainSettings
from keras_centernet.runs.train import train
from tests.helpers.killed_runs import OPTIONS, differences
from tests.helpers.processes import free_ports
from tests.helpers.tiny_backbone import TINY

GLOBAL_BATCH = {"batch_size": 4, "checkpoint_every": 2, "verbose": 2}  # 3 steps an epoch, 4 epochs


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({}, f"expected the environment variable(s) {ADDRESSES}, {COUNT}, {INDEX}, not set. Start every process"),
        ({ADDRESSES: "a:1", COUNT: "2"}, f"expected the environment variable(s) {INDEX}, not set."),
        ({ADDRESSES: "a:1", COUNT: "two", INDEX: "0"}, f"expected {COUNT} of at least 2, got two."),
        ({ADDRESSES: "a:1", COUNT: "1", INDEX: "0"}, f"expected {COUNT} of at least 2, got 1."),
        ({ADDRESSES: "a:1", COUNT: "2", INDEX: "2"}, f"expected {INDEX} from 0 to 1, got 2."),
        ({ADDRESSES: "a:1", COUNT: "2", INDEX: "-1"}, f"expected {INDEX} from 0 to 1, got -1."),
        ({ADDRESSES: "a", COUNT: "2", INDEX: "0"}, "expected one HOST:PORT or 2 of them, with commas, in KERAS"),
        ({ADDRESSES: "a:1,b:2,c:3", COUNT: "2", INDEX: "0"}, "expected one HOST:PORT or 2 of them, with commas"),
    ],
)
def test_variables_that_describe_no_cluster(variables, message):
    with pytest.raises(UserError) as caught:
        read_cluster(variables)
    assert str(caught.value).startswith(f"--multi-worker: {message}")
    assert f"{ADDRESSES}=host0:2222 {COUNT}=2 {INDEX}=0" in str(caught.value)


@pytest.mark.parametrize("addresses", ["a:1", "a:1,b:2"])
def test_variables_that_describe_a_cluster(addresses):
    assert read_cluster({ADDRESSES: addresses, COUNT: "2", INDEX: "1"}) == (addresses, 2, 1)


def start(output, *arguments, module="tests.helpers.one_run", backend="jax", variables=(), **options):
    """Starts a run of a tiny network; `arguments` name the point where it kills itself."""
    environment = {"PYTHONPATH": os.getcwd(), "KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu", **dict(variables)}
    command = [sys.executable, "-m", module, json.dumps({"output": str(output), **options}), *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env=os.environ | environment, **pipes)


def end(*processes):
    """Waits for processes; returns their exit codes and (stdout, stderr) of each."""
    printed = [process.communicate(timeout=900) for process in processes]
    return [process.returncode for process in processes], printed


def losses_of(output):
    with open(output / "history.csv", newline="") as file:
        return [[float(row[name]) for name in row if "loss" in name] for row in csv.DictReader(file)]


@pytest.mark.exhaustive
def test_a_run_of_jax_is_resumed_on_jax_only(tmp_path):
    codes, printed = end(start(tmp_path, epochs=1))
    assert codes == [0], printed
    assert json.loads((tmp_path / "config.json").read_text())["backend"] == "jax"
    same = {"backbone": TINY, "output": str(tmp_path), "resume": True} | OPTIONS | {"epochs": 1}
    with pytest.raises(UserError, match=r"--resume: expected backend 'jax' as in .*, got 'tensorflow'\. Give the same"):
        train(TrainSettings(**same))


@pytest.mark.parametrize(
    ("backend", "trace"),
    [
        pytest.param("jax", "*/*.xplane.pb", marks=pytest.mark.slow),
        pytest.param("torch", "*.pt.trace.json", marks=pytest.mark.exhaustive),
    ],
)
def test_a_killed_run_ends_with_the_same_bits(backend, trace, tmp_path):
    """It is killed inside the second epoch, after a checkpoint. The whole run is profiled, which changes nothing."""
    (code,), ((said, _),) = end(start(tmp_path / "whole", backend=backend, profile=True, verbose=2))
    assert code == 0
    assert "waiting for images; trace in" in said
    assert list((tmp_path / "whole" / "tensorboard").glob(f"plugins/profile/{trace}" if backend == "jax" else trace))
    codes, _ = end(start(tmp_path / "killed", "step", "10", backend=backend))
    assert codes == [-signal.SIGKILL]
    codes, _ = end(start(tmp_path / "killed", backend=backend))
    assert codes == [0]
    assert differences(tmp_path / "whole", tmp_path / "killed") == []


@pytest.fixture(scope="module")
def of_one_device(tmp_path_factory):
    output = tmp_path_factory.mktemp("runs") / "one"
    codes, printed = end(start(output, **GLOBAL_BATCH))
    assert codes == [0], printed
    return output


@pytest.mark.parametrize(
    "count", [pytest.param(2, marks=pytest.mark.slow), pytest.param(4, marks=pytest.mark.exhaustive)]
)
def test_devices_of_one_process_train_as_one_does(count, of_one_device, tmp_path):
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=8"}
    started = start(tmp_path, module="tests.helpers.cpus_for_gpus", variables=flags, gpus=count, **GLOBAL_BATCH)
    (code,), ((said, printed),) = end(started)
    assert code == 0, printed
    assert f"{count} replica(s) of 1 process(es); here CPU:0, CPU:1" in said
    for found, expected in zip(losses_of(tmp_path), losses_of(of_one_device), strict=True):
        assert found == pytest.approx(expected, rel=1e-5)


def start_two(output, devices, killed=None):
    """Starts two processes with `devices` devices each; the process `killed` kills itself in the third epoch."""
    address = f"127.0.0.1:{free_ports(1)[0]}"
    started = []
    for index in range(2):
        variables = {ADDRESSES: address, COUNT: "2", INDEX: str(index)}
        variables["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={devices}"
        arguments = ("step", "7") if index == killed else ()
        started.append(start(output, *arguments, variables=variables, multi_worker=True, **GLOBAL_BATCH))
    return started


@pytest.mark.parametrize(
    "killed", [pytest.param(0, marks=pytest.mark.exhaustive), pytest.param(1, marks=pytest.mark.slow)]
)
def test_a_lost_process_ends_the_other_and_both_go_on_with_more_devices(killed, of_one_device, tmp_path):
    """The processes together train as one device does."""
    codes, printed = end(*start_two(tmp_path, 1, killed))
    assert codes[killed] == -signal.SIGKILL
    assert codes[1 - killed] != 0
    if killed:  # if process 0 is killed, JAX itself may notice first and end the process
        line = printed[0][1].strip().splitlines()[-1]
        assert line.startswith("one_run: --multi-worker: expected all workers to run to the end, one of them has stop")
    codes, printed = end(*start_two(tmp_path, 2))
    assert codes == [0, 0], printed
    assert "4 replica(s) of 2 process(es); here CPU:0, CPU:1" in printed[0][0]
    assert "1/2 of them read by each process" in printed[0][0]
    assert {"best.keras", "last.keras", "metrics.json"} <= {path.name for path in tmp_path.iterdir()}
    for found, expected in zip(losses_of(tmp_path), losses_of(of_one_device), strict=True):
        assert found == pytest.approx(expected, rel=1e-5)
