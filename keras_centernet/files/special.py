"""What kind of thing a path is if it is not a regular file."""

import os
import stat

_SPECIAL = {
    stat.S_ISDIR: "a folder",
    stat.S_ISFIFO: "a named pipe",
    stat.S_ISCHR: "a device",
    stat.S_ISBLK: "a device",
    stat.S_ISSOCK: "a socket",
}


def special_kind(path: str | os.PathLike) -> str | None:
    """Returns what a local path is if it is not a regular file with content, else None; it opens nothing.

    (Opening a pipe waits for its writer.) Files that the system generates while they are read, such as /proc/kmsg, have
    size 0 and count as "an empty file".

    Raises:
        OSError: nothing exists there.
    """
    try:
        status = os.stat(path)
    except ValueError:
        return "a name with a NUL"
    kind = next((kind for is_kind, kind in _SPECIAL.items() if is_kind(status.st_mode)), None)
    return kind or (None if status.st_size else "an empty file")
