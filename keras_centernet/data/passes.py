"""The order and the random numbers of examples, as a function of the seed and the epoch alone.

So epoch 57 is made without running through the 56 before it, a training that was stopped inside an epoch continues
after the examples it has seen without reading them again, and several processes can share an epoch.
"""

import dataclasses
import functools
from collections.abc import Callable

import tensorflow as tf

_ALGORITHM = "philox"  # named, so that every device and every version of TensorFlow draws the same numbers
_GRAPH_SEED = 1
_READY_ENTRIES = 64  # indices or encoded images: about 10 MB for photos like COCO's
# Consecutive entries among which the other images of a mixture are drawn; Ultralytics keeps eight batches for that.
WINDOW = 128


@dataclasses.dataclass(frozen=True)
class Passes:
    """Passes over data, one after the other; `in_order`, `new_pass` and `numbered_passes` return them.

    A shard of shuffled passes is every n-th block of entries. If each of n processes makes a batch of every block of
    its shard, their k-th batches, concatenated, are the k-th batch of one process with n times the batch size, with the
    same random numbers. In the order of the data, a shard is every n-th entry.

    Attributes:
        size: examples of a pass, counting all shards and the skipped ones; any further examples of the data set are
            not used.
        seeds: dataset of (seed (2,) int64, skip () int64), one element per pass; the first `skip` examples of the pass
            are skipped. None: one pass in the order of the data, without random numbers.
        shard: (n, i): only the i-th of n shards of equal size.
        block: consecutive entries that belong to the same shard, in shuffled passes.
        mix: for shuffled passes, a function of `draw` that makes one example of several, see `changes.mixing`; None:
            examples are not mixed. `draw(0)` is the current example; `draw(1)`, `draw(2)`, ... are random others of
            its window of 128 entries. Each has its own "seed", which depends neither on the shards nor on where the
            pass is entered.
    """

    size: int
    seeds: tf.data.Dataset | None = None
    shard: tuple[int, int] = (1, 0)
    block: int = 1
    mix: Callable[[Callable[[tf.Tensor], dict]], dict] | None = None

    def examples(self, one_pass: Callable, to_example: Callable, workers: int | None = None) -> tf.data.Dataset:
        """Returns the examples of all passes, mixed by `mix`; each shuffled example has its own "seed" (2,) int64.

        Args:
            one_pass: seed (2,) int64 of a pass -> dataset of its entries in the order of that seed; None -> in the
                order of the data. Skipped entries and those of other shards are made and dropped, so entries should be
                cheap: indices, not images.
            to_example: function from an entry (a tuple is passed as separate arguments) to a dict of tensors.
            workers: examples that are made at the same time; None lets tf.data choose.
        """
        calls = workers or tf.data.AUTOTUNE
        if self.seeds is None:
            count, index = self.shard
            entries = one_pass(None).take(self.size // count * count).shard(count, index)
            return entries.map(to_example, num_parallel_calls=calls)

        def seeded(entry, seed):
            if self.mix is not None:  # as a `tf.function`, drawing is traced once for all examples of a mixture
                return self.mix(tf.function(functools.partial(_draw, to_example, *entry, seed)))
            example = to_example(*entry) if isinstance(entry, tuple) else to_example(entry)
            return {**example, "seed": seed}

        # The next pass is shuffled while images of the current one are still being decoded.
        return self.stream(one_pass).prefetch(_READY_ENTRIES).map(seeded, num_parallel_calls=calls)

    def stream(self, one_pass: Callable[[tf.Tensor], tf.data.Dataset]) -> tf.data.Dataset:
        """Returns (entry, its own seed (2,) int64) for all shuffled passes; see `examples`.

        If passes are mixed, an entry is ((all entries of its window, their number), its place in the window).
        """

        @tf.autograph.experimental.do_not_convert
        def of_pass(seed, skip):
            # Sets the seed of this function's graph only: `shuffle` refuses a tensor as seed if TensorFlow's own is 0.
            tf.random.set_seed(_GRAPH_SEED)
            positions = tf.data.Dataset.range(skip, self.size)
            entries = one_pass(seed) if self.mix is None else _in_windows(one_pass(seed))
            entries = self._of_shard(tf.data.Dataset.zip(entries.skip(skip), positions))
            return entries.map(lambda entry, position: (entry, _example_seed(seed, position)))

        return self.seeds.flat_map(of_pass)

    def _of_shard(self, entries: tf.data.Dataset) -> tf.data.Dataset:
        count, index = self.shard
        if count == 1:
            return entries
        return entries.filter(lambda entry, position: position // self.block % count == index)


def in_order(size: int, shard: tuple[int, int] = (1, 0)) -> Passes:
    """Returns one pass in the order of the data; a remainder too small for all shards is dropped."""
    return Passes(size, shard=shard)


def new_pass(seed: int, size: int, shard: tuple[int, int] = (1, 0), block: int = 1) -> Passes:
    """Returns one pass with a new order at each iteration of the data set; arguments as in `numbered_passes`."""
    numbers = tf.data.Dataset.random(seed, rerandomize_each_iteration=True).batch(2, drop_remainder=True).take(1)
    return Passes(size, numbers.map(lambda pair: (pair, tf.constant(0, tf.int64))), shard, block)


def numbered_passes(
    seed: int, size: int, first: int, stop: int, skip: int = 0, shard: tuple[int, int] = (1, 0), block: int = 1
) -> Passes:
    """Returns the passes first, first + 1, ..., stop - 1.

    Args:
        seed: seed of all passes.
        size: examples of a pass, a multiple of the number of shards times the block.
        first, stop: number of the first pass, from 0, and the number after the last one.
        skip: examples of the first pass to skip, over all shards; also a multiple of the number of shards times the
            block.
        shard, block: attributes of `Passes`.
    """

    def of_number(number):
        pass_seed = _uniform_pair(tf.stack([tf.constant(seed, tf.int64), number]))
        return pass_seed, tf.where(number == first, tf.constant(skip, tf.int64), 0)

    return Passes(size, tf.data.Dataset.range(first, stop).map(of_number), shard, block)


def shuffled_indices(count: int) -> Callable[[tf.Tensor | None], tf.data.Dataset]:
    """Returns the function from a pass's seed to 0, ..., count - 1 in that seed's order; for None they ascend."""

    def one_pass(seed):
        if seed is None:
            return tf.data.Dataset.range(count)
        order = tf.random.experimental.stateless_shuffle(tf.range(count, dtype=tf.int64), seed, alg=_ALGORITHM)
        return tf.data.Dataset.from_tensor_slices(order)

    return one_pass


def _in_windows(entries: tf.data.Dataset) -> tf.data.Dataset:
    """Returns ((all entries of its window, their number), place in the window) per entry, without copying windows."""

    def one_by_one(numbers, window):
        count = tf.size(numbers, tf.int64)
        whole = tf.data.Dataset.from_tensors((window, count)).repeat()
        return tf.data.Dataset.zip(whole, tf.data.Dataset.range(count))

    return entries.enumerate().ragged_batch(WINDOW).flat_map(one_by_one)


def _draw(
    to_example: Callable, window: tuple[tuple, tf.Tensor], place: tf.Tensor, seed: tf.Tensor, number: tf.Tensor
) -> dict:
    """Returns the example of the entry at `place` in a window if `number` is 0, else of a random other entry of it."""
    (entries, count), number = window, tf.cast(number, tf.int64)
    others = tf.maximum(count - 1, 1)
    choice = seed + tf.stack([number, 1])
    step = 1 + tf.random.stateless_uniform((), choice, 0, others, tf.int64, alg=_ALGORITHM)
    place = tf.where(number == 0, place, (place + step) % count)
    entry = tf.nest.map_structure(lambda values: values[place], entries)
    example = to_example(*entry) if isinstance(entry, tuple) else to_example(entry)
    return {**example, "seed": tf.where(number == 0, seed, _uniform_pair(seed + tf.stack([number, 0])))}


def _example_seed(seed: tf.Tensor, position: tf.Tensor) -> tf.Tensor:
    """Returns (2,) int64 far from the seeds of other positions, because augmentations add small numbers to it."""
    return _uniform_pair(seed + tf.stack([tf.constant(1, tf.int64), position]))


def _uniform_pair(seed: tf.Tensor) -> tf.Tensor:
    return tf.random.stateless_uniform((2,), seed, None, None, tf.int64, alg=_ALGORITHM)
