"""Records as the workers of a data service read them: with TensorFlow alone."""

from keras_centernet.data.source import Source


def service_examples(source: Source) -> list[dict]:
    """Returns the examples in the order of their image ids, without their seeds, which differ from run to run."""
    examples = [dict(example) for example in source.service_examples().as_numpy_iterator()]
    for example in examples:
        del example["seed"]
    return sorted(examples, key=lambda example: example["image_id"])
