"""Damages files of every kind at random and reads them for a given time; prints all that fails without a clear error.

python benchmarks/fuzz.py --seconds 60 --seed 1
python benchmarks/fuzz.py --readers .keras .pth --seconds 600 --keep faults/
"""

import argparse
import collections
import pathlib
import random
import shutil
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

from tests.helpers.hostile import KINDS, READERS, TOKENS, Damage, damage, fault_of

LINE = "{:24} {:>7} {:>9} {:>7}"


def random_damages(source: random.Random) -> list[Damage]:
    """Returns one to three changes."""
    return [
        Damage(source.random(), source.random(), source.choice(KINDS), source.choice(TOKENS))
        for _ in range(source.randint(1, 3))
    ]


def fuzz(name: str, seconds: float, seed: int, keep: str | None) -> collections.Counter:
    """Tries one reader; returns how many files were "tried", and the number of each fault by its first words."""
    reader, source, found = READERS[name], random.Random(f"{name} {seed}"), collections.Counter(tried=0)
    with tempfile.TemporaryDirectory() as place:
        whole, folder = pathlib.Path(place, "whole"), pathlib.Path(place, "example")
        whole.mkdir()
        reader.write(whole)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            damage(shutil.copytree(whole, folder), random_damages(source))
            fault = fault_of(reader, folder)
            found["tried"] += 1
            if fault is not None:
                found[fault.replace(place, "")[:160]] += 1
                if keep:
                    shutil.copytree(folder, pathlib.Path(keep, name, str(found["tried"])))
            shutil.rmtree(folder)
    return found


def main() -> int:
    """Prints a line per reader, and every fault; returns 1 if there were any."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readers", nargs="+", default=list(READERS), choices=list(READERS), metavar="NAME")
    parser.add_argument("--seconds", type=float, default=60, help="for all readers together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", help="folder for the files that make faults")
    args = parser.parse_args()
    print(LINE.format("reader", "files", "seconds", "faults"))
    faults = 0
    for name in args.readers:
        start = time.monotonic()
        found = fuzz(name, args.seconds / len(args.readers), args.seed, args.keep)
        tried = found.pop("tried")
        print(LINE.format(name, tried, f"{time.monotonic() - start:.1f}", found.total()), flush=True)
        for fault, count in found.most_common():
            print(f"    {count} x {fault!r}")
        faults += found.total()
    return min(faults, 1)


if __name__ == "__main__":
    sys.exit(main())
