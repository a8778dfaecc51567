"""What a training shows in terminals of two widths, through a pseudo-terminal."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import pytest

from keras_centernet.texts import cells
from tests.cli.test_terminals import MODULE, ROOT, TRAIN

ERASED = "\r\x1b[K"
CLASS = "猫" * 60
WIDTHS = (80, pytest.param(120, marks=pytest.mark.exhaustive))
pytestmark = pytest.mark.slow


def run_in_terminal(columns, folder):
    """Trains in a pseudo-terminal; returns everything written to it."""
    (folder / "with_tiny.py").write_text(MODULE, encoding="utf-8")
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("TF_CPP_MIN_LOG_LEVEL", "COLUMNS")}
    environment |= {"PYTHONPATH": str(ROOT), "TERM": "xterm", "PYTHONUTF8": "1"}
    output = "a folder of a long name/" * 6 + "run"
    command = f"{TRAIN.replace('--evaluate-every 1', '--evaluate-every 2')} --epochs 3 --class-map circle={CLASS}"
    process = subprocess.Popen(
        [sys.executable, "-m", "keras_centernet", *command.split(), "--output", output],
        cwd=folder,
        env=environment,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    sent = b""
    while True:
        try:
            part = os.read(master, 1 << 16)
        except OSError:  # the process has closed its end
            break
        if not part:
            break
        sent += part
    os.close(master)
    assert process.wait(60) == 0, sent.decode()
    return sent.decode().replace("\r\n", "\n")


@pytest.fixture(scope="module", params=WIDTHS)
def screen(request, tmp_path_factory):
    """(columns of a terminal, what a training of three epochs wrote to it)."""
    return request.param, run_in_terminal(request.param, tmp_path_factory.mktemp("screen"))


def test_no_line_is_longer_than_the_terminal(screen):
    columns, sent = screen
    frames = [frame.rstrip() for line in sent.split("\n") for frame in re.split(r"\r(?:\x1b\[K)?", line)]
    unfitting = [frame for frame in frames if cells(frame) > min(columns, 100) and "warning" not in frame.lower()]
    bars = ("Epoch", "evaluate:")  # these may be as wide as the terminal
    assert [frame for frame in unfitting if not frame.startswith(bars) or cells(frame) > columns] == []


def test_the_plan_comes_first_without_logs(screen):
    _, sent = screen
    titles = [line.split(" ")[0] for line in sent.split("\n")]
    expected = ["network", "task", "classes", "train", "val", "input", "batch", "steps", "optimizer", "images"]
    expected += ["precision", "losses", "devices", "output", "time"]
    assert [title for title in titles if title in expected][: len(expected)] == expected
    assert not re.search(r"absl|oneDNN|cuda|\.cc:\d+", sent)
    assert titles.count("network") == 1


def test_epoch_lines_show_the_loss_first_and_ap_where_it_was_measured(screen):
    _, sent = screen
    lines = [line.split(ERASED)[-1] for line in sent.split("\n") if re.search(r"Epoch \d/3  loss", line)]
    assert [line.split("  ")[0] for line in lines] == ["Epoch 1/3", "Epoch 2/3", "Epoch 3/3"]
    assert ["val_AP" in line for line in lines] == [False, True, True]
    assert [" left" in line for line in lines] == [True, True, False]
    bars = re.findall(r"Epoch 1/3  ━+─* \d+/6  loss [\d.]+", sent)
    assert bars


def test_the_table_at_the_end(screen):
    columns, sent = screen
    table = sent[sent.index("metric ") :]
    assert re.search(r"^AP +\d\.\d+$", table, re.MULTILINE)
    assert re.search(r"^猫+(\.\.\.)? +\d\.\d+ +\d\.\d+$", table, re.MULTILINE)
    assert max(map(cells, table.splitlines())) <= min(columns, 100)
