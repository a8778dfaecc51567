"""In which order, and with which random numbers, examples come: a function of the seed and the epoch alone.

So epoch 57 is made without running through the 56 before it, and a training that was stopped inside an epoch goes on
behind the examples it has seen without reading them again.
"""

import dataclasses
from collections.abc import Callable

import tensorflow as tf

_GRAPH_SEED = 1
_ALGORITHM = "philox"  # named, so that every device and every version of TensorFlow draws the same numbers


@dataclasses.dataclass(frozen=True)
class Passes:
    """Passes over shuffled data, one after the other; `new_pass` and `numbered_passes` return them.

    Attributes:
        seeds: dataset of (seed (2,) int64, skip () int64): one element per pass; so many of its first examples
            are left out.
        size: examples of a pass, those left out included; what a data set has beyond them is not used.
    """

    seeds: tf.data.Dataset
    size: int

    def stream(self, one_pass: Callable[[tf.Tensor], tf.data.Dataset]) -> tf.data.Dataset:
        """Returns (entry, seed (2,) int64 of its own) of all passes.

        Args:
            one_pass: seed (2,) int64 of a pass -> dataset of its entries in the order of that seed. What is left
                out is taken from them and thrown away, so they should be cheap: indices, not pictures.
        """

        @tf.autograph.experimental.do_not_convert
        def of_pass(seed, skip):
            # Of this graph alone: `Dataset.shuffle` fails on a tensor as seed where the process has the seed 0.
            tf.random.set_seed(_GRAPH_SEED)
            seeds = tf.data.Dataset.range(skip, self.size).map(lambda position: _example_seed(seed, position))
            return tf.data.Dataset.zip(one_pass(seed).skip(skip), seeds)

        return self.seeds.flat_map(of_pass)


def new_pass(seed: int, size: int) -> Passes:
    """Returns one pass, another one whenever the data is gone through again."""
    numbers = tf.data.Dataset.random(seed, rerandomize_each_iteration=True).batch(2, drop_remainder=True).take(1)
    return Passes(numbers.map(lambda pair: (pair, tf.constant(0, tf.int64))), size)


def numbered_passes(seed: int, size: int, first: int, stop: int, skip: int = 0) -> Passes:
    """Returns the passes first, first + 1, ..., stop - 1.

    Args:
        seed: of all passes.
        size: examples of a pass.
        first: number of the first pass, from 0.
        stop: number behind the last one.
        skip: examples of the first pass that are left out.
    """

    def of_number(number):
        pass_seed = _uniform_pair(tf.stack([tf.constant(seed, tf.int64), number]))
        return pass_seed, tf.where(number == first, tf.constant(skip, tf.int64), 0)

    return Passes(tf.data.Dataset.range(first, stop).map(of_number), size)


def shuffled_indices(count: int) -> Callable[[tf.Tensor], tf.data.Dataset]:
    """Returns the function of a pass's seed to the numbers 0 to count - 1 in its order."""

    def one_pass(seed):
        numbers = tf.range(count, dtype=tf.int64)
        return tf.data.Dataset.from_tensor_slices(
            tf.random.experimental.stateless_shuffle(numbers, seed, alg=_ALGORITHM)
        )

    return one_pass


def _example_seed(seed: tf.Tensor, position: tf.Tensor) -> tf.Tensor:
    """Returns (2,) int64, far from those of other positions: augmentations add small numbers to it."""
    return _uniform_pair(seed + tf.stack([tf.constant(1, tf.int64), position]))


def _uniform_pair(seed: tf.Tensor) -> tf.Tensor:
    return tf.random.stateless_uniform((2,), seed, None, None, tf.int64, alg=_ALGORITHM)
