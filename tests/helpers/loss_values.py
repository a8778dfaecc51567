"""The value of a loss, as it is published."""

from keras import ops


def mean(total, count):
    """Returns the sum of total / count, or of the bare total where nothing was counted (a batch without objects)."""
    return ops.sum(total / ops.where(count > 0, count, 1.0))
