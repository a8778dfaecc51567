"""Streams of a command: closed, unread, on a full disk, or with a limited encoding."""

import contextlib
import io
import os
import sys

import pytest

from keras_centernet.errors import UserError
from keras_centernet.terminal.running import end_with, run_command, say_left, waiting_signal
from keras_centernet.terminal.streams import OutputEnded, draws_bars, end_with_reader, lasting_streams

NAME = "猫 ÷ café"


@contextlib.contextmanager
def unread():
    """A context in which stdout is a pipe whose reader has closed it."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", encoding="utf-8") as stream, contextlib.redirect_stdout(stream):
        yield


def test_work_goes_on_when_nobody_reads(capfd):
    done = []

    def work():
        for number in range(3):
            print("x" * 10_000, flush=True)
            done.append(number)
        return 0

    with unread():
        assert run_command(work) == 0
    assert done == [0, 1, 2]
    assert capfd.readouterr().err == ""


def test_work_that_asks_for_signals_ends_when_nobody_reads(capfd):
    def work():
        assert waiting_signal() == 0
        print("x", flush=True)
        end_with(waiting_signal(), lambda: say_left("Saved."))

    with unread():
        assert run_command(work) == 141
    assert capfd.readouterr().err == "\nNobody reads the output any more. Saved.\n"


def test_printing_ends_when_nobody_reads(capfd):
    def work():
        end_with_reader()
        print("x", flush=True)
        raise AssertionError

    with unread():
        assert run_command(work) == 0
    assert capfd.readouterr().err == ""


def test_unread_output_that_is_only_flushed_at_the_end(capfd):
    def work():
        end_with_reader()
        print("x")
        return 0

    with unread():
        assert run_command(work) == 0
    assert capfd.readouterr().err == ""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_a_full_disk_is_reported_once(capsys):
    with open("/dev/full", "w", encoding="utf-8") as stream:
        with contextlib.redirect_stdout(stream), lasting_streams():
            for _ in range(3):
                print("x", flush=True)
        assert capsys.readouterr().err == "No space left on device: what follows is not shown; the command goes on.\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_a_full_disk_is_an_error_of_commands_that_only_print():
    with open("/dev/full", "w", encoding="utf-8") as stream, contextlib.redirect_stdout(stream), lasting_streams():
        end_with_reader()
        with pytest.raises(UserError, match="/dev/full: No space left on device"):
            print("x", flush=True)


def test_closed_streams_take_everything(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    with lasting_streams():
        print(NAME)
        print(NAME, file=sys.stderr)
        assert not sys.stdout.isatty()
    assert (sys.stdout, sys.stderr) == (None, None)


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("utf-8", NAME),
        ("latin-1", "\\u732b ÷ café"),
        ("ascii", "\\u732b \\xf7 caf\\xe9"),
        ("gb18030", NAME),
    ],
)
def test_characters_that_an_encoding_lacks_are_escaped(encoding, shown, monkeypatch):
    memory = io.BytesIO()
    stream = io.TextIOWrapper(memory, encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    with lasting_streams():
        print(NAME, "\udce9")
    assert sys.stdout is stream
    assert stream.errors == "strict"
    assert memory.getvalue().decode(encoding) == f"{shown} \\udce9\n"
    monkeypatch.undo()


def test_ended_output_is_not_an_os_error():
    """Readers that catch OSError, such as those of damaged images, must not swallow it."""
    assert not issubclass(OutputEnded, OSError)


class Terminal(io.TextIOWrapper):
    """A stream that claims to be a terminal."""

    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("stream", "kind", "draws"),
    [
        (Terminal(io.BytesIO(), encoding="utf-8"), "xterm", True),
        (Terminal(io.BytesIO(), encoding="utf-8"), "dumb", False),
        (Terminal(io.BytesIO(), encoding="ascii"), "xterm", False),
        (io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), "xterm", False),
    ],
    ids=["a terminal", "a dumb one", "one of few signs", "a file"],
)
def test_where_a_bar_is_drawn(stream, kind, draws, monkeypatch):
    monkeypatch.setenv("TERM", kind)
    monkeypatch.setattr(sys, "stdout", stream)
    assert draws_bars() == draws
    monkeypatch.undo()
