"""The name of a model or of weights -> a path: presets, addresses, hubs and folders."""

import hashlib
import os
import pathlib
import posixpath
import urllib.parse

from keras_centernet.errors import UserError, first_line
from keras_centernet.files.paths import exists, to_path
from keras_centernet.files.remote_path import is_remote
from keras_centernet.packages import import_package
from keras_centernet.weights.download import CHECKS, fetch, fetch_preset
from keras_centernet.weights.preset_folder import CONFIG, README, WEIGHTS
from keras_centernet.weights.presets import PRESETS, preset_name, unknown_name

BEST = "best.keras"  # of the folder of a run
HUB_PARTS = 2  # of an address at a hub: user and name


def is_named(name: str | os.PathLike) -> bool:
    """Whether a name is that of a preset or an address, so that it is not a path."""
    text = os.fspath(name)
    return preset_name(text) is not None or text.startswith(tuple(SCHEMES))


def find(name: str | os.PathLike, backbone: str | None = None) -> str:
    """Returns the path, local or remote, of the file that a name stands for, or of a preset's folder.

    Presets, addresses and names at hubs are downloaded once; other remote paths (gs://) are returned as they are. In
    the folder of a run the file is best.keras, in any other folder its only .keras file.

    Args:
        name: key of `PRESETS`; http(s)://, hf://user/name, hf://user/name/file, kaggle://...; a file or a folder.
        backbone: key of the network that the weights are for: for "dla34", "coco" means the preset "dla34_coco".

    Raises:
        UserError: it is none of them, or could not be downloaded.
    """
    text = os.fspath(name)
    if preset := preset_name(text, backbone):
        return str(fetch_preset(PRESETS[preset]))
    fetcher = next((fetcher for scheme, fetcher in SCHEMES.items() if text.startswith(scheme)), None)
    text = fetcher(text) if fetcher else text
    path = to_path(text)
    if path.suffix in CHECKS:
        return text
    if not is_remote(text) and not exists(path):
        if path.suffix or path.parent.name:
            return text  # the reader reports that it is missing
        raise unknown_name(text)
    return _in_folder(path) if path.is_dir() else text


def _in_folder(folder) -> str:
    files = [path.name for path in folder.iterdir()]
    if CONFIG in files and set(files) & set(WEIGHTS):
        return str(folder)
    models = [BEST] if BEST in files else [name for name in files if name.endswith(".keras")]
    if len(models) != 1:
        expected = f"expected a preset ({CONFIG} and {' or '.join(WEIGHTS)}), {BEST} or one .keras file in the folder"
        raise UserError(f"{folder}: {expected}, got {len(models)} .keras files; name the file.")
    return str(folder / models[0])


def _fetch_address(address: str) -> str:
    name = posixpath.basename(urllib.parse.urlparse(address).path)
    if pathlib.PurePath(name).suffix not in CHECKS:
        raise UserError(f"{address}: expected an address that ends in {', '.join(CHECKS)}.")
    # Many addresses can end in the same name.
    return str(fetch(f"{hashlib.sha256(address.encode()).hexdigest()[:12]}-{name[-60:]}", address))


def _fetch_hugging_face(address: str) -> str:
    user, name, *rest = hub_parts(address, "hf://user/name or hf://user/name/file")
    huggingface_hub = import_package(address, "huggingface_hub")
    try:
        if rest:
            return huggingface_hub.hf_hub_download(f"{user}/{name}", "/".join(rest))
        patterns = [CONFIG, README, *WEIGHTS, "*.keras"]
        return huggingface_hub.snapshot_download(f"{user}/{name}", allow_patterns=patterns)
    except Exception as error:  # its own, and those of its connection
        raise UserError(f"{address}: could not be downloaded: {first_line(error)}") from error


def _fetch_kaggle(address: str) -> str:
    parts = hub_parts(address, "kaggle://user/model/keras/variation")
    kagglehub = import_package(address, "kagglehub")
    try:
        return kagglehub.model_download("/".join(parts))
    except Exception as error:  # its own, and those of its connection
        raise UserError(f"{address}: could not be downloaded: {first_line(error)}") from error


def hub_parts(address: str, expected: str) -> list[str]:
    """Returns the parts of an address at a hub: user, name and what follows.

    Raises:
        UserError: there are too few parts, or empty or ".." ones; the message says what was expected.
    """
    parts = address.partition("://")[2].strip("/").split("/")
    if len(parts) < HUB_PARTS or not all(parts) or ".." in parts:
        raise UserError(f"{address}: expected {expected}.")
    return parts


SCHEMES = {
    "http://": _fetch_address,
    "https://": _fetch_address,
    "hf://": _fetch_hugging_face,
    "kaggle://": _fetch_kaggle,
}
