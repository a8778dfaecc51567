"""The split that a run made of its images: written into its folder, and read by whatever comes after."""

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence

from keras_centernet.data.reading.splits import TRAIN, VAL
from keras_centernet.errors import UserError, first_line
from keras_centernet.files.atomic import write_text
from keras_centernet.files.paths import AnyPath, to_path

_FORMAT, _VERSION = "keras_centernet split", 1


@dataclasses.dataclass(frozen=True)
class MadeSplit:
    """Which images of a data set a run trains on, and which it is measured on.

    Attributes:
        data: of the run.
        parts: {"train": image names, "val": image names}.
        holds_out: the split of the data set that the two are parts of; None: all images.
    """

    data: str
    parts: Mapping[str, Sequence[str]]
    holds_out: str | None = None

    def fits(self, data: str | os.PathLike) -> bool:
        """Whether another path means the same data: equal, or a folder of that name that may have moved."""
        return os.fspath(data) == self.data or to_path(data).name == to_path(self.data).name

    def write(self, path: AnyPath) -> None:
        """Writes the file."""
        content = {"format": _FORMAT, "version": _VERSION, **dataclasses.asdict(self)}
        write_text(path, json.dumps(content, indent=1) + "\n")


def read_split(path: AnyPath) -> MadeSplit | None:
    """Returns what `MadeSplit.write` wrote; None where there is no file.

    Raises:
        UserError: the file is damaged, or of a later version.
    """
    if not path.exists():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != _FORMAT or content["version"] != _VERSION:
            raise ValueError(f"it is of version {content['version']}")
        parts = {part: tuple(map(str, content["parts"][part])) for part in (TRAIN, VAL)}
        return MadeSplit(str(content["data"]), parts, content["holds_out"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        expected = f"the split of a run, version {_VERSION}"
        raise UserError(f"{path}: expected {expected}, got another file ({first_line(error)}); remove it.") from None
