"""Uploading a preset to a hub."""

import os
import pathlib

from keras_centernet.errors import UserError, first_line
from keras_centernet.files.paths import to_path
from keras_centernet.files.remote_path import is_remote
from keras_centernet.packages import import_package
from keras_centernet.weights.preset_folder import CONFIG, FORMAT
from keras_centernet.weights.resolve import HUB_PARTS, hub_parts

SCHEME, EXPECTED = "hf://", "hf://user/name"


def upload_preset(address: str, folder: str | os.PathLike, private: bool = False) -> str:
    """Uploads a folder of `save_to_preset` to the Hugging Face hub; returns its address.

    Log in first, with `hf auth login` of huggingface_hub.

    Args:
        address: "hf://user/name"; a missing repository is made.
        folder: local.
        private: whether a new repository is private.

    Raises:
        UserError: the address is of another kind, the folder is no preset, huggingface_hub is missing, or the hub
            refuses.
    """
    parts = hub_parts(address, EXPECTED)
    if not address.startswith(SCHEME) or len(parts) != HUB_PARTS:
        raise UserError(f"{address}: expected {EXPECTED}.")
    name = "/".join(parts)
    if is_remote(folder):
        raise UserError(f"{folder}: expected a local folder.")
    FORMAT.read(to_path(folder) / CONFIG)
    huggingface_hub = import_package(address, "huggingface_hub")
    try:
        huggingface_hub.create_repo(name, private=private, exist_ok=True)
        huggingface_hub.upload_folder(repo_id=name, folder_path=str(pathlib.Path(folder)))
    except Exception as error:  # its own, and those of its connection
        raise UserError(f"{address}: could not be uploaded: {first_line(error)}") from error
    return address
