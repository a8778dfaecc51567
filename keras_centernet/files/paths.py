"""Paths that users name, on this machine or behind a scheme (gs://, ...): how they are found and read.

Whoever takes a path calls `to_path` and goes on as with `pathlib`; what needs a file of this machine has
`files.local_copy`. Paths of this machine stay `pathlib.Path`s and never meet TensorFlow.
"""

import glob
import os
import pathlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from keras_centernet.errors import UserError
from keras_centernet.files.remote_path import RemotePath, is_remote

_REQUESTS = 32  # at a time: a remote file takes long to come, however small it is

AnyPath = pathlib.Path | RemotePath


def to_path(path: str | os.PathLike) -> AnyPath:
    """Returns what a user named as an object that is used as `pathlib.Path` is, whether here or behind a scheme."""
    return RemotePath(path) if is_remote(path) else pathlib.Path(path)


def join(folder: AnyPath, name: str) -> AnyPath:
    """Returns the path of that name as a file in `folder` says it: relative to it, absolute, or behind a scheme."""
    return to_path(name) if is_remote(name) or name.startswith("/") else folder / name


def list_names(folder: AnyPath) -> list[str]:
    """Returns the names in a folder, in no order."""
    return [name.rstrip("/") for name in folder.listdir()] if is_remote(folder) else os.listdir(folder)


def are_files(paths: Sequence[AnyPath]) -> list[bool]:
    """Returns of each path whether it is a file; remote folders are listed once instead of asked for each name.

    What is there under the name of a file is taken for one.
    """
    folders = {path.parent for path in paths if is_remote(path)}
    names = {folder: set(folder.listdir()) if folder.is_dir() else set() for folder in folders}
    return [path.name in names[path.parent] if is_remote(path) else path.is_file() for path in paths]


def expand(pattern: str) -> list[AnyPath]:
    """Returns the files that a pattern stands for, sorted; "**" is any number of folders, on this machine only."""
    if not is_remote(pattern):
        return [path for path in map(pathlib.Path, sorted(glob.glob(pattern, recursive=True))) if path.is_file()]
    if "**" in pattern:
        raise UserError(
            f"{pattern}: expected a pattern without **, which means nothing behind a scheme; name a folder."
        )
    parts = pattern.split("/")
    first = next((i for i, part in enumerate(parts) if any(sign in part for sign in "*?[")), len(parts))
    folder = RemotePath("/".join(parts[:first]))
    if first == len(parts):
        return [folder] if folder.is_file() else []
    return sorted(folder.glob("/".join(parts[first:])))


def map_files(function: Callable, paths: Sequence[str | os.PathLike], threads: int = 1) -> Iterator:
    """Yields `function(path)` of each path in order; remote ones are under way together.

    Args:
        function: of a path.
        paths: of files.
        threads: in which those of this machine are read.
    """
    threads = threads_for(paths, threads)
    if threads == 1:
        yield from map(function, paths)
        return
    with ThreadPoolExecutor(threads) as pool:
        yield from pool.map(function, paths)


def threads_for(paths: Sequence[str | os.PathLike], local: int) -> int:
    """Returns in how many threads to read files: `local`, or, where some are remote, more."""
    return max(local, _REQUESTS) if any(map(is_remote, paths)) else local


def open_bytes(path: str | os.PathLike):
    """Returns a context with a file to read bytes from."""
    return RemotePath(path).open("rb") if is_remote(path) else open(path, "rb")


def size_bytes(path: str | os.PathLike) -> int:
    """Returns the bytes of a file, or of all files in a folder."""
    path = to_path(path)
    return sum(map(_file_size, path.rglob("*"))) if path.is_dir() else _file_size(path)


def _file_size(path: AnyPath) -> int:
    if is_remote(path):
        return path.size()
    return path.stat().st_size if path.is_file() else 0  # rglob gives folders too
