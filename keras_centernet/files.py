"""Files that are there whole or not at all, on this machine or where `tf.io.gfile` reaches (gs://, ...)."""

import contextlib
import os
import pathlib
import tempfile
from collections.abc import Callable, Iterator

from keras_centernet.errors import UserError

PART = "part."  # beginning of the name of a file that is being written


def write_whole(path: str | os.PathLike, write: Callable[[pathlib.Path], None]) -> pathlib.Path | str:
    """Calls `write` with a local path, then puts that file in its place; returns the file's path.

    On this machine the file is written beside its place, flushed to the disk and renamed: whoever kills the process
    or the machine finds the old file or the new one. Elsewhere it is written here, copied beside and renamed.

    Raises:
        UserError: nothing could be written, for instance on a full disk; an old file is intact.
    """
    try:
        return _write_remote(os.fspath(path), write) if is_remote(path) else _write_local(pathlib.Path(path), write)
    except Exception as error:
        reason = _system_error(error)
        if reason is None:
            raise
        raise UserError(
            f"{path}: could not be written ({reason}); the previous file is intact. Free some space or name another "
            "place."
        ) from error


def is_remote(path: str | os.PathLike) -> bool:
    """Whether a path has a scheme (gs://bucket/...) and is therefore left to `tf.io.gfile`."""
    return "://" in os.fspath(path)


@contextlib.contextmanager
def local_copy(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Returns a context with a local path to read a file from: its own, or that of a copy for as long."""
    if not is_remote(path):
        yield pathlib.Path(path)
        return
    import tensorflow as tf

    path = os.fspath(path)
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder) / path.rsplit("/", 1)[1]
        tf.io.gfile.copy(path, str(copy))
        yield copy


def _write_local(path: pathlib.Path, write) -> pathlib.Path:
    beside = path.with_name(f"{PART}{path.name}")
    try:
        write(beside)
        _flush(beside)
        os.replace(beside, path)
    except BaseException:  # Ctrl-C too
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise
    with contextlib.suppress(OSError):  # some systems cannot open folders; the file is in its place already
        _flush(path.parent)
    return path


def _write_remote(path: str, write) -> str:
    import tensorflow as tf

    folder, name = path.rsplit("/", 1)
    beside = f"{folder}/{PART}{name}"
    with tempfile.TemporaryDirectory() as local_folder:
        local = pathlib.Path(local_folder) / name
        write(local)
        tf.io.gfile.copy(str(local), beside, overwrite=True)
    tf.io.gfile.rename(beside, path, overwrite=True)
    return path


def _flush(path: pathlib.Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _system_error(error: BaseException | None) -> str | None:
    """Returns what the system said, also where a library raised something else while it was closing the file."""
    while error is not None:
        if isinstance(error, OSError):
            return error.strerror or str(error)
        if type(error).__module__ == "tensorflow.python.framework.errors_impl":
            return error.message.splitlines()[0]
        error = error.__cause__ or error.__context__
    return None
