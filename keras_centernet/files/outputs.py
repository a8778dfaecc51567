"""Checks of where results go, before any work is done for them."""

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence

from keras_centernet.errors import UserError, first_line
from keras_centernet.files.atomic import check_writable
from keras_centernet.files.lock import one_writer
from keras_centernet.files.marker import is_marked
from keras_centernet.files.paths import AnyPath, list_names, to_path
from keras_centernet.files.remote_path import is_remote
from keras_centernet.files.temporary import MARK, remove_temporaries

OVERWRITE = "--overwrite"
OTHER_FOLDER = "a folder with other files"


def open_folder(folder: AnyPath, option: str = "--output") -> None:
    """Makes a folder if it is missing, and removes what killed processes of this package left in it.

    Raises:
        UserError: no file can be written into it; the message names the option.
    """
    try:
        check_writable(folder)
        remove_temporaries(folder)
    except Exception as error:  # OSError here, many kinds elsewhere
        is_file = isinstance(error, FileExistsError)
        reason = "it is a file" if is_file else getattr(error, "strerror", None) or first_line(error)
        raise UserError(f"{option} {folder}: expected a folder that can be written to: {reason}.") from error


@contextlib.contextmanager
def claimed(paths: Sequence[AnyPath], overwrite: bool = False, inputs: Iterable[AnyPath] = ()) -> Iterator[None]:
    """Returns a context for the work whose results go to these paths; missing folders are made.

    Args:
        paths: of the results.
        overwrite, inputs: see `check_outputs`.

    Raises:
        UserError: (before the work) no file can be written there, one would be replaced, or another process is about
            to write the first path.
    """
    for folder in dict.fromkeys(path.parent for path in paths):
        open_folder(folder)
    with one_writer(paths[0]):
        check_outputs(paths, overwrite, inputs)
        yield


def check_outputs(paths: Sequence[AnyPath], overwrite: bool = False, inputs: Iterable[AnyPath] = ()) -> None:
    """Raises a UserError if a result would replace one of the inputs or, without `overwrite`, any file.

    Args:
        paths: of the results.
        overwrite: whether other files, and folders that are marked as ours, may be replaced; devices, pipes and sockets
            never are.
        inputs: what is read, which nothing may replace.
    """
    taken = _existing(paths)
    if taken and (double := _find_double(taken, inputs)):
        raise UserError(f"{double}: expected a place for results, got a file that is read. Name another place.")
    for path in taken:
        kind = _irreplaceable_kind(path)
        if kind and (overwrite or kind != OTHER_FOLDER):
            expected = "expected results that may be replaced"
            raise UserError(f"{path}: {expected}, got {kind}. Name another place.")
    if taken and not overwrite:
        more = f" and {len(taken) - 1} more" if len(taken) > 1 else ""
        advice = f"Name another place, or pass overwrite=True ({OVERWRITE})."
        raise UserError(f"{taken[0]}{more}: expected no file there yet, got one. {advice}")


def check_empty(folder: AnyPath, option: str, overwrite: bool = False, inputs: Iterable[AnyPath] = ()) -> None:
    """Raises a UserError if a folder for results whose names are not known yet holds any file.

    Args:
        folder: of the results.
        option: the option that names the folder, for messages.
        overwrite: whether files may be replaced; never in a folder that is read, or inside one that is.
        inputs: files and folders that are read.
    """
    names = [name for name in list_names(folder) if not name.startswith(MARK)]
    read = next((path for path in inputs if names and _is_read_from(folder, path)), None)
    if read is not None:
        expected = f"expected an empty folder, or one outside of {read}, which is read"
        raise UserError(f"{option} {folder}: {expected}; got one with {min(names)} in it.")
    if names and not overwrite:
        advice = f"Name another one, or pass {OVERWRITE}."
        raise UserError(f"{option} {folder}: expected an empty folder, got one with {min(names)} in it. {advice}")


def same_folder(one: str | os.PathLike, other: str | os.PathLike) -> bool:
    """Whether two paths name the same existing file or folder."""
    identity = _identity(to_path(one))
    return identity is not None and identity == _identity(to_path(other))


def first_free(path: AnyPath) -> AnyPath:
    """Returns the first of path, path-2, path-3, ... that does not exist yet: a default never replaces old results.

    Examples:
        >>> import pathlib
        >>> first_free(pathlib.Path("nowhere", "metrics.json")).name
        'metrics.json'
    """
    number, free = 1, path
    while free.exists():
        number += 1
        free = numbered(path, number)
    return free


def numbered(path: AnyPath, number: int) -> AnyPath:
    """Returns path-2 or the like, with the suffix of the path."""
    return path.with_name(f"{path.stem}-{number}{path.suffix}")


def _existing(paths: Sequence[AnyPath]) -> list[AnyPath]:
    """Returns the paths that exist; each folder is listed once instead of being asked for every name."""
    names = {folder: _names(folder) for folder in {path.parent for path in paths}}
    return [path for path in paths if path.name in names[path.parent] or (not is_remote(path) and path.exists())]


def _names(folder: AnyPath) -> set[str]:
    return {name.rstrip("/") for name in list_names(folder)} if folder.is_dir() else set()


def _irreplaceable_kind(path: AnyPath) -> str | None:
    """Returns what kind of thing an existing path is if nothing may replace it, else None."""
    if path.is_dir():
        return None if is_marked(path) else OTHER_FOLDER
    return None if is_remote(path) or path.is_file() or not path.exists() else "a device, pipe or socket"


def _find_double(taken: Sequence[AnyPath], inputs: Iterable[AnyPath]) -> AnyPath | None:
    """Returns the first existing path that is one of the inputs, under whatever name."""
    read = {identity for path in inputs if (identity := _identity(path))}
    return next((path for path in taken if _identity(path) in read), None)


def _is_read_from(folder: AnyPath, path: AnyPath) -> bool:
    """Whether an input is a file in the folder, or a folder that the folder is or lies in."""
    if is_remote(folder) or is_remote(path):
        return f"{folder}/".startswith(f"{path}/") or path.parent == folder
    if not path.is_dir():
        return path.exists() and same_folder(path.parent, folder)
    absolute = folder.resolve()
    return any(same_folder(above, path) for above in (absolute, *absolute.parents))


def _identity(path: AnyPath) -> object:
    """Returns a value that is equal for all names of one file; None if there is no file."""
    if is_remote(path):
        return str(path)
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino
