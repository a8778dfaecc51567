"""Signals: one line and exit code 128 + number, wherever the program is and whatever swallows the exception."""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from keras_centernet.terminal.running import (
    end_with,
    postpone_interruption,
    run_command,
    say_left,
    waiting_signal,
)

ROOT = pathlib.Path(__file__).parents[2]
SIGNALS = {
    signal.SIGINT: (130, "Interrupted"),
    signal.SIGTERM: (143, "Terminated"),
    signal.SIGHUP: (129, "The terminal is gone"),
}
COLLECTING = """
import gc
import signal
import sys
import time
from keras_centernet.terminal.running import run_command

def signal_once(phase, info):
    gc.callbacks.remove(signal_once)
    print(phase, flush=True)
    signal.raise_signal(signal.SIGTERM)

def collect():
    gc.callbacks.append(signal_once)
    gc.collect()
    end = time.monotonic() + 20
    while time.monotonic() < end:
        time.sleep(0.01)
    return 0

sys.exit(run_command(collect))
"""
every_signal = pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)


@pytest.fixture(autouse=True)
def usual_handlers():
    """Gives every signal its usual effect, even if the tests run under nohup."""
    usual = dict.fromkeys(SIGNALS, signal.SIG_DFL) | {signal.SIGINT: signal.default_int_handler}
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def wait(seconds):
    """Waits in Python code, so that signal handlers can run."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.01)
    return 0


def raise_and_wait(number, seconds=2.0):
    """Gets a signal and would then go on for a while."""
    signal.raise_signal(number)
    return wait(seconds)


@every_signal
def test_a_signal_gives_one_line_and_its_exit_code(number, capsys):
    code, word = SIGNALS[number]
    assert run_command(lambda: raise_and_wait(number)) == code
    assert capsys.readouterr().err == f"\n{word}. All that was finished before is on disk.\n"


def test_handlers_are_restored():
    before = [signal.getsignal(number) for number in (*SIGNALS, signal.SIGALRM)]
    run_command(lambda: raise_and_wait(signal.SIGTERM))
    assert [signal.getsignal(number) for number in (*SIGNALS, signal.SIGALRM)] == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert run_command(lambda: 5) == 5


@every_signal
def test_an_ignored_signal_stays_ignored(number):
    before = signal.signal(number, signal.SIG_IGN)  # as SIGHUP under nohup
    try:
        assert run_command(lambda: raise_and_wait(number, 0.1)) == 0
    finally:
        signal.signal(number, before)


def test_work_that_asks_for_signals_can_finish_its_step_and_save(capsys):
    done = []

    def work():
        postpone_interruption(20)
        raise_and_wait(signal.SIGTERM, 0.6)
        assert waiting_signal() == signal.SIGTERM
        done.append("step")
        say_left("A step is on disk.")
        end_with(waiting_signal(), lambda: wait(0.6) or done.append("saved"))

    assert run_command(work) == 143
    assert done == ["step", "saved"]
    assert capsys.readouterr().err == "\nTerminated. A step is on disk.\n"


@pytest.mark.parametrize("seconds", [0.1, 20])
def test_a_signal_is_postponed_for_some_seconds_or_until_the_work_allows_it(seconds):
    def work():
        postpone_interruption(seconds)
        raise_and_wait(signal.SIGTERM, 0.5)
        postpone_interruption(0)
        raise AssertionError

    start = time.monotonic()
    assert run_command(work) == 143
    assert (time.monotonic() - start < 0.45) == (seconds < 1)


def test_without_a_command_nothing_waits():
    postpone_interruption(0)
    assert waiting_signal() == 0


@every_signal
def test_an_exception_that_a_library_swallows_comes_again(number, capsys):
    def swallow():
        with contextlib.suppress(BaseException):  # as careless libraries do
            raise_and_wait(number, 0.2)
        return wait(5)

    assert run_command(swallow) == SIGNALS[number][0]
    assert capsys.readouterr().err.count("\n") == 2


def test_an_exception_in_a_callback_of_the_garbage_collector_comes_again():
    """JAX has such a callback, from which no exception can leave. In its own process, apart from pytest's collector."""
    done = subprocess.run([sys.executable, "-c", COLLECTING], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout == "start\n"
    assert (done.returncode, done.stderr) == (143, "\nTerminated. All that was finished before is on disk.\n")


def test_a_library_that_prints_the_exception_says_nothing(capsys):
    """C code does so where it cannot pass the exception on."""

    def work():
        try:
            raise_and_wait(signal.SIGTERM, 0.1)
        except KeyboardInterrupt:
            sys.excepthook(*sys.exc_info())
        return wait(5)

    assert run_command(work) == 143
    assert capsys.readouterr().err == "\nTerminated. All that was finished before is on disk.\n"


def test_cleaning_up_is_left_alone(capsys):
    """A `finally` block is not interrupted again, although the exception is checked repeatedly."""
    finished = []

    def work():
        try:
            raise_and_wait(signal.SIGTERM)
        finally:
            time.sleep(0.8)
            finished.append(True)

    assert run_command(work) == 143
    assert finished == [True]


def test_another_exception_that_a_library_raises_instead_counts_as_the_signal():
    def turn():
        try:
            raise_and_wait(signal.SIGTERM)
        except KeyboardInterrupt:
            raise RuntimeError("cancelled by a callback") from None

    assert run_command(turn) == 143


def test_other_errors_are_errors():
    def fail():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_command(fail)


SECOND = """
import hashlib, time
from keras_centernet.terminal.running import run_command
def work():
    try:
        print("ready", flush=True)
        time.sleep(30)
    finally:
        print("cleaning", flush=True)
        hashlib.pbkdf2_hmac("sha256", b"a", b"b", 10**9)  # minutes, in which no handler of Python runs
run_command(work)
"""


def start(arguments, **options):
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, *arguments], env=environment, **pipes | options)


@every_signal
def test_a_second_signal_ends_at_once(number):
    with start(["-c", SECOND]) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.stdout.readline() == "cleaning\n"
        time.sleep(0.7)
        # A shell and its terminal may both send SIGHUP, so a second SIGHUP does not end the process; Ctrl-C does.
        hurry = signal.SIGINT if number == signal.SIGHUP else number
        process.send_signal(number)
        process.send_signal(hurry)
        assert process.wait(timeout=10) == SIGNALS[hurry][0]
        assert process.stderr.read() == ""


def signal_at_import(count, number, *command):
    """Returns (exit code, stderr) of a command that got a signal while importing its `count`-th module."""
    with start(["-X", "importtime", "-m", "keras_centernet", *command]) as process:
        seen, lines = 0, []
        for line in process.stderr:
            is_import = line.startswith("import time:")
            if not is_import:
                lines.append(line)
            if "keras_centernet.terminal.streams" in line or seen:
                seen += is_import
            if seen == count:
                process.send_signal(number)
        process.stdout.read()
        return process.wait(), "".join(lines)


@pytest.mark.parametrize("count", [20, 60])
def test_a_signal_during_imports(count):
    """Imports in `try` blocks may swallow the exception; those of the standard library do so, too."""
    code, error = signal_at_import(count, signal.SIGTERM, "recipes")
    assert (code, error.strip()) in [(143, "Terminated. All that was finished before is on disk."), (0, "")]
    assert code == 143 or count > 20


@pytest.mark.slow
@every_signal
@pytest.mark.parametrize(
    "count", [100, 900, 2500, *(pytest.param(one, marks=pytest.mark.exhaustive) for one in (400, 1500, 4000))]
)
def test_a_signal_at_any_moment_of_a_command_that_imports_everything(count, number):
    code, error = signal_at_import(count, number, "networks", "mobilenet_v2")
    assert "Traceback" not in error
    assert code == SIGNALS[number][0] or (code == 0 and count >= 2500)
