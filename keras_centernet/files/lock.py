"""One writer at a time in a folder, local or remote."""

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Iterator

from keras_centernet.errors import UserError
from keras_centernet.files.paths import AnyPath
from keras_centernet.files.remote_path import is_remote
from keras_centernet.files.temporary import MARK, is_running, machine_id

LOCK = f"{MARK}lock"
SIGN_OF_LIFE_S = 30.0  # between two changes of the file's time
DEAD_S = 300.0  # without one, a writer on another machine has ended
_POLL_S = 0.1
_held: set[str] = set()  # by this process; after a restart in a container a dead one had the same number


@contextlib.contextmanager
def one_writer(folder: AnyPath, wait_s: float = 0.0) -> Iterator[None]:
    """Returns a context that one process at a time can be in; a dead one does not hold it.

    The file `LOCK` in the folder names the process and its machine. On this machine the system knows whether it still
    lives; on others it gives a sign of life. (Remote file systems cannot create a file only where there is none: two
    processes that begin within the same second may both enter.)

    Args:
        folder: existing one.
        wait_s: how long to wait for another process.

    Raises:
        UserError: another process is in it; the line names it.
    """
    lock = (_Remote if is_remote(folder) else _Local)(folder / LOCK)
    until = time.monotonic() + wait_s
    while not lock.take():
        if time.monotonic() >= until:
            advice = "Wait for it, stop it, or name another folder."
            raise UserError(f"{folder}: expected no other process that writes to it, got {lock.holder}. {advice}")
        time.sleep(_POLL_S)
    _held.add(str(lock.path))
    ended = threading.Event()
    threading.Thread(target=_give_signs_of_life, args=(lock, ended), daemon=True).start()
    try:
        yield
    finally:
        ended.set()
        _held.discard(str(lock.path))
        lock.give_back()


class _Local:
    """A file that the system locks for a process as long as it lives."""

    def __init__(self, path: AnyPath):
        self.path, self.holder, self._file = path, "", None

    def take(self) -> bool:
        file = open(self.path, "a+b", buffering=0)  # noqa: SIM115 held until `give_back`
        try:
            locked = _lock_by_system(file)
            file.seek(0)
            holder, age_s = _parse(file.read()), time.time() - os.fstat(file.fileno()).st_mtime
            if locked is not False and self._is_current(file) and not self._lives(holder, age_s, asked=locked is None):
                file.truncate(0)
                file.write(_own_content())
                self._file = file
                return True
            self.holder = _describe(holder)
            return False
        finally:
            if self._file is None:
                file.close()

    def touch(self) -> None:
        os.utime(self._file.fileno())

    def give_back(self) -> None:
        with contextlib.suppress(OSError):
            self.path.unlink()  # first: who opens the file now gets a new one
        self._file.close()

    def _lives(self, holder: dict, age_s: float, asked: bool) -> bool:
        """Whether the process that the file names lives; `asked`: by its number, as the system has no locks."""
        if holder.get("machine") == machine_id() and not asked:
            return False  # the system would not have let us lock the file
        return _lives(holder, age_s, self.path)

    def _is_current(self, file) -> bool:
        """Whether the file was not removed by its holder since it was opened."""
        try:
            return os.path.samestat(os.fstat(file.fileno()), os.stat(self.path))
        except FileNotFoundError:
            return False


class _Remote:
    """A file whose content and age say who holds it."""

    def __init__(self, path: AnyPath):
        self.path, self.holder = path, ""

    def take(self) -> bool:
        if self.path.exists():
            holder, age_s = _parse(self.path.read_bytes()), time.time() - self.path.stat().st_mtime
            if _lives(holder, age_s, self.path):
                self.holder = _describe(holder)
                return False
        self.touch()
        return True

    def touch(self) -> None:
        self.path.write_bytes(_own_content())

    def give_back(self) -> None:
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)


def _lock_by_system(file) -> bool | None:
    """Returns whether an open file could be locked for this process; None: the system or the disk has no locks."""
    try:
        import fcntl
    except ImportError:  # not a POSIX system
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _lives(holder: dict, age_s: float, path: AnyPath) -> bool:
    if holder.get("machine") != machine_id():
        return bool(holder) and age_s < DEAD_S
    if holder["pid"] == os.getpid():
        return str(path) in _held
    return is_running(holder["pid"])


def _own_content() -> bytes:
    return json.dumps({"host": socket.gethostname(), "machine": machine_id(), "pid": os.getpid()}).encode()


def _parse(content: bytes) -> dict:
    try:
        holder = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return holder if isinstance(holder, dict) and type(holder.get("pid")) is int else {}


def _describe(holder: dict) -> str:
    return f"process {holder['pid']} on {str(holder.get('host'))[:60]}" if holder else "one that has just begun"


def _give_signs_of_life(lock: "_Local | _Remote", ended: threading.Event) -> None:
    while not ended.wait(SIGN_OF_LIFE_S):
        with contextlib.suppress(OSError, ValueError):  # the disk is away for a moment; the file was closed
            lock.touch()
