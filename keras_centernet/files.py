"""Files that are there whole or not at all."""

import contextlib
import os
import pathlib
from collections.abc import Callable

from keras_centernet.errors import UserError


def write_whole(path: str | os.PathLike, write: Callable[[pathlib.Path], None]) -> pathlib.Path:
    """Calls `write` with a path beside the file, then renames that into place; returns the file's path.

    Raises:
        UserError: nothing could be written, for instance on a full disk; an old file is intact.
    """
    path = pathlib.Path(path)
    beside = path.with_name(f"part.{path.name}")
    try:
        write(beside)
        os.replace(beside, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise UserError(
            f"{path}: could not be written ({error.strerror or error}); the previous file is intact. Free some space "
            "or name another place."
        ) from error
    return path
