"""Changes bytes of a TFLite file COUNT times and detects with each changed file, in a process of its own.

python tests/helpers/mutated_tflite.py FILE COUNT SEED

Prints as JSON how many files were refused in one line ("refused") or in several ("lines"), were used ("used"), raised
another exception ("traceback NAME"), or ended the process ("signal N").
"""

import collections
import json
import os
import pathlib
import signal
import sys

import numpy as np

from keras_centernet import UserError
from keras_centernet.exporting import TFLiteDetector

SECONDS = 20  # for one file
NUMBERS = (0, 1, 2, 255, 1 << 16, 1 << 24, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def changed(whole, source):
    """Returns the file cut off, or with a few bytes, bits and whole numbers changed."""
    if source.random() < 0.1:
        return whole[: int(source.integers(0, len(whole)))]
    data = bytearray(whole)
    for _ in range(int(source.choice([1, 1, 2, 4, 8]))):
        place = int(source.integers(0, len(data)))
        kind = source.random()
        if kind < 0.4:
            data[place] = int(source.integers(0, 256))
        elif kind < 0.6:
            data[place] ^= 1 << int(source.integers(0, 8))
        else:
            place -= place % 4
            number = int(source.choice([*NUMBERS, source.integers(0, len(data))]))
            data[place : place + 4] = number.to_bytes(4, "little")
    return bytes(data)


def outcome_of(data):
    """Opens the file and detects once in a child process."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        signal.alarm(SECONDS)
        try:
            detector = TFLiteDetector(data, threads=1)
            detector.run(np.zeros((*detector.input_hw, 3), np.uint8))
            said = "used"
        except UserError as error:
            said = "refused" if "\n" not in str(error) else "lines"
        except BaseException as error:
            said = f"traceback {type(error).__name__}"
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    status = os.waitpid(child, 0)[1]
    return f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else said


def main(path, count, seed):
    """Prints the outcomes."""
    whole, source = pathlib.Path(path).read_bytes(), np.random.default_rng(int(seed))
    print(json.dumps(collections.Counter(outcome_of(changed(whole, source)) for _ in range(int(count)))))


if __name__ == "__main__":
    main(*sys.argv[1:])
