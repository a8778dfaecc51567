"""Where the batches of a data set come from."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # it imports TensorFlow
    from keras_centernet.data.source import Source


def source_of(dataset: object) -> "Source | None":
    """Returns the `Source` of a data set of `load_dataset`, also after take(), map() and the like; None for other data.

    `dataset.source` alone is lost by every such step. TensorFlow has no public way from a data set to its inputs.
    """
    if hasattr(dataset, "source"):
        return dataset.source
    inputs = dataset._inputs() if hasattr(dataset, "_inputs") else ()
    return next((source for source in map(source_of, inputs) if source), None)
