"""Paths that users name, local (`pathlib.Path`, never seen by TensorFlow) or remote (gs://...)."""

import contextlib
import glob
import os
import pathlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO

from keras_centernet.errors import UserError
from keras_centernet.files.remote_path import RemotePath, is_remote

_REQUESTS = 32  # at a time: a remote file has a high latency, however small it is

AnyPath = pathlib.Path | RemotePath


def to_path(path: str | os.PathLike) -> AnyPath:
    """Returns a path to use as a `pathlib.Path`, whether it is local or remote."""
    return RemotePath(path) if is_remote(path) else pathlib.Path(path)


def join(folder: AnyPath, name: str) -> AnyPath:
    """Returns the path that a name in a file of `folder` refers to: relative to the folder, absolute or remote."""
    return to_path(name) if is_remote(name) or name.startswith("/") else folder / name


def exists(path: AnyPath) -> bool:
    """Whether there is a file or folder of that name; False for names that are not valid."""
    try:
        return path.exists()
    except OSError as error:
        if isinstance(error, UserError):  # a remote path that cannot be reached
            raise
        return False


def list_names(folder: AnyPath) -> list[str]:
    """Returns the names in a folder, in no particular order."""
    return [path.name for path in folder.iterdir()]


def expand(pattern: str) -> list[AnyPath]:
    """Returns the files that match a pattern, sorted; "**" is any number of folders, for local patterns only.

    A pattern that is the exact name of a file means that file alone.
    """
    if is_remote(pattern) and "**" in pattern:
        raise UserError(f"{pattern}: expected a pattern without **, which remote paths do not support; name a folder.")
    if to_path(pattern).is_file():
        return [to_path(pattern)]
    if not is_remote(pattern):
        return [path for path in map(pathlib.Path, sorted(glob.glob(pattern, recursive=True))) if path.is_file()]
    parts = pattern.split("/")
    first = next((i for i, part in enumerate(parts) if any(sign in part for sign in "*?[")), len(parts))
    folder = RemotePath("/".join(parts[:first]))
    if first == len(parts):
        return [folder] if folder.is_file() else []
    return sorted(folder.glob("/".join(parts[first:])))


def map_files(function: Callable, paths: Sequence[str | os.PathLike], threads: int = 1) -> Iterator:
    """Yields `function(path)` for each path in order; remote files are read in parallel, local ones in `threads`."""
    threads = threads_for(paths, threads)
    if threads == 1:
        yield from map(function, paths)
        return
    with ThreadPoolExecutor(threads) as pool:
        yield from pool.map(function, paths)


def threads_for(paths: Sequence[str | os.PathLike], local: int) -> int:
    """Returns how many threads should read files: `local`, or more if some are remote."""
    return max(local, _REQUESTS) if any(map(is_remote, paths)) else local


def open_bytes(path: str | os.PathLike) -> contextlib.AbstractContextManager[BinaryIO]:
    """Returns a context with a file to read bytes from."""
    return to_path(path).open("rb")


def size_bytes(path: str | os.PathLike) -> int:
    """Returns the bytes of a file, or of all files in a folder."""
    path = to_path(path)
    if not path.is_dir():
        return path.stat().st_size
    # `rglob` of a remote path yields files only, and `is_file` would take a request for each.
    return sum(file.stat().st_size for file in path.rglob("*") if is_remote(file) or file.is_file())
