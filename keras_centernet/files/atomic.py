"""Atomic file writes, local or remote."""

import contextlib
import os
import pathlib
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator

from keras_centernet.errors import UserError, first_line
from keras_centernet.files.paths import AnyPath, list_names, to_path
from keras_centernet.files.remote_path import RemotePath, is_remote

TEMPORARY = "part."  # beginning of the name of a file that is being written


@contextlib.contextmanager
def local_copy(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Returns a context with a local path to read a file from: its own, or that of a temporary copy."""
    path = to_path(path)
    if not is_remote(path):
        yield path
        return
    with folder_for(path) as folder:
        path.copy(folder / path.name)
        yield folder / path.name


@contextlib.contextmanager
def local_output(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Returns a context with a local path to write a file to: its own, or that of a file that is uploaded at the end.

    It is uploaded after an error too, so that an interrupted video is not lost.
    """
    path = to_path(path)
    if not is_remote(path):
        yield path
        return
    with folder_for(path) as folder:
        try:
            yield folder / path.name
        finally:
            if (folder / path.name).exists():
                path.upload(folder / path.name)


def write_whole(path: str | os.PathLike, write: Callable[[pathlib.Path], None], has_rivals: bool = False) -> AnyPath:
    """Calls `write` with a local temporary path, then gives that file its final path, which is returned.

    Whoever kills the process or the machine finds the old file or the new one.

    Args:
        path: the final path.
        write: writes the whole file.
        has_rivals: whether other processes may write the same file at this moment: the temporary name is then this
            call's own, and stays behind after a kill (see `remove_temporaries`); the last to end gives the file.

    Raises:
        UserError: nothing could be written, for instance on a full disk; an old file is intact.
    """
    path = to_path(path)
    temporary = path.with_name(
        f"{TEMPORARY}{uuid.uuid4().hex}.{path.name}" if has_rivals else f"{TEMPORARY}{path.name}"
    )
    try:
        (_write_remote if is_remote(path) else _write_local)(path, temporary, write)
    except Exception as error:
        reason = _system_error(error)
        if reason is None:
            raise
        raise UserError(
            f"{path}: could not be written ({reason}); the previous file is intact. Free some space or name another "
            "path."
        ) from error
    return path


def remove_temporaries(folder: AnyPath) -> None:
    """Removes the files that killed calls of `write_whole` left in a folder."""
    for name in list_names(folder):
        if name.startswith(TEMPORARY):
            (folder / name).unlink(missing_ok=True)


@contextlib.contextmanager
def folder_for(target: AnyPath) -> Iterator[pathlib.Path]:
    """Returns a context with a new local folder for files that `move` then puts into the folder `target`.

    It lies in `target` itself, so that moving is renaming, or, for a remote one, among the system's temporary folders.
    """
    with tempfile.TemporaryDirectory(prefix=TEMPORARY, dir=None if is_remote(target) else target) as folder:
        yield pathlib.Path(folder)


@contextlib.contextmanager
def temporary_folder(target: AnyPath) -> Iterator[AnyPath]:
    """Returns a context with a new folder in `target`, local or remote, for files whose `replace` puts them there.

    For more than this machine may have room for. It is removed at the end.
    """
    if not is_remote(target):
        with tempfile.TemporaryDirectory(prefix=f".{TEMPORARY}", dir=target) as folder:
            yield pathlib.Path(folder)
        return
    folder = target / f".{TEMPORARY}{uuid.uuid4().hex}"
    folder.mkdir()
    try:
        yield folder
    finally:
        with contextlib.suppress(OSError):  # some file systems drop a folder with its last file
            folder.rmtree()


def move(source: pathlib.Path, target: AnyPath) -> None:
    """Gives a local file or folder its final path; of a folder that is uploaded, the files at its top come last.

    A SavedModel counts as one by those files: without them nobody takes the folder for complete.
    """
    if not is_remote(target):
        os.rename(source, target)
        return
    if not source.is_dir():
        target.upload(source)
        return
    files = sorted(path.relative_to(source) for path in source.rglob("*") if path.is_file())
    for name in sorted(files, key=lambda name: -len(name.parts)):
        (target / name.parent).mkdir(parents=True)
        (target / name).upload(source / name)


def give_second_name(path: AnyPath, other: AnyPath) -> None:
    """Makes a file available under another path, too; it is copied only where there are no hard links."""
    other.unlink(missing_ok=True)
    if is_remote(path):
        path.copy(other)
        return
    try:
        os.link(path, other)
    except OSError:  # a file system without hard links
        write_whole(other, lambda temporary: shutil.copyfile(path, temporary))


def check_writable(folder: AnyPath) -> None:
    """Makes a folder where it is missing; raises an OSError where no file can be written into it."""
    folder.mkdir(parents=True, exist_ok=True)
    if is_remote(folder):
        (folder / f"{TEMPORARY}probe").write_bytes(b"x")
        (folder / f"{TEMPORARY}probe").unlink()
    else:
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"x")


def remove_folder(folder: AnyPath) -> None:
    """Removes a folder with all that is in it."""
    folder.rmtree() if is_remote(folder) else shutil.rmtree(folder)


def flush(path: pathlib.Path) -> None:
    """Waits until a local file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_local(path: pathlib.Path, temporary: pathlib.Path, write: Callable) -> None:
    try:
        write(temporary)
        flush(temporary)
        os.replace(temporary, path)
    except BaseException:  # Ctrl-C too
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    with contextlib.suppress(OSError):  # some systems cannot open folders; the file has its final path already
        flush(path.parent)


def _write_remote(path: RemotePath, temporary: RemotePath, write: Callable) -> None:
    with folder_for(path) as folder:
        write(folder / path.name)
        temporary.upload(folder / path.name)
    temporary.replace(path)


def _system_error(error: BaseException | None) -> str | None:
    """Returns what the system said, also where a library raised something else while it was closing the file."""
    while error is not None:
        if isinstance(error, OSError):
            return error.strerror or str(error)
        if type(error).__module__ == "tensorflow.python.framework.errors_impl":
            return first_line(error)
        error = error.__cause__ or error.__context__
    return None
