"""stdout and stderr of a command: their reader may be gone, they may be closed, or encode only few characters."""

import contextlib
import errno
import os
import sys
from collections.abc import Callable, Iterator

from keras_centernet.errors import UserError

NOBODY_READS = (errno.EPIPE, errno.EIO)  # of `| head`, and of a terminal that was closed
STANDARD = (0, 1, 2)  # descriptors


class OutputEnded(Exception):
    """Nobody reads what a command prints, and printing is all it does."""


class LastingStream:
    """A stream that discards what follows once it cannot be written to.

    Args:
        stream: of text.

    Attributes:
        is_all: whether printing is all that the command does: then `OutputEnded` is raised if nobody reads the output,
            and a UserError if it cannot be written.
        is_unread: whether it was a pipe whose reader is gone. (A terminal that is gone sends a signal to the processes
            that should end.)
    """

    def __init__(self, stream):
        self._stream, self.is_all, self.is_unread = stream, False, False

    def __getattr__(self, name: str):
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Writes; returns the number of characters."""
        self._try(self._stream.write, text)
        return len(text)

    def writelines(self, lines) -> None:
        """Writes several texts."""
        self._try(self._stream.writelines, lines)

    def flush(self) -> None:
        """Writes what is buffered."""
        self._try(self._stream.flush)

    def _try(self, call: Callable, *arguments) -> None:
        try:
            call(*arguments)
        except OSError as error:
            _lead_into_nothing(self._stream)
            is_unread = error.errno in NOBODY_READS
            self.is_unread = self.is_unread or error.errno == errno.EPIPE
            if self.is_all:
                self.is_all = False
                name = str(getattr(self._stream, "name", "output")).strip("<>")
                raise OutputEnded if is_unread else UserError(f"{name}: {error.strerror}.") from None
            if not is_unread and self is not sys.stderr:
                print(f"{error.strerror}: what follows is not shown; the command goes on.", file=sys.stderr)


@contextlib.contextmanager
def lasting_streams() -> Iterator[None]:
    """Returns a context in which stdout and stderr always accept text; characters they cannot encode become escapes."""
    _open_standard()
    before, errors = (sys.stdout, sys.stderr), []
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        if stream is None:  # it was closed
            stream = open(descriptor, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        errors.append((stream, getattr(stream, "errors", None)))
        _set_errors(stream, "backslashreplace")
        setattr(sys, name, LastingStream(stream))
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OutputEnded, ValueError):
                stream.flush()
        sys.stdout, sys.stderr = before
        for stream, kind in errors:
            _set_errors(stream, kind)


def end_with_reader() -> None:
    """Declares that printing is all that the command does, so that it ends when nobody reads its output any more."""
    if isinstance(sys.stdout, LastingStream):
        sys.stdout.is_all = True


def draws_bars() -> bool:
    """Whether stdout can show the progress bar of Keras, which moves the cursor back and needs the character '━'."""
    if not sys.stdout.isatty() or os.environ.get("TERM") == "dumb":
        return False
    try:
        "━".encode(sys.stdout.encoding)
    except (UnicodeEncodeError, LookupError, TypeError):
        return False
    return True


def _open_standard() -> None:
    """Opens closed standard descriptors: the next opened file would get their number, and with it libraries' output."""
    for descriptor in STANDARD:
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def _lead_into_nothing(stream) -> None:
    with contextlib.suppress(OSError, ValueError):  # an in-memory stream has no descriptor
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, stream.fileno())
        os.close(nothing)


def _set_errors(stream, kind: str | None) -> None:
    if kind is not None and hasattr(stream, "reconfigure"):
        with contextlib.suppress(ValueError):  # closed meanwhile
            stream.reconfigure(errors=kind)
