"""Temporary names of files and folders that are being written, and removal of those that killed writers left.

A name says who writes: `.keras_centernet-MACHINE-PROCESS-NUMBER.NAME`. Only files and folders with such a name are ever
removed, and only if their writer on this machine has ended, or if they have not changed for a day.
"""

import contextlib
import functools
import hashlib
import os
import re
import shutil
import socket
import time
import uuid

from keras_centernet.files.paths import AnyPath, list_names
from keras_centernet.files.remote_path import is_remote

MARK = ".keras_centernet-"  # beginning of all such names
ABANDONED_S = 24 * 3600  # without a change: the writer then counts as dead
_NAME = re.compile(rf"{re.escape(MARK)}([0-9a-f]{{8}})-([0-9]+)-[0-9a-f]{{8}}(\..*)?")
_LONGEST = 40  # characters of the final name that are kept: file systems take 255 bytes
_in_use: set[str] = set()  # names of this process: after a container restarts, a dead process may have had the same id


def temporary_name(name: str = "") -> str:
    """Returns a new name for what will be called `name`, with the same suffix."""
    marked = f"{MARK}{machine_id()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    if name:
        marked += f".{name[-_LONGEST:]}"
    _in_use.add(marked)
    return marked


def final_name(name: str) -> str | None:
    """Returns what a temporary name stands for; None for any other name."""
    found = _NAME.fullmatch(name)
    return (found[3] or "").removeprefix(".") if found else None


def remove_temporaries(folder: AnyPath) -> list[str]:
    """Removes the files and folders that killed processes left in a folder; returns their names."""
    left = [name.rstrip("/") for name in list_names(folder) if name.startswith(MARK)]
    left = [name for name in left if _is_abandoned(folder / name)]
    for name in left:
        with contextlib.suppress(OSError):  # another process removed it just now
            remove(folder / name)
    return left


def remove(path: AnyPath) -> None:
    """Removes a file, or a folder with all that is in it."""
    _in_use.discard(path.name)
    if not path.is_dir():
        path.unlink(missing_ok=True)
    elif is_remote(path):
        path.rmtree()
    else:
        shutil.rmtree(path)


@functools.cache
def machine_id() -> str:
    """Returns eight hexadecimal digits that identify this machine, made from its name and its network card."""
    card = uuid.getnode()
    is_random = card >> 40 & 1  # no card was found
    return hashlib.sha256(f"{socket.gethostname()} {0 if is_random else card}".encode()).hexdigest()[:8]


def is_running(process: int) -> bool:
    """Whether a process of this machine is running; True if that cannot be found out."""
    if os.name != "posix":
        return True  # elsewhere `os.kill` would end the process
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # of another user
        return True
    return True


def _is_abandoned(path: AnyPath) -> bool:
    found = _NAME.fullmatch(path.name)
    if not found or path.name in _in_use:
        return False
    machine, process = found[1], int(found[2])
    if machine == machine_id() and (process == os.getpid() or not is_running(process)):
        return True
    try:
        changed = path.stat().st_mtime  # 0 where a file system does not say
    except OSError:
        return False
    return changed > 0 and time.time() - changed > ABANDONED_S
