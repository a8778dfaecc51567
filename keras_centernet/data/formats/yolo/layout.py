"""Finds the images of splits in data sets that do not state where they are."""

from keras_centernet.data.formats.yolo.labels import look_like_labels
from keras_centernet.data.formats.yolo.plain_files import LISTS_OF_NAMES
from keras_centernet.data.images import IMAGE_SUFFIXES
from keras_centernet.data.names import split_folders
from keras_centernet.data.reading.image_files import images_in
from keras_centernet.data.reading.texts import read_lines
from keras_centernet.errors import UserError
from keras_centernet.files.paths import AnyPath, list_names

IMAGE_FOLDERS = ("images", "Images", "JPEGImages", "imgs", "img")
LABELS = "labels"
_LISTS = ("train.txt", "val.txt", "valid.txt", "validation.txt", "test.txt")
_TRIED = 3  # label files by which a folder is judged


def find_splits(root: AnyPath) -> dict[str, tuple[str, ...]]:
    """Returns {split: its folder or list, relative to the root}: images/train/, train/images/, train/ or train.txt.

    The result is empty if there are no splits.
    """
    for name in IMAGE_FOLDERS:
        if splits := _with_images(root / name):
            return {split: (f"{name}/{split}",) for split in splits}
    if splits := _with_images(root):
        return {split: (f"{split}/{image_folder(folder)}",) for split, folder in splits.items()}
    return {name.removesuffix(".txt"): (name,) for name in _LISTS if _is_list_of_images(root / name)}


def image_folder(folder: AnyPath) -> str:
    """Returns the name of the subfolder for images; "." if there is none."""
    return next((name for name in IMAGE_FOLDERS if (folder / name).is_dir()), ".")


def names_folders(root: AnyPath) -> list[AnyPath]:
    """Returns the folders in which labelling tools save the names of the classes."""
    inner = [root, root / LABELS]
    inner += split_folders(root).values()
    inner += [folder / LABELS for folder in split_folders(root).values()]
    return [*inner, *split_folders(root / LABELS).values()]


def has_labels(root: AnyPath, is_named: bool = False) -> bool:
    """Returns whether a usual place below a folder holds a label file; with `is_named`, any subfolder counts."""
    folders = [*names_folders(root), *(sorted(root.iterdir()) if is_named else ())]
    for folder in folders:
        names = sorted(name for name in list_names(folder) if name.endswith(".txt")) if folder.is_dir() else []
        names = [name for name in names if name not in (*LISTS_OF_NAMES, *_LISTS)]
        if any(look_like_labels(folder / name) for name in names[:_TRIED]):
            return True
    return False


def _with_images(folder: AnyPath) -> dict[str, AnyPath]:
    return {split: path for split, path in split_folders(folder).items() if images_in(path)}


def _is_list_of_images(path: AnyPath) -> bool:
    try:
        first = next(filter(None, read_lines(path)), "")
    except UserError:
        return False
    return first.strip("\"'").lower().endswith(IMAGE_SUFFIXES)
