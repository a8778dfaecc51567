"""Zip archives, checked before anything in them takes memory or disk space."""

import os
import pathlib
import zipfile
import zlib

from keras_centernet.errors import UserError, first_line, shown

MOST_EXPANSION = 20  # Keras and PyTorch do not compress; other writers may
FREE_BYTES = 1 << 26  # that even a small file may expand to
MOST_MEMBERS = 100_000
DAMAGES = (zipfile.BadZipFile, zlib.error, EOFError, KeyError, RuntimeError, ValueError, OSError)


def most_bytes_of(size: int) -> int:
    """Returns how many bytes an archive of `size` bytes may unpack to."""
    return MOST_EXPANSION * size + FREE_BYTES


def check_archive(archive: zipfile.ZipFile, local: pathlib.Path, path: str) -> None:
    """Raises a UserError if an archive would unpack to too many bytes or files, or outside its folder.

    Args:
        archive: opened to be read.
        local: its file.
        path: of the file, for messages.
    """
    members = archive.infolist()
    most, names = most_bytes_of(os.path.getsize(local)), {member.filename for member in members}
    if len(members) > MOST_MEMBERS or len(names) < len(members):
        raise UserError(f"{path}: expected up to {MOST_MEMBERS} files of different names, got {len(members)} in it.")
    for name in names:
        if pathlib.PurePosixPath(name).is_absolute() or ".." in pathlib.PurePosixPath(name.replace("\\", "/")).parts:
            raise UserError(f"{path}: expected files inside the archive, got {shown(name)}; do not use it.")
    total = sum(member.file_size for member in members)
    if total > most:
        largest = max(members, key=lambda member: member.file_size).filename
        raise UserError(f"{path}: expected at most {most} bytes in it, got {total}, most in {shown(largest)}.")


def read_member(archive: zipfile.ZipFile, name: str, path: str, most_bytes: int | None = None) -> bytes:
    """Returns the content of a file in a checked archive; raises a UserError if it is missing, damaged or larger."""
    try:
        size = archive.getinfo(name).file_size
        if most_bytes is not None and size > most_bytes:
            raise UserError(f"{path}: expected at most {most_bytes} bytes in {name}, got {size}; it is another file.")
        return archive.read(name)
    except DAMAGES as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path}: expected {name} in it, which cannot be read: {first_line(error)}.") from None
