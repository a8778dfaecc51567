"""A remote path (gs://bucket/name, ...) with the interface of `pathlib.Path`.

It replaces `etils.epath`, the library for this, which knows only a fixed list of schemes (without hdfs:// and ram://),
cannot search nested folders, keeps "..", which no bucket understands, and lets most of TensorFlow's errors through.
"""

import contextlib
import errno
import fnmatch
import functools
import glob
import io
import mimetypes
import os
import pathlib
import posixpath
import types
from collections.abc import Iterator

from keras_centernet.errors import UserError, first_line

SCHEME_END = "://"


class RemoteError(OSError, UserError):
    """An error of a remote path: an `OSError` with a `strerror`, and a `UserError` of one line."""

    def __str__(self) -> str:
        return (
            f"{self.filename}: expected a file or folder that can be reached, got: {self.strerror}. Check its name, "
            "your rights and the network."
        )


def is_remote(path: str | os.PathLike) -> bool:
    """Whether a path has a scheme (gs://bucket/...) and is therefore left to `tf.io.gfile`."""
    return SCHEME_END in os.fspath(path)


@functools.total_ordering
class RemotePath(os.PathLike):
    """A remote file or folder; methods do what those of `pathlib.Path` do.

    Args:
        *segments: "gs://bucket/folder", and names below it; ".." is resolved here, and stops at the bucket.

    Raises:
        RemoteError: (all methods that read or change something) the path cannot be reached or changed.
    """

    def __init__(self, *segments: str | os.PathLike):
        scheme, end, rest = "/".join(map(os.fspath, segments)).partition(SCHEME_END)
        host, _, path = rest.partition("/")
        self._root = f"{scheme}{end}{host}"
        self._path = pathlib.PurePosixPath(posixpath.normpath(f"/{path.lstrip('/')}"))

    # -- the name

    def __str__(self) -> str:
        return self._root + str(self._path) if self.name or self._root.endswith("/") else self._root

    __fspath__ = __str__

    def __repr__(self) -> str:
        return f"RemotePath({str(self)!r})"

    def __eq__(self, other) -> bool:
        return isinstance(other, RemotePath) and self.parts == other.parts

    def __lt__(self, other: "RemotePath") -> bool:
        return self.parts < other.parts  # as pathlib sorts

    def __hash__(self) -> int:
        return hash(self.parts)

    def __truediv__(self, name: str | os.PathLike) -> "RemotePath":
        return RemotePath(self, name)

    def joinpath(self, *names: str | os.PathLike) -> "RemotePath":
        return RemotePath(self, *names)

    @property
    def parts(self) -> tuple[str, ...]:
        return (self._root, *self._path.parts[1:])

    @property
    def name(self) -> str:
        return self._path.name

    @property
    def stem(self) -> str:
        return self._path.stem

    @property
    def suffix(self) -> str:
        return self._path.suffix

    @property
    def parent(self) -> "RemotePath":
        return RemotePath(self._root, self._path.parent)

    def with_name(self, name: str) -> "RemotePath":
        return self.parent / name

    def with_stem(self, stem: str) -> "RemotePath":
        return self.parent / f"{stem}{self.suffix}"

    def with_suffix(self, suffix: str) -> "RemotePath":
        return self.parent / f"{self.stem}{suffix}"

    def relative_to(self, other: "RemotePath") -> pathlib.PurePosixPath:
        return self._path.relative_to(other._path)

    # -- its state

    def exists(self) -> bool:
        with self._gfile() as gfile:
            return gfile.exists(str(self))

    def is_dir(self) -> bool:
        with self._gfile() as gfile:
            if gfile.isdir(str(self)):
                return True
            gfile.exists(str(self))  # raises if the path cannot be reached; `isdir` returns False then
            return False

    def is_file(self) -> bool:
        with self._gfile() as gfile:
            return gfile.exists(str(self)) and not gfile.isdir(str(self))

    def stat(self) -> types.SimpleNamespace:
        """Returns the number of bytes of a file as `st_size`, and the time of its last change as `st_mtime`."""
        with self._gfile() as gfile:
            status = gfile.stat(str(self))
            return types.SimpleNamespace(st_size=status.length, st_mtime=status.mtime_nsec / 1e9)

    def listdir(self) -> list[str]:
        """Returns the names in a folder; in buckets, names of folders end with "/"."""
        with self._gfile() as gfile:
            return gfile.listdir(str(self))

    def iterdir(self) -> Iterator["RemotePath"]:
        return (self / name for name in self.listdir())

    def glob(self, pattern: str) -> Iterator["RemotePath"]:
        if not self.is_dir():  # some file systems raise an error then
            return iter(())
        with self._gfile() as gfile:
            return map(RemotePath, gfile.glob(f"{glob.escape(str(self))}/{pattern}"))

    def rglob(self, pattern: str) -> Iterator["RemotePath"]:
        """Yields the files below that match; unlike pathlib, it yields no folders.

        (`tf.io.gfile.walk` checks for every name whether it is a folder, which takes one request each in a bucket.)
        """
        names = self.listdir()
        are_marked = any(name.endswith("/") for name in names)
        for name in names:
            path = self / name
            may_be_folder = not are_marked and mimetypes.guess_type(path.name)[0] is None
            if name.endswith("/") or (may_be_folder and path.is_dir()):
                yield from path.rglob(pattern)
            elif fnmatch.fnmatchcase(path.name, pattern):
                yield path

    # -- reading and writing

    @contextlib.contextmanager
    def open(self, mode: str = "rb"):
        """Returns a context with a file of bytes."""
        with self._gfile() as gfile, gfile.GFile(str(self), mode) as file:
            yield file

    def read_bytes(self) -> bytes:
        with self.open("rb") as file:
            return file.read()

    def read_text(self, encoding: str | None = None) -> str:
        return io.TextIOWrapper(io.BytesIO(self.read_bytes()), encoding).read()

    def write_bytes(self, data: bytes) -> None:
        with self.open("wb") as file:
            file.write(data)

    def write_text(self, text: str, encoding: str = "utf-8") -> None:
        self.write_bytes(text.encode(encoding))

    def mkdir(self, parents: bool = True, exist_ok: bool = True) -> None:
        """Makes the folder and its parents if they are missing; the arguments are ignored."""
        with self._gfile() as gfile:
            gfile.makedirs(str(self))

    def unlink(self, missing_ok: bool = False) -> None:
        with self._gfile() as gfile:
            if not missing_ok or gfile.exists(str(self)):
                gfile.remove(str(self))

    def rmtree(self) -> None:
        with self._gfile() as gfile:
            gfile.rmtree(str(self))

    def replace(self, target: "RemotePath") -> None:
        with self._gfile() as gfile:
            gfile.rename(str(self), str(target), overwrite=True)

    def copy(self, target: "pathlib.Path | RemotePath") -> None:
        """Copies a file to a local or another remote path."""
        with self._gfile() as gfile:
            gfile.copy(str(self), str(target), overwrite=True)

    def upload(self, source: pathlib.Path) -> None:
        """Copies a local file to this path."""
        with self._gfile() as gfile:
            gfile.copy(str(source), str(self), overwrite=True)

    @contextlib.contextmanager
    def _gfile(self):
        import tensorflow as tf

        try:
            yield tf.io.gfile
        except tf.errors.NotFoundError:
            raise RemoteError(errno.ENOENT, os.strerror(errno.ENOENT), str(self)) from None
        except tf.errors.OpError as error:
            raise RemoteError(errno.EIO, first_line(error).strip(), str(self)) from None
