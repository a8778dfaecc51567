"""For formats with one label file per split: finds the files, the split of each file, and its images."""

import itertools
import re
from collections.abc import Callable, Iterator

from keras_centernet.data.formats.request import DataRequest
from keras_centernet.data.images import IMAGE_SUFFIXES
from keras_centernet.data.names import is_usual_split, match_split, split_folders, split_names
from keras_centernet.data.reading.image_files import ImageFiles
from keras_centernet.errors import UserError
from keras_centernet.files.paths import AnyPath, to_path

_PLACES = ("*", "*/*", "*/annotations/*")
_TRIED = 30  # files with unusual names whose content is checked, per folder
_LABEL_FOLDERS = ("annotations", "annotation", "annots", "labels")
_IMAGE_FOLDERS = ("images", "data", "Images", "imgs", "img", "JPEGImages")


def label_files(
    folder: AnyPath, suffix: str, is_named: Callable[[AnyPath], bool], is_one: Callable[[AnyPath], bool]
) -> Iterator[AnyPath]:
    """Yields the label files of a format in a folder, in its subfolders, and in the annotations/ folders of these.

    Args:
        folder: folder of the data set.
        suffix: suffix of the files, such as ".json".
        is_named: whether a path is that of a label file, judged by its name.
        is_one: whether a file is a label file, judged by its content; only a few files of each folder are checked.
    """
    tried: dict[AnyPath, int] = {}
    for path in itertools.chain.from_iterable(sorted(folder.glob(f"{place}{suffix}"), key=str) for place in _PLACES):
        is_known = is_named(path)
        if not is_known:
            tried[path.parent] = tried.get(path.parent, 0) + 1
            if tried[path.parent] > _TRIED:
                continue
        is_hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if not is_hidden and (is_known or is_one(path)) and path.is_file():
            yield path


def given_file(request: DataRequest) -> AnyPath | None:
    """Returns the label file that a request names as its `annotations` or `data`; None if it names none."""
    if request.annotations is not None:
        return to_path(request.annotations)
    return request.path if request.path.is_file() else None


def splits_of_files(
    request: DataRequest, files_in: Callable[[AnyPath], Iterator[AnyPath]], prefixes: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """Returns the names of the splits that have label files; () for a given file that is not named after a split.

    `files_in` is a function from a folder to its label files, see `label_files`; `prefixes` are those of `split_of`.
    """
    path = given_file(request)
    if path is not None:
        name = split_of(path, prefixes=prefixes)
        return (name,) if is_usual_split(name) else ()
    return tuple(dict.fromkeys(split_of(file, request.path, prefixes) for file in files_in(request.path)))


def split_of(path: AnyPath, root: AnyPath | None = None, prefixes: tuple[str, ...] = ()) -> str:
    """Returns the name of a label file's split.

    It is the part of the file's name after one of the format's prefixes, or the only usual name of a split in it
    ("train" in "my_train_labels.json"), or the usual name of the file's folder below `root`; else the file's name
    without suffix.
    """
    for prefix in prefixes:
        if path.stem.startswith(prefix) and len(path.stem) > len(prefix):
            return path.stem.removeprefix(prefix)
    words = [word for word in re.split(r"[^0-9A-Za-z]+", path.stem) if is_usual_split(word)]
    if len(words) == 1:
        return words[0]
    folder = path.parent.parent if path.parent.name.lower() in _LABEL_FOLDERS else path.parent
    return folder.name if folder != root and is_usual_split(folder.name) else path.stem


def images_beside(request: DataRequest, path: AnyPath, split: str) -> ImageFiles:
    """Returns where to look for the images that the label file of a split names.

    If the split has folders of its own, such as train2017/ or images/train/, only these are searched, so that no image
    of another split is taken. Exact paths relative to the label file's or the data set's folder are found anyway.
    """
    if request.images is not None:
        folder = to_path(request.images)
        return ImageFiles([folder], root=folder)
    beside = path.parent
    bases = [beside.parent] if beside.name.lower() in _LABEL_FOLDERS else []
    bases = list(dict.fromkeys([*bases, beside, *([request.path] if request.path.is_dir() else [])]))
    own = [folder for folder in _own_folders(bases, split) if _has_images(folder)]
    if own:
        return ImageFiles(own, also=bases)
    root = request.path if request.path.is_dir() else bases[0]
    return ImageFiles([*(base / name for base in bases for name in _IMAGE_FOLDERS), *bases], root=root)


def find_images(files: ImageFiles, names: list[str], path: AnyPath) -> list[AnyPath]:
    """Returns the paths of the images that a label file names; raises a UserError if none is found."""
    paths = files.find_all(names)
    if names and len(files.missing) == len(names):
        looked_in = ", ".join(map(str, files.folders[:3]))
        problem = f"found none of the {len(names)} that it names; pass `images`."
        raise UserError(f"{path}: expected its images in {looked_in}, {problem}")
    return paths


def _own_folders(bases: list[AnyPath], split: str) -> list[AnyPath]:
    """Returns the existing folders that are named after a split, those with its own name first."""
    names = dict.fromkeys((*split_names(split), *split_names(re.sub(r"[-_]?\d+$", "", split))))
    patterns = ("{}", "images/{}", "{}/images", "{}/data", "data/{}")
    folders = [base / pattern.format(name) for name in names for base in bases for pattern in patterns]
    for base in (*bases, *(base / "images" for base in bases)):
        folders += [base / name for name in split_folders(base) if match_split(split, [name])]
    return [folder for folder in dict.fromkeys(folders) if folder.is_dir()]


def _has_images(folder: AnyPath) -> bool:
    return any(path.suffix.lower() in IMAGE_SUFFIXES for path in folder.rglob("*"))
