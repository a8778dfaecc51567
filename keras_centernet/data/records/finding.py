"""Which files hold the records of a split.

Names as the TensorFlow Object Detection API, Roboflow, Kaggle's data sets and this package give them:
`coco_train.record-00000-of-00100`, `train/Cells.tfrecord`, `train00-2071.tfrec`, `train-00000-of-00004.tfrecord`.
"""

import os
import re

from keras_centernet.data.counting import warn_counted
from keras_centernet.data.formats.request import DataRequest
from keras_centernet.data.names import split_folders
from keras_centernet.data.records.description import read_description
from keras_centernet.errors import UserError
from keras_centernet.files.paths import AnyPath, expand, is_remote, list_names, to_path

_SUFFIX = r"\.(tfrecords?|tfrec|records?)"
_SHARD = r"-\d{5}-of-\d{5}"
# Checkpoints of TensorFlow have shards, too: model.ckpt-1.data-00000-of-00001.
_RECORD_NAME = re.compile(rf".*{_SUFFIX}({_SHARD})?(\.gz)?|(?!.*\.data-).*{_SHARD}({_SUFFIX})?", re.IGNORECASE)
_SHARD_NAME = re.compile(r"(.*-)(\d{5})-of-(\d{5})(.*)")
_SPLIT_WORDS = ("trainval", "training", "train", "minival", "validation", "valid", "val", "testdev", "testing", "test")


def is_record_data(path: AnyPath) -> bool:
    """Whether a path looks like records: a pattern, a record file, or a folder of such, or of split folders."""
    if is_remote(path) and "*" in str(path):
        return True
    if path.is_dir():
        return any(map(_record_files, (path, *split_folders(path).values())))
    if path.is_file():
        return _RECORD_NAME.fullmatch(path.name) is not None
    return any(sign in str(path) for sign in "*?[")


class RecordFiles:
    """The record files of a folder, a file or a pattern such as "gs://bucket/coco_train.record-*".

    Attributes:
        root: the folder.
        description: content of `dataset.json` in it, None without one.

    Raises:
        UserError: nothing is found, or `dataset.json` is damaged.
    """

    def __init__(self, data: str | os.PathLike):
        # Workers of a data service may run in other folders.
        path = to_path(data if is_remote(data) else os.path.abspath(data))
        self._is_folder = path.is_dir()
        self.root = path if self._is_folder else path.parent
        in_folders = split_folders(path) if self._is_folder else {}
        self._in_splits = {name: files for name, folder in in_folders.items() if (files := _record_files(folder))}
        is_file = not self._is_folder and path.is_file()  # even if its name looks like a pattern
        found = _record_files(path) if self._is_folder else [path] if is_file else expand(str(path))
        self._loose = sorted(file for file in found if _RECORD_NAME.fullmatch(file.name))
        if not self._loose and not self._in_splits:
            expected = "record files such as train-00000-of-00004.tfrecord"
            raise UserError(f"data: expected {expected}, got {str(data)!r}, which has none.")
        self.description = read_description(self.root)

    def splits(self, asked: str | None = None) -> tuple[str, ...]:
        """Returns the names of splits: from `dataset.json` or, without one, from folders and words in file names.

        Without `dataset.json`, `asked` is also one if files are named after it. No names: all files are one pool.
        """
        if self.description is not None:
            return tuple(self.description["splits"])
        words = {_split_of(file): None for file in self._loose}
        names = dict.fromkeys((*self._in_splits, *(word for word in _SPLIT_WORDS if word in words)))
        if asked and asked not in names and _named(self._loose, asked):
            names = {asked: None, **names}
        return tuple(names)

    def of(self, split: str | None) -> list[AnyPath]:
        """Returns the files of one of the splits in order; None: all files.

        Raises:
            UserError: some are missing.
        """
        if self.description is not None:
            return self._described(self.description["splits"], split)
        if split is None:
            chosen = [*self._loose, *(file for files in self._in_splits.values() for file in files)]
        else:
            chosen = self._in_splits.get(split, []) + [file for file in self._loose if _split_of(file) == split]
            chosen = chosen or _named(self._loose, split)
            others = [str(file) for file in self._loose if not _split_of(file) and file not in chosen]
            warn_counted(others, f"record file(s) of {self.root} left out, they are named after no split")
        if self._is_folder:
            _check_complete(chosen)
        return chosen

    def _described(self, splits: dict, split: str | None) -> list[AnyPath]:
        """Returns the files that `dataset.json` lists for a split; with a pattern, those of them that match it."""
        shards = [shard for name in ([split] if split else splits) for shard in splits[name]["shards"]]
        chosen = [file for file in self._loose if file.name in shards]
        if self._is_folder and len(chosen) < len(shards):
            missing = sorted(set(shards) - {file.name for file in chosen})
            problem = f"expected {missing[0]} ({len(missing)} missing), got none; copy the folder again."
            raise UserError(f"{self.root}: {problem}")
        if not chosen:
            expected = f"files of split {split!r} among its {len(self._loose)}"
            raise UserError(f"{self.root}: expected {expected}, got none of them.")
        return chosen


def record_splits(request: DataRequest) -> tuple[str, ...]:
    """Returns the names of the splits of records, none if all files are one pool."""
    return RecordFiles(request.data).splits(request.split)


def _record_files(folder: AnyPath) -> list[AnyPath]:
    return [folder / name for name in sorted(list_names(folder)) if _RECORD_NAME.fullmatch(name)]


def _split_of(file: AnyPath) -> str:
    """Returns the word in a file's name that tells its split; "" if there is none."""
    return next((word for word in _SPLIT_WORDS if _named([file], word)), "")


def _named(files: list[AnyPath], split: str) -> list[AnyPath]:
    word = re.compile(rf"(?<![a-z]){re.escape(split.lower())}(?![a-z])")
    return [file for file in files if word.search(file.name.lower())]


def _check_complete(files: list[AnyPath]) -> None:
    groups = {}
    for file in files:
        if match := _SHARD_NAME.fullmatch(str(file)):
            groups.setdefault((match[1], match[3], match[4]), set()).add(int(match[2]))
    for (before, count, after), numbers in groups.items():
        missing = sorted(set(range(int(count))) - numbers)
        if missing:
            name = f"{before}{missing[0]:05d}-of-{count}{after}"
            advice = "copy the missing ones, or name the existing ones by a pattern."
            raise UserError(f"{name}: expected {int(count)} files, got {len(numbers)}; {advice}")
