"""The progress line of an epoch: the loss first, and the metric only where it was measured."""

import io
import re
import sys

import pytest

from keras_centernet.runs.screen.progress import ShowProgress
from keras_centernet.runs.screen.time_left import TimeLeft
from keras_centernet.texts import cells

LOSSES = {"center_heatmap_loss": 1.25, "loss": 3.5, "offset_loss": 0.5, "size_loss": 4.0}
MEASURED = {"val_loss": 3.0, "val_AP": 0.25, "val_AP50": 0.5, "val_size_loss": 4.0, "learning_rate": 0.1, "seconds": 9}


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self):
        return True


def show(stream, monkeypatch, draws):
    """Shows two epochs of 30 one-second steps; returns the written text."""
    monkeypatch.setattr(sys, "stdout", stream)
    seconds = iter(range(1000))
    bar = ShowProgress(TimeLeft(30, 2, lambda epoch: epoch == 1, lambda: next(seconds)), draws)
    for epoch in range(2):
        bar.on_epoch_begin(epoch)
        for batch in range(30):
            bar.on_train_batch_end(batch, dict(LOSSES))
        bar.on_epoch_end(epoch, LOSSES | (MEASURED if epoch else {}))
    bar.on_train_end()
    monkeypatch.undo()
    return stream.getvalue()


def test_lines_where_there_is_no_terminal(monkeypatch):
    said, first, second = show(io.StringIO(), monkeypatch, draws=False).splitlines()
    assert re.fullmatch(r"time +over \d+ \w+ left, as the first steps tell", said)
    heads = "center_heatmap 1.25  offset 0.5  size 4"
    assert re.fullmatch(rf"Epoch 1/2  loss 3\.5  \d+ s, over \d+ s left  {heads}", first)
    assert re.fullmatch(rf"Epoch 2/2  loss 3\.5  val_AP 0\.25  val_loss 3  \d+ s  {heads}", second)


@pytest.mark.parametrize("columns", [80, 120])
def test_a_bar_that_fits_the_terminal(columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    written = show(Terminal(), monkeypatch, draws=True)
    frames = re.split("\r\x1b\\[K|\n", written)
    assert max(map(cells, frames)) < columns
    drawn = [frame for frame in frames if re.search(r"Epoch 1/2  ━*─* 12/30  loss 3\.5  over \d+ s left", frame)]
    assert len(drawn) == 1
    assert ("size 4" in drawn[0]) == (columns == 120)
    assert "..." not in written
    assert not any("val_AP" in frame for frame in frames if "Epoch 1" in frame)
