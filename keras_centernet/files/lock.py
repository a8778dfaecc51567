"""One writer at a time of a file, and of those that go with it, local or remote."""

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

LOCK = f"{MARK}lock-"  # beginning of the name of the file beside, which says who writes
_LONGEST = 160  # bytes of the name that are kept: file systems take 255
SIGN_OF_LIFE_S = 30.0  # between two changes of the file's time
DEAD_S = 300.0  # without one, a writer on another machine has ended
_POLL_S = 0.1
_held: set[str] = set()  # by this process; after a restart in a container a dead one had the same number


@contextlib.contextmanager
def one_writer(path: AnyPath, wait_s: float = 0.0) -> Iterator[None]:
    """Returns a context that one process at a time can be in; a dead one does not hold it.

    A file beside, `LOCK` and the name, says which process it is, on which machine. On this machine the system knows
    whether it still lives; on others it gives a sign of life. (Remote file systems cannot create a file only where
    there is none: two processes that begin within the same second may both enter.)

    Args:
        path: what is written, in an existing folder.
        wait_s: how long to wait for another process.

    Raises:
        UserError: another process is in it; the line names it.
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
        except OSError:  # a full disk: nothing is left there
            self.path.unlink()
            raise

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
    """A file whose content says who holds it, and when that was last so: not every file system has times of changes."""

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
        with contextlib.suppress(OSError, ValueError):  # the disk is away for a moment; the file was closed
            lock.touch()
