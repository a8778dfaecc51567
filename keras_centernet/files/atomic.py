"""Atomic file writes, local or remote."""

import contextlib
import os
import pathlib
import shutil
import tempfile
from collections.abc import Callable, Iterator

from keras_centernet.errors import UserError, first_line
from keras_centernet.files.paths import AnyPath, to_path
from keras_centernet.files.remote_path import is_remote
from keras_centernet.files.temporary import remove, temporary_name


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
    """Returns a context with a temporary local path; the file that is there at the end gets its final path.

    It does so after Ctrl-C and other exceptions too, so that an interrupted video is not lost, but not after an
    `OSError`, such as that of a full disk.

    Raises:
        UserError: nothing could be written; an old file is intact.
    """
    path = to_path(path)
    with writing(path), folder_for(path if is_remote(path) else path.parent) as folder:
        temporary = folder / path.name
        try:
            yield temporary
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        finally:
            if temporary.exists():
                _give_name(temporary, path)


def write_whole(path: str | os.PathLike, write: Callable[[pathlib.Path], None]) -> AnyPath:
    """Calls `write` with a local temporary path, then gives that file its final path, which is returned.

    If the process or the machine dies, either the old file or the whole new one is there. Every call has a temporary
    name of its own: if several processes write the same file, the last one to finish wins.

    Args:
        path: the final path.
        write: writes the whole file.

    Raises:
        UserError: nothing could be written, for instance on a full disk; an old file is intact.
    """
    path = to_path(path)
    with writing(path):
        if is_remote(path):
            with folder_for(path) as folder:
                write(folder / path.name)
                _give_name(folder / path.name, path)
            return path
        temporary = path.with_name(temporary_name(path.name))
        try:
            write(temporary)
            _give_name(temporary, path)
        finally:  # after Ctrl-C too
            with contextlib.suppress(OSError):
                remove(temporary)
    return path


def write_text(path: str | os.PathLike, text: str) -> AnyPath:
    """Writes a text file in UTF-8 (lone surrogates as escapes), whole or not at all; see `write_whole`."""
    return write_whole(path, lambda beside: beside.write_bytes(text.encode("utf-8", "backslashreplace")))


@contextlib.contextmanager
def writing(path: str | os.PathLike) -> Iterator[None]:
    """Returns a context that turns the system's errors while a file is written into one line that names the file.

    Raises:
        UserError: the code in the context could not write the file.
    """
    try:
        yield
    except Exception as error:
        reason = _system_error(error) if isinstance(error, OSError) or not isinstance(error, UserError) else None
        if reason is None:
            raise
        kept = ""
        with contextlib.suppress(OSError):
            kept = "; what was there before is intact" if to_path(path).exists() else ""
        advice = "Free some space or name another path."
        raise UserError(f"{path}: could not be written ({reason}){kept}. {advice}") from error


@contextlib.contextmanager
def folder_for(target: AnyPath) -> Iterator[pathlib.Path]:
    """Returns a context with a new local folder for files that `move` then puts into the folder `target`.

    It lies in `target` itself, so that moving is renaming; for a remote target, among the system's temporary folders.
    """
    if is_remote(target):
        with tempfile.TemporaryDirectory(prefix=temporary_name()) as folder:
            yield pathlib.Path(folder)
        return
    with temporary_folder(target) as folder:
        yield folder


@contextlib.contextmanager
def temporary_folder(target: AnyPath) -> Iterator[AnyPath]:
    """Returns a context with a new folder in `target`, local or remote; `replace` moves its files into `target`.

    It is for output that this machine's own disk may have no room for. The folder is removed at the end.
    """
    folder = target / temporary_name()
    folder.mkdir()
    try:
        yield folder
    finally:
        with contextlib.suppress(OSError):  # some file systems drop a folder with its last file
            remove(folder)


def move(source: pathlib.Path, target: AnyPath) -> None:
    """Gives a local file or folder its final path, and replaces what is there.

    When a folder is uploaded, the files at its top level come last: a SavedModel is recognised by them, so that an
    incomplete folder is never taken for one.
    """
    if not is_remote(target):
        old = target.with_name(temporary_name())
        if target.is_dir():
            os.rename(target, old)
        os.replace(source, target)
        if old.exists():
            remove(old)
        return
    if target.is_dir():
        remove(target)
    if not source.is_dir():
        target.upload(source)
        return
    files = sorted(path.relative_to(source) for path in source.rglob("*") if path.is_file())
    for name in sorted(files, key=lambda name: -len(name.parts)):
        (target / name.parent).mkdir(parents=True)
        (target / name).upload(source / name)


def give_second_name(path: AnyPath, other: AnyPath) -> None:
    """Makes a file available under a second path; it is copied only where hard links are not possible."""
    if is_remote(path):
        beside = other.with_name(temporary_name(other.name))
        path.copy(beside)
        beside.replace(other)
        return

    def link(temporary: pathlib.Path) -> None:
        try:
            os.link(path, temporary)
        except OSError:  # a file system without hard links
            shutil.copyfile(path, temporary)

    write_whole(other, link)


def check_writable(folder: AnyPath) -> None:
    """Makes a folder if it is missing; raises an OSError if no file can be written into it."""
    folder.mkdir(parents=True, exist_ok=True)
    if is_remote(folder):
        probe = folder / temporary_name()
        probe.write_bytes(b"x")
        probe.unlink()
    else:
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"x")


def flush(path: pathlib.Path) -> None:
    """Waits until a local file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _give_name(temporary: pathlib.Path, path: AnyPath) -> None:
    """Gives a complete local file its final path, after flushing it to the disk."""
    if is_remote(path):
        beside = path.with_name(temporary_name(path.name))
        beside.upload(temporary)
        beside.replace(path)
        return
    flush(temporary)
    os.replace(temporary, path)
    with contextlib.suppress(OSError):  # some systems cannot open folders; the file has its final path already
        flush(path.parent)


def _system_error(error: BaseException | None) -> str | None:
    """Returns the system's message, even if a library raised another error while closing the file; else None."""
    while error is not None:
        if isinstance(error, OSError):
            return error.strerror or str(error)
        if type(error).__module__ == "tensorflow.python.framework.errors_impl":
            return first_line(error)
        error = error.__cause__ or error.__context__
    return None
