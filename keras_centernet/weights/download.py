"""Files of weights, downloaded once into Keras' cache, and checked before they get their name there."""

import contextlib
import hashlib
import os
import pathlib
import re
import urllib.error
from collections.abc import Callable

import keras

from keras_centernet.errors import UserError, first_line
from keras_centernet.files.atomic import flush, write_text
from keras_centernet.files.lock import one_writer
from keras_centernet.files.outputs import open_folder
from keras_centernet.files.remote_path import is_remote
from keras_centernet.files.temporary import temporary_name
from keras_centernet.files.texts import read_beginning, read_text
from keras_centernet.packages import import_package
from keras_centernet.weights.checkpoint import check_reader, read_checkpoint
from keras_centernet.weights.h5_file import check_h5
from keras_centernet.weights.keras_file import check_keras_file
from keras_centernet.weights.presets import Preset

MIRROR = "KERAS_CENTERNET_MIRROR"
FOLDER = "keras_centernet"  # in Keras' folder
RECORD = ".sha256"  # suffix of the file beside that holds the checksum
WAIT_S = 3600.0  # for another process that fetches the same file
_MIRRORS = ("http://", "https://", "file://")
_HTML = re.compile(rb"\s*(\xef\xbb\xbf)?<(!doctype html|html|head|body)", re.IGNORECASE)
_SHA256 = re.compile(r"[0-9a-f]{64}")


def _check_h5(local: pathlib.Path, path: str) -> None:
    check_h5(local, local.stat().st_size, path)


def _check_tensors(local: pathlib.Path, path: str) -> None:
    read_checkpoint(local)


# {suffix: the check that a file must pass before it is kept}.
CHECKS = {
    ".keras": check_keras_file,
    ".h5": _check_h5,
    **dict.fromkeys((".pth", ".pt", ".tar", ".safetensors"), _check_tensors),
}


def cache_folder() -> pathlib.Path:
    """Returns the folder of all downloads, inside Keras' own folder, which KERAS_HOME sets."""
    home = os.environ.get("KERAS_HOME")  # as Keras reads it
    return (pathlib.Path(home).resolve() if home else pathlib.Path.home() / ".keras") / FOLDER


def fetch_preset(preset: Preset) -> pathlib.Path:
    """Returns the local path of a preset's checkpoint; see `fetch`. A mirror replaces the authors' address."""
    origin = mirrored(preset.file)
    ask_drive = None if origin else lambda path: _ask_drive(preset, path)
    return fetch(preset.file, origin or preset.address, preset.sha256, preset.page, ask_drive)


def fetch(
    name: str,
    address: str,
    sha256: str | None = None,
    page: str | None = None,
    second_way: Callable[[pathlib.Path], None] | None = None,
) -> pathlib.Path:
    """Returns the path of a file in the cache, downloaded if it is missing; only a whole, checked file is kept.

    Args:
        name: of the file in the cache, with its suffix.
        address: http(s):// or file://.
        sha256: its known checksum, or None. In either case the checksum of the first download is recorded beside the
            file and compared from then on.
        page: where to fetch it by hand; None: the address.
        second_way: writes the file to a path; called if the address gives a web page in its place.

    Raises:
        UserError: no connection (the message says where to put a file fetched by hand), an interrupted
            download, another checksum, a web page or a damaged file.
    """
    folder = cache_folder()
    open_folder(folder, "KERAS_HOME")
    path = folder / name
    with one_writer(path, WAIT_S):
        if not path.exists():
            check_reader(name)
            _download(path, address, sha256, page or address, second_way)
        elif not path.with_name(path.name + RECORD).exists():  # put there by hand
            _check_content(path, str(path))
        _compare(path, sha256)
    return path


def mirrored(name: str) -> str | None:
    """Returns the address of a file of that name at the mirror; None: there is no mirror.

    Raises:
        UserError: the mirror is neither a folder nor an address of http://, https:// or file://.
    """
    mirror = os.environ.get(MIRROR)
    if not mirror:
        return None
    if mirror.startswith(_MIRRORS):
        return f"{mirror.rstrip('/')}/{name}"
    if is_remote(mirror):
        raise UserError(f"{MIRROR}: expected a folder, or an address of http, https or file, got {mirror}.")
    return (pathlib.Path(mirror).expanduser().resolve() / name).as_uri()


def recorded_sha256(path: pathlib.Path) -> str:
    """Returns the checksum that was recorded beside a fetched file.

    Raises:
        UserError: the record is damaged.
    """
    record = path.with_name(path.name + RECORD)
    text = read_text(record, 4096).strip()
    if not _SHA256.fullmatch(text):
        raise UserError(f"{record}: expected the SHA-256 of {path.name}, got other text; remove both to fetch it anew.")
    return text


def _download(path: pathlib.Path, address: str, sha256: str | None, page: str, second_way) -> None:
    temporary = path.with_name(temporary_name(path.name))
    try:
        _get(temporary, address, page, path)
        if second_way and _is_html(temporary):
            temporary.unlink()
            second_way(temporary)
        _check_content(temporary, address)
        if sha256 and sha256_of(temporary) != sha256:
            raise UserError(f"{address}: expected the SHA-256 {sha256}, got {sha256_of(temporary)}; nothing was kept.")
        flush(temporary)
        os.replace(temporary, path)
        path.with_name(path.name + RECORD).unlink(missing_ok=True)  # of an earlier file of that name
    finally:  # after Ctrl-C too
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _get(temporary: pathlib.Path, address: str, page: str, path: pathlib.Path) -> None:
    folder = temporary.parent
    try:
        got = keras.utils.get_file(temporary.name, address, cache_subdir=folder.name, cache_dir=str(folder.parent))
    except Exception as error:  # Keras raises Exception itself, the system and http.client many kinds
        if isinstance(error.__context__, urllib.error.HTTPError):
            error.__context__.close()  # Keras leaves its connection open
        advice = f"Fetch {page} by hand, put it there as {path}, or set {MIRROR}."
        raise UserError(f"{path.name}: could not be downloaded ({first_line(error)}). {advice}") from error
    if pathlib.Path(got) != temporary:
        raise UserError(f"{folder}: expected a folder that can be written to; set KERAS_HOME.")


def _check_content(local: pathlib.Path, source: str) -> None:
    """Raises a UserError if a file is a web page, damaged, or of no known kind."""
    if _is_html(local):
        advice = "nothing of it is used; fetch the file by hand, or set " + MIRROR
        raise UserError(f"{source}: expected a file of weights, got a web page; {advice}.")
    check = CHECKS.get(local.suffix)
    if check is None:
        raise UserError(f"{source}: expected a name that ends in {', '.join(CHECKS)}.")
    try:
        check(local, source)
    except UserError as error:
        told = str(error).replace(f"{local}: ", "").replace(f"{source}: ", "")
        raise UserError(f"{source}: expected a whole file of weights: {told}") from error


def _is_html(local: pathlib.Path) -> bool:
    return bool(_HTML.match(read_beginning(local, 512)))


def _compare(path: pathlib.Path, sha256: str | None) -> None:
    """Compares a file with its known and its recorded checksum; records the checksum if there is no record yet."""
    record = path.with_name(path.name + RECORD)
    found = sha256_of(path)
    if not record.exists():
        write_text(record, found + "\n")
    for expected in (sha256, recorded_sha256(path)):
        if expected not in (None, found):
            advice = f"remove it and {record.name} to fetch it anew"
            raise UserError(f"{path}: expected the SHA-256 {expected}, got {found}; it changed: {advice}.")


def sha256_of(path: pathlib.Path) -> str:
    """Returns the SHA-256 of a local file in hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _ask_drive(preset: Preset, path: pathlib.Path) -> None:
    what = f"{preset.page}: Google Drive asks for a confirmation"
    gdown = import_package(what, "gdown", otherwise=f"fetch it by hand to {cache_folder() / preset.file}")
    try:
        gdown.download(id=preset.drive_id, output=str(path), quiet=True)
    except Exception as error:  # gdown's own and those of its connection
        raise UserError(f"{preset.page}: could not be downloaded: {first_line(error)}") from error
    if not path.exists():
        raise UserError(f"{preset.page}: could not be downloaded; fetch it by hand.")
