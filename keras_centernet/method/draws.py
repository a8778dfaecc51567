"""Random numbers that depend only on a seed and a place: the same on every backend, device and share of a batch.

(`keras.random` draws other numbers on each backend, and on each device that shares a batch.)
"""

from keras import ops

from keras_centernet.method.specs import Tensor

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))  # of Threefry-2x32
_PARITY = 0x1BD11BDA
_BITS = 23  # of a float32's mantissa: such an integer plus a half is exact
_GROUPS = 5  # of four rounds each


def uniform(seed: Tensor, rows: int | Tensor, columns: int, first_row: int | Tensor = 0) -> Tensor:
    """Returns (rows, columns) float32 numbers between 0 and 1, both excluded.

    Each number is a function of the seed and of its row and column: rows 4 to 7 of eight equal four rows with
    `first_row=4`.

    Args:
        seed: (2,) integers, such as `keras.random.SeedGenerator.next` returns; their low 32 bits count.
        rows, columns: of the result.
        first_row: number of its first row.
    """
    row = ops.cast(first_row, "int32") + ops.arange(rows, dtype="int32")
    counter = ops.broadcast_to(row[:, None], (rows, columns)), ops.arange(columns, dtype="int32")[None, :]
    bits, _ = threefry(ops.cast(seed, "int32"), counter)
    fraction = ops.bitwise_and(ops.right_shift(bits, 32 - _BITS), 2**_BITS - 1)
    return (ops.cast(fraction, "float32") + 0.5) / 2**_BITS


def normal(uniform_numbers: Tensor) -> Tensor:
    """Returns a number of the standard normal distribution for each uniform number between 0 and 1."""
    return 2**0.5 * ops.erfinv(2 * uniform_numbers - 1)


def threefry(key: Tensor, counter: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Returns 64 random bits for each counter as two int32 tensors, by Threefry-2x32 with 20 rounds.

    Args:
        key: (2,) int32.
        counter: two int32 tensors of shapes that broadcast.

    Source: Salmon et al. 2011, "Parallel Random Numbers: As Easy as 1, 2, 3".
    """
    keys = (key[0], key[1], ops.bitwise_xor(ops.bitwise_xor(key[0], key[1]), _PARITY))
    high, low = counter[0] + keys[0], counter[1] + keys[1]
    for group in range(_GROUPS):
        for bits in _ROTATIONS[group % 2]:
            high = high + low
            low = ops.bitwise_xor(_rotate(low, bits), high)
        high, low = high + keys[(group + 1) % 3], low + keys[(group + 2) % 3] + (group + 1)
    return high, low


def _rotate(values, bits: int):
    """Rotates the 32 bits to the left; a right shift of int32 repeats the sign bit, which is masked out."""
    carried = ops.bitwise_and(ops.right_shift(values, 32 - bits), 2**bits - 1)
    return ops.bitwise_or(ops.left_shift(values, bits), carried)
