"""The value of a loss, as published."""

from keras import ops


def mean(total, count):
    """Returns the sum of total / count, or of the total alone where the count is 0 (a batch without objects)."""
    return ops.sum(total / ops.where(count > 0, count, 1.0))
