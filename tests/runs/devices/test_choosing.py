"""The backend: the one that is asked for, the one that is used, and one-line errors for contradictions."""

import os
import subprocess
import sys

import pytest

from keras_centernet import UserError
from keras_centernet.runs.devices import table
from keras_centernet.runs.devices.choosing import check_options, choose_backend, use_backend
from keras_centernet.runs.settings import TrainSettings
from keras_centernet.runs.train import train

COMMAND = "import sys; from keras_centernet.cli import main; sys.exit(main(sys.argv[1:]))"


@pytest.fixture(autouse=True)
def no_variable(monkeypatch):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)


@pytest.mark.parametrize(
    ("given", "variable", "tpu", "chosen"),
    [
        pytest.param(None, None, False, "tensorflow", id="nothing said"),
        pytest.param(None, None, True, "jax", id="a TPU"),
        pytest.param("torch", None, False, "torch", id="the option"),
        pytest.param(None, "jax", False, "jax", id="the variable"),
        pytest.param("torch", "jax", False, "torch", id="the option before the variable"),
        pytest.param(None, "tensorflow", True, "tensorflow", id="the variable before the device, which then objects"),
    ],
)
def test_the_option_comes_before_the_variable_and_the_device(given, variable, tpu, chosen, monkeypatch):
    if variable:
        monkeypatch.setenv("KERAS_BACKEND", variable)
    pytest.importorskip(chosen)
    assert choose_backend(given, tpu) == chosen


def test_an_unknown_backend(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "theano")
    with pytest.raises(UserError, match=r"KERAS_BACKEND: expected one of tensorflow, jax, torch, got 'theano'\."):
        choose_backend()
    with pytest.raises(UserError, match=r"backend: expected one of tensorflow, jax, torch, got 'theano'\."):
        TrainSettings("shapes", backend="theano")


def test_a_backend_that_is_not_installed(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    message = r'--backend jax: expected the package jax, which is not installed\. Run .* "keras_centernet\[jax\]"`\.'
    with pytest.raises(UserError, match=message):
        choose_backend("jax")


def test_keras_keeps_the_backend_that_it_has():
    use_backend("tensorflow")
    message = r"--backend jax: expected Keras on JAX, it runs on tensorflow\. Set KERAS_BACKEND=jax before Keras"
    with pytest.raises(UserError, match=message):
        use_backend("jax")
    with pytest.raises(UserError, match=message):
        train(TrainSettings("shapes", backend="jax"))
    with pytest.raises(UserError, match=message):
        train(TrainSettings("shapes", tpu=True))


@pytest.mark.parametrize(
    ("backend", "options", "message"),
    [
        ("tensorflow", {"tpu": True}, "--tpu: expected jax as the backend, got tensorflow. Choose it with --backend"),
        ("torch", {"tpu": True}, "--tpu: expected jax as the backend, got torch."),
        ("torch", {"gpus": 2}, "--gpus 2: expected tensorflow or jax as the backend, got torch."),
        ("torch", {"multi_worker": True}, "--multi-worker: expected tensorflow or jax as the backend, got torch."),
        ("torch", {"data_service": "grpc://a:1"}, "--data-service grpc://a:1: expected tensorflow or jax as the"),
        ("torch", {"steps_per_execution": 2}, "--steps-per-execution 2: expected tensorflow or jax as the backend"),
        ("jax", {"loss_mean": "replica"}, "--loss-mean replica: expected tensorflow or torch as the backend, got jax."),
    ],
)
def test_options_that_a_backend_does_not_have(backend, options, message):
    with pytest.raises(UserError) as caught:
        check_options(TrainSettings("shapes", **options), backend)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("backend", table.BACKENDS)
def test_options_that_every_backend_has(backend):
    check_options(TrainSettings("shapes", gpus=1, steps_per_execution=1), backend)


@pytest.mark.parametrize("options", [("tpu", "gpus"), ("tpu", "multi_worker"), ("gpus", "multi_worker")])
def test_two_kinds_of_devices_are_refused(options):
    flags = " and ".join("--" + name.replace("_", "-") for name in options)
    with pytest.raises(UserError, match=f"Expected at most one of --tpu, --gpus and --multi-worker, got {flags}"):
        TrainSettings("shapes", **{name: 1 if name == "gpus" else True for name in options})


def run_command(code, *arguments, **variables):
    environment = {**os.environ, "PYTHONPATH": os.getcwd(), "TF_CPP_MIN_LOG_LEVEL": "3", **variables}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_no_command_imports_keras_to_list_its_options():
    code = """if True:
    import sys
    from keras_centernet.cli import COMMANDS, main
    for name in COMMANDS.keys() - {"export"}:
        try:
            main([name, "--help"])
        except SystemExit:
            assert "keras" not in sys.modules, name
    """
    assert run_command(code).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "variables", "message"),
    [
        (["--tpu", "--backend", "torch"], {}, "--tpu: expected jax as the backend, got torch."),
        (["--tpu"], {"KERAS_BACKEND": "tensorflow"}, "--tpu: expected jax as the backend, got tensorflow."),
        (["--tpu"], {}, "--tpu: expected a TPU, found none ("),
        (["--gpus", "99", "--backend", "jax"], {}, "--gpus 99: expected at most the "),
        (
            ["--gpus", "1"],
            {"KERAS_BACKEND": "torch"},
            "--gpus 1: expected at most the 0 GPU(s) that PyTorch sees here.",
        ),
    ],
)
def test_a_command_says_it_in_one_line(arguments, variables, message, tmp_path):
    variables = {"JAX_PLATFORMS": "", "CUDA_VISIBLE_DEVICES": "", **variables}
    command = ["train", "--data", "shapes", "--output", str(tmp_path / "run"), *arguments]
    done = run_command(COMMAND, *command, **variables)
    line = done.stderr.strip().splitlines()[-1]
    assert line.startswith(f"keras-centernet: {message}")
    assert "Traceback" not in done.stderr
    assert done.returncode == 2
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_export_chooses_tensorflow_by_itself():
    code = """if True:
    import sys
    from keras_centernet.cli import main
    try:
        main(["export", "--help"])
    except SystemExit:
        import keras
        print(keras.backend.backend())
    """
    assert run_command(code, KERAS_BACKEND="jax").stdout.splitlines()[-1] == "tensorflow"
