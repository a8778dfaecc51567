"""What all charts share."""

import pytest
from matplotlib.figure import Figure

from keras_centernet.drawing.charts.texts import number_epochs


@pytest.mark.parametrize("epochs", [[1], [7], [1, 2], [1, 2, 3], list(range(1, 141)), []])
def test_epochs_are_whole_numbers(epochs):
    axes = Figure().add_subplot()
    axes.plot(epochs, epochs)
    number_epochs(axes)
    first, last = axes.get_xlim()
    ticks = [tick for tick in axes.get_xticks() if first <= tick <= last]
    assert ticks
    assert all(tick == round(tick) for tick in ticks)
