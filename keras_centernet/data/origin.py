"""Where the batches of a data set come from."""


def source_of(dataset):
    """Returns the `Source` of a data set of `load_dataset`, also after take(), map() and the like; None for other data.

    `dataset.source` alone is lost by every such step. TensorFlow has no public way from a data set to its inputs.
    """
    if hasattr(dataset, "source"):
        return dataset.source
    inputs = dataset._inputs() if hasattr(dataset, "_inputs") else ()
    return next((source for source in map(source_of, inputs) if source), None)
