"""The folder of a shard: complete parts only, all made from the same inputs with the same options."""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Sequence

from keras_centernet.cli.shards.shard import Shard
from keras_centernet.errors import UserError, shown
from keras_centernet.files.atomic import local_copy, write_text, write_whole
from keras_centernet.files.json_file import JsonFormat
from keras_centernet.files.outputs import open_folder
from keras_centernet.files.paths import AnyPath, exists, list_names
from keras_centernet.files.remote_path import is_remote
from keras_centernet.files.temporary import remove_temporaries

DESCRIPTION, DRAWINGS = "shard.json", "drawings"
SHARDS = re.compile("detections-([0-9]{5,})-of-([0-9]{5,})")
ENOUGH_SHARDS = 3  # that are compared for all others: a thousand shards need not read a thousand files each
# What all parts of all shards in a folder must have in common: key of the description -> what a user calls it.
SHARED = {
    "inputs": "the list of inputs",
    "model": "the file of --model",
    "threshold": "--threshold",
    "calibration": "--calibration",
    "frames": "--frames",
    "part_size": "--part-size",
    "drawings": "drawings (False: --no-draw)",
}
_DESCRIPTION_FILE = JsonFormat(dict.fromkeys(SHARED, object) | {"?": object}, advice="remove its folder")


class ShardFolder:
    """The folder of a shard in `output`, made if missing.

    Args:
        output: folder of all shards.
        shard: the shard.
        parts: how many parts it will have.
        description: a value that JSON can hold for each key of `SHARED`.

    Raises:
        UserError: parts of this or another shard in `output` were made from other inputs or with other options.
    """

    def __init__(self, output: AnyPath, shard: Shard, parts: int, description: dict):
        self.path = output / shard.name
        self.drawings = self.path / DRAWINGS
        self._content = {"shard": f"{shard.index}/{shard.count}", "parts": parts, **description}
        open_folder(self.path)
        self._names = set(list_names(self.path))
        self._check(output, shard)
        self.missing = [i for i in range(parts) if self.part(i).name not in self._names]

    def part(self, number: int) -> AnyPath:
        """Returns the path of a part."""
        return self.path / f"part-{number:05d}.jsonl"

    def drawing(self, number: int, name: str) -> AnyPath:
        """Returns the path of a drawn copy of a file in a part."""
        return self.drawings / f"part-{number:05d}-{name}"

    def write(self, number: int, lines: Iterable[dict]) -> None:
        """Writes the lines of a part; they may be computed while they are written."""

        def write(temporary: os.PathLike) -> None:
            with open(temporary, "w", encoding="utf-8") as file:
                file.writelines(f"{json.dumps(line)}\n" for line in lines)

        self._describe()
        # A scheduler that has lost contact with a job starts it again while it still runs.
        try:
            write_whole(self.part(number), write)
        except UserError:
            if not exists(self.part(number)):  # else the other job wrote it and removed ours
                raise

    def finish(self) -> None:
        """Removes what killed processes left; called when all parts are there."""
        self._describe()
        remove_temporaries(self.path)

    def _describe(self) -> None:
        if DESCRIPTION not in self._names:
            write_text(self.path / DESCRIPTION, _DESCRIPTION_FILE.to_text(self._content))
            self._names.add(DESCRIPTION)

    def _check(self, output: AnyPath, shard: Shard) -> None:
        if DESCRIPTION not in self._names and any(name.startswith("part-") for name in self._names):
            problem = "remove the folder or name another --output"
            raise UserError(f"{self.path}: expected {DESCRIPTION} beside the parts, got parts alone; {problem}.")
        others = [match for match in map(SHARDS.fullmatch, sorted(list_names(output))) if match]
        for other in others:
            if int(other[2]) != shard.count:
                problem = f"got {other[0]} there; name another --output or remove it."
                raise UserError(f"--shard: expected one number of shards in {output}, {shard.count}, {problem}")
        beside = [output / other[0] for other in others if other[0] != shard.name]
        for folder in [self.path, *beside[:ENOUGH_SHARDS]]:
            if exists(folder / DESCRIPTION):
                self._compare(folder)

    def _compare(self, folder: AnyPath) -> None:
        values = _DESCRIPTION_FILE.read(folder / DESCRIPTION)
        for name, option in SHARED.items():
            if values[name] != self._content[name]:
                problem = f"{shown(values[name])}, got {shown(self._content[name])}"
                advice = "name another --output, or remove that folder."
                raise UserError(f"{folder}: expected {option} of the parts that are there, {problem}; {advice}")


def describe_inputs(inputs: Sequence[str | os.PathLike]) -> str:
    """Returns a text that identifies a list of inputs, in any order."""
    names = sorted(os.fsencode(os.fspath(path)) for path in inputs)
    digest = hashlib.sha256(b"\0".join(names))
    return f"{len(names)} files (sha256 {digest.hexdigest()})"


def describe_file(path: str) -> str:
    """Returns a text that identifies the content of a file."""
    with local_copy(path) as local, open(local, "rb") as file:
        return f"sha256 {hashlib.file_digest(file, 'sha256').hexdigest()}"


def describe_folder(path: AnyPath) -> str:
    """Returns a text that identifies the names and contents of all files in a folder and its subfolders."""
    files = [file for file in sorted(path.rglob("*")) if is_remote(file) or file.is_file()]
    return describe_inputs([f"{file.name} {describe_file(str(file))}" for file in files])
