"""From a source to its batches: once and in order for tests, in shuffled passes or numbered epochs for training."""

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from keras_centernet.data.batching.service import distribute
from keras_centernet.data.checks import check_no_order
from keras_centernet.data.passes import Passes, in_order, new_pass, numbered_passes
from keras_centernet.data.source import Source


@dataclasses.dataclass(frozen=True)
class Epochs:
    """The batches of a source.

    Attributes:
        source: source of the examples.
        size: number of its images that are used.
        batch_size: images in a batch.
        to_input, mix: functions that make examples in the input's frame, see `inputs.build_training_input`.
        to_batches: function from a data set of such examples to one of batches, see `batches.py`.
        seed, limit, workers, deterministic, shard, data_service, mosaic_until: arguments of `load_dataset`.
    """

    source: Source
    size: int
    batch_size: int
    to_input: Callable[[dict], dict]
    to_batches: Callable[[tf.data.Dataset], tf.data.Dataset]
    seed: int
    limit: int | None
    workers: int | None
    deterministic: bool
    shard: tuple[int, int]
    data_service: str | None
    mix: Callable[[Callable], dict] | None = None
    mosaic_until: int | None = None

    @property
    def step(self) -> int:
        """Number of images that all shards together take in one step."""
        return self.batch_size * self.shard[0]

    @property
    def steps(self) -> int:
        """Number of whole batches in an epoch."""
        return self.size // self.step

    def in_order(self) -> tf.data.Dataset:
        """Returns every image once, for tests."""
        return self._describe(self._of_passes(in_order(self.size, self.shard)))

    def for_training(self) -> tf.data.Dataset:
        """Returns a shuffled pass, a new one at each iteration; its `for_epochs` returns numbered epochs."""
        if self.data_service:
            batches = self._of_service(self.steps)
        else:
            batches = self._of_passes(
                new_pass(self.seed, self.steps * self.step, self.shard, self.batch_size), self.mix
            )
        dataset = self._describe(batches.apply(tf.data.experimental.assert_cardinality(self.steps)))
        dataset.for_epochs = self.for_epochs
        return dataset

    def for_epochs(self, first: int, stop: int, skip: int = 0, steps: int | None = None) -> tf.data.Dataset:
        """Returns the batches of the epochs first to stop - 1, see `load_dataset`."""
        steps = steps or self.steps
        if self.data_service or not self.deterministic:
            check_no_order("data_service" if self.data_service else "deterministic=False", skip=skip)
        if self.data_service:
            return self._describe(self._of_service((stop - first) * steps))

        def epochs(start: int, end: int, skip: int, mix: Callable | None) -> tf.data.Dataset:
            of_shard = {"shard": self.shard, "block": self.batch_size}
            passes = numbered_passes(self.seed, steps * self.step, start, end, skip * self.step, **of_shard)
            return self._of_passes(passes, mix)

        until = stop if self.mosaic_until is None else max(first, min(self.mosaic_until, stop))
        if self.mix is None or until == first:
            return self._describe(epochs(first, stop, skip, None))
        mixed = epochs(first, until, skip, self.mix)
        return self._describe(mixed if until == stop else mixed.concatenate(epochs(until, stop, 0, None)))

    def _of_passes(self, passes: Passes, mix: Callable | None = None) -> tf.data.Dataset:
        examples = self.source.examples(dataclasses.replace(passes, mix=mix), limit=self.limit, workers=self.workers)
        return self.to_batches(examples if mix else self._to_inputs(examples))

    def _of_service(self, count: int) -> tf.data.Dataset:
        inputs = self._to_inputs(self.source.service_examples(self.workers))
        # Examples that are lost with a worker are replaced by examples of the next epoch.
        return self.to_batches(distribute(inputs, self.data_service)).repeat().take(count)

    def _to_inputs(self, examples: tf.data.Dataset) -> tf.data.Dataset:
        return examples.map(self.to_input, num_parallel_calls=self.workers or tf.data.AUTOTUNE)

    def _describe(self, dataset: tf.data.Dataset) -> tf.data.Dataset:
        """Returns the data set, prefetched, with the attributes that models and metrics read."""
        options = tf.data.Options()
        options.deterministic = self.deterministic
        dataset = dataset.prefetch(tf.data.AUTOTUNE).with_options(options)
        source = self.source
        dataset.classes, dataset.task_options, dataset.source = source.classes, source.task_options, source
        return dataset
