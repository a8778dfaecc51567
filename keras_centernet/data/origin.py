"""Finds the `Source` behind the batches of a data set."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the module imports TensorFlow
    from keras_centernet.data.source import Source


def source_of(dataset: object) -> "Source | None":
    """Returns the `Source` of a data set from `load_dataset`, even after take(), map() and the like; else None.

    Every such step loses the attribute `source`, so this follows the chain of inputs. TensorFlow has no public way
    from a data set to its inputs, hence `_inputs`.
    """
    if hasattr(dataset, "source"):
        return dataset.source
    inputs = dataset._inputs() if hasattr(dataset, "_inputs") else ()
    return next((source for source in map(source_of, inputs) if source), None)
