"""What a path is that is no regular file."""

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
    """Returns what a local path is where it is no regular file, else None; to open a pipe would wait for its writer.

    What a system makes up while it is read, such as /proc/kmsg, has no size: it is "an empty file", as those are.

    Raises:
        OSError: there is nothing.
    """
    try:
        status = os.stat(path)
    except ValueError:
        return "a name with a NUL"
    kind = next((kind for is_kind, kind in _SPECIAL.items() if is_kind(status.st_mode)), None)
    return kind or (None if status.st_size else "an empty file")
