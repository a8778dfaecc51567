"""Files that are there whole or not at all, on this machine or where `tf.io.gfile` reaches (gs://, ...)."""

import contextlib
import os
import pathlib
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator

from keras_centernet.errors import UserError
from keras_centernet.files.paths import AnyPath
from keras_centernet.files.remote_path import RemotePath, is_remote

PART = "part."  # beginning of the name of a file that is being written


@contextlib.contextmanager
def local_copy(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Returns a context with a local path to read a file from: its own, or that of a copy for as long."""
    if not is_remote(path):
        yield pathlib.Path(path)
        return
    remote = RemotePath(path)
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder) / remote.name
        remote.download(copy)
        yield copy


def write_whole(path: str | os.PathLike, write: Callable[[pathlib.Path], None]) -> AnyPath:
    """Calls `write` with a local path, then puts that file in its place; returns the file's path.

    On this machine the file is written beside its place, flushed to the disk and renamed: whoever kills the process
    or the machine finds the old file or the new one. Elsewhere it is written here, copied beside and renamed.

    Raises:
        UserError: nothing could be written, for instance on a full disk; an old file is intact.
    """
    try:
        return _write_remote(RemotePath(path), write) if is_remote(path) else _write_local(pathlib.Path(path), write)
    except Exception as error:
        reason = _system_error(error)
        if reason is None:
            raise
        raise UserError(
            f"{path}: could not be written ({reason}); the previous file is intact. Free some space or name another "
            "place."
        ) from error


@contextlib.contextmanager
def local_output(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Returns a context with a local path to write a file to: its own, or one that is copied to its place at the end.

    It is copied after an error too, so that a film that was interrupted is not lost.
    """
    if not is_remote(path):
        yield pathlib.Path(path)
        return
    remote = RemotePath(path)
    with tempfile.TemporaryDirectory() as folder:
        local = pathlib.Path(folder) / remote.name
        try:
            yield local
        finally:
            if local.exists():
                remote.upload(local)


@contextlib.contextmanager
def folder_for(place: AnyPath) -> Iterator[pathlib.Path]:
    """Returns a context with a new local folder for files that `move` then puts into the folder `place`.

    It is in `place` itself, so that they are renamed, or, where that is remote, among the system's temporary ones.
    """
    with tempfile.TemporaryDirectory(prefix=PART, dir=None if is_remote(place) else place) as folder:
        yield pathlib.Path(folder)


def move(source: pathlib.Path, target: AnyPath) -> None:
    """Puts a local file or folder in its place; of a folder that is copied, the files on top come last.

    These are what makes a SavedModel one: without them nobody takes the folder for whole.
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
    """Lets a file be found under another name, too; it is written again only where there are no links."""
    other.unlink(missing_ok=True)
    if is_remote(path):
        path.copy(other)
        return
    try:
        os.link(path, other)
    except OSError:  # a file system without hard links
        write_whole(other, lambda beside: shutil.copyfile(path, beside))


@contextlib.contextmanager
def part_folder(place: AnyPath) -> Iterator[AnyPath]:
    """Returns a context with a new folder in `place`, here or remote, for files whose `replace` puts them there.

    For more than this machine may have room for; afterwards it is gone.
    """
    if not is_remote(place):
        with tempfile.TemporaryDirectory(prefix=f".{PART}", dir=place) as folder:
            yield pathlib.Path(folder)
        return
    folder = place / f".{PART}{uuid.uuid4().hex}"
    folder.mkdir()
    try:
        yield folder
    finally:
        with contextlib.suppress(OSError):  # some file systems drop a folder with its last file
            folder.rmtree()


def check_writable(folder: AnyPath) -> None:
    """Makes a folder where it is missing; raises an OSError where no file can be written into it."""
    folder.mkdir(parents=True, exist_ok=True)
    if is_remote(folder):
        (folder / f"{PART}probe").write_bytes(b"x")
        (folder / f"{PART}probe").unlink()
    else:
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"x")


def remove_folder(folder: AnyPath) -> None:
    """Removes a folder with all that is in it."""
    folder.rmtree() if is_remote(folder) else shutil.rmtree(folder)


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


def _write_remote(path: RemotePath, write) -> RemotePath:
    beside = path.with_name(f"{PART}{path.name}")
    with tempfile.TemporaryDirectory() as folder:
        local = pathlib.Path(folder) / path.name
        write(local)
        beside.upload(local)
    beside.replace(path)
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
