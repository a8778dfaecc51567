"""Locks that let one process at a time write a file, and those that belong to it, local or remote."""

import contextlib
import hashlib
import json
import os
import socket
import threading
import time
from collections.abc import Iterator

from keras_centernet.errors import UserError
from keras_centernet.files.paths import AnyPath
from keras_centernet.files.remote_path import is_remote
from keras_centernet.files.temporary import MARK, is_running, machine_id, temporary_name

LOCK = f"{MARK}lock-"  # beginning of the lock file's name
_LONGEST = 160  # bytes of the name that are kept: file systems take 255
SIGN_OF_LIFE_S = 30.0  # between two updates of the lock file
DEAD_S = 300.0  # without an update: a writer on another machine then counts as dead
_POLL_S = 0.1
_held: set[str] = set()  # by this process: after a container restarts, a dead process may have had the same id


@contextlib.contextmanager
def one_writer(path: AnyPath, wait_s: float = 0.0) -> Iterator[None]:
    """Returns a context that one process at a time can be in; a dead process does not block it.

    A lock file beside the path (`LOCK` and the path's name) says which process holds it, on which machine. On this
    machine the system knows whether that process is alive; on others the process shows it by updating the file. (Remote
    file systems have no exclusive creation of files: two processes that begin within the same second may both enter.)

    Args:
        path: what is written, in an existing folder.
        wait_s: how long to wait for another process.

    Raises:
        UserError: another process is in it; the message names that process.
    """
    lock = (_Remote if is_remote(path) else _Local)(path.with_name(_lock_name(path.name)))
    until = time.monotonic() + wait_s
    while not lock.take():
        if time.monotonic() >= until:
            advice = "Wait for it, stop it, or name another place."
            raise UserError(f"{path}: expected no other process that writes it, got {lock.holder}. {advice}")
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
    """A lock file that the system keeps locked as long as its process is alive."""

    def __init__(self, path: AnyPath):
        self.path, self.holder, self._file = path, "", None

    def take(self) -> bool:
        file = open(self.path, "a+b", buffering=0)  # noqa: SIM115 held until `give_back`
        try:
            locked = _lock_by_system(file)
            file.seek(0)
            holder, age_s = _parse(file.read()), time.time() - os.fstat(file.fileno()).st_mtime
            if locked is not False and self._is_current(file) and not self._lives(holder, age_s, asked=locked is None):
                self._sign(file)
                self._file = file
                return True
            self.holder = _describe(holder)
            return False
        finally:
            if self._file is None:
                file.close()

    def _sign(self, file) -> None:
        try:
            file.truncate(0)
            file.write(_own_content())
        except OSError:  # a full disk: no empty file is left
            self.path.unlink()
            raise

    def touch(self) -> None:
        os.utime(self._file.fileno())

    def give_back(self) -> None:
        with contextlib.suppress(OSError):
            self.path.unlink()  # before closing: whoever opens the path now gets a new file
        self._file.close()

    def _lives(self, holder: dict, age_s: float, asked: bool) -> bool:
        """Whether the process that the file names is alive; `asked`: look its id up, as the system has no locks."""
        if holder.get("machine") == machine_id() and not asked:
            return False  # the system would not have let us lock the file
        return _lives(holder, age_s, self.path)

    def _is_current(self, file) -> bool:
        """Whether the path still leads to this open file: its holder may have removed it meanwhile."""
        try:
            return os.path.samestat(os.fstat(file.fileno()), os.stat(self.path))
        except FileNotFoundError:
            return False


class _Remote:
    """A lock file that also holds the time of its last update: not every file system has modification times."""

    def __init__(self, path: AnyPath):
        self.path, self.holder = path, ""

    def take(self) -> bool:
        if self.path.exists():
            holder = _parse(self.path.read_bytes())
            if _lives(holder, time.time() - holder.get("seen", 0), self.path):
                self.holder = _describe(holder)
                return False
        self.touch()
        return True

    def touch(self) -> None:
        beside = self.path.with_name(temporary_name())
        beside.write_bytes(_own_content(seen=time.time()))
        beside.replace(self.path)

    def give_back(self) -> None:
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)


def _lock_name(name: str) -> str:
    encoded = os.fsencode(name)
    if len(encoded) <= _LONGEST:
        return f"{LOCK}{name}"
    return f"{LOCK}{hashlib.sha256(encoded).hexdigest()}"


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


def _own_content(**more) -> bytes:
    return json.dumps({"host": socket.gethostname(), "machine": machine_id(), "pid": os.getpid(), **more}).encode()


def _parse(content: bytes) -> dict:
    try:
        holder = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    is_holder = isinstance(holder, dict) and type(holder.get("pid")) is int
    return holder if is_holder and isinstance(holder.get("seen", 0.0), int | float) else {}


def _describe(holder: dict) -> str:
    return f"process {holder['pid']} on {str(holder.get('host'))[:60]}" if holder else "one that has just begun"


def _give_signs_of_life(lock: "_Local | _Remote", ended: threading.Event) -> None:
    while not ended.wait(SIGN_OF_LIFE_S):
        with contextlib.suppress(OSError, ValueError):  # the disk is unreachable for a moment; the file was closed
            lock.touch()
