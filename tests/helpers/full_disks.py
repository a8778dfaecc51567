"""Runs commands on disks of many sizes, many of them too small; prints what went wrong as JSON.

unshare --user --map-root-user --mount python -m tests.helpers.full_disks PHOTOS FILM MODEL FOLDER SIZES NAME...

A disk is a file system in memory, mounted below FOLDER where no other process sees it. SIZES of them are tried, evenly
spread from no free space to twice the size of the command's results.
"""

import os
import pathlib
import subprocess
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import matplotlib.pyplot

from keras_centernet.files.temporary import MARK
from tests.helpers.commands import MINE, arguments, damages, places_of, put_own_files, run_here, say
from tests.helpers.tiny_backbone import add_tiny_backbone

PAGE = 4096
MOST = "256m"


class Disk:
    """A file system in memory with a limited number of free bytes."""

    def __init__(self, path: pathlib.Path, size: int | str):
        self.path, self.size = path, size

    def __enter__(self) -> pathlib.Path:
        self.path.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={MOST}", "tmpfs", self.path], check=True)
        put_own_files(self.path)
        if self.size != MOST:
            size = self.size + self.used()
            subprocess.run(["mount", "-o", f"remount,size={size}", self.path], check=True)
        return self.path

    def used(self) -> int:
        """Returns the bytes that are taken."""
        found = os.statvfs(self.path)
        return (found.f_blocks - found.f_bfree) * found.f_frsize

    def __exit__(self, *_) -> None:
        subprocess.run(["umount", "--lazy", self.path], check=True)


def try_size(name: str, places: dict, size: int) -> tuple[int, list[str]]:
    """Runs a command on a disk with so many free bytes; returns its exit code and what was wrong."""
    with Disk(places["OUT"], size) as output:
        code, told = run_here(arguments(name, places))
        wrong = damages(output)
        left = [str(path) for path in output.rglob(f"{MARK}*") if path.name not in MINE]
        wrong += [f"left over: {left}"] if left else []
        if code not in (0, 2):
            wrong.append(f"ended with {code}: {told}")
        if code == 2 and (len(told.strip().splitlines()) != 1 or str(output) not in told):
            wrong.append(f"did not name the place in one line: {told}")
    return code, [f"{name}, {size} bytes: {one}" for one in wrong]


def main(photos: str, film: str, model_file: str, folder: str, sizes: str, *commands: str) -> None:
    """Tries disks of several sizes for each command."""
    add_tiny_backbone()
    tried, wrong = {}, []
    for name in commands:
        output = pathlib.Path(folder, name.replace(" ", ""))
        places = places_of(photos, film, model_file, output)
        disk = Disk(output, MOST)
        with disk:
            before = disk.used()
            code, told = run_here(arguments(name, places))
            assert code == 0, told
            needed = disk.used() - before
        pages = range(0, 2 * needed // PAGE + 1, max(2 * needed // PAGE // int(sizes), 1))
        codes = []
        for size in pages:
            code, found = try_size(name, places, size * PAGE)
            codes.append(code)
            wrong += found
        tried[name] = {"bytes": needed, "sizes": len(codes), "full": codes.count(2)}
    say({"tried": tried, "wrong": wrong})


if __name__ == "__main__":
    matplotlib.pyplot.switch_backend("agg")
    main(*sys.argv[1:])
