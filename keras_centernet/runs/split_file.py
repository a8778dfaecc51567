"""The split that a run made of its images: written into its folder, and read to resume or evaluate the run."""

import dataclasses
import os
from collections.abc import Mapping, Sequence

from keras_centernet.data.reading.splits import TRAIN, VAL
from keras_centernet.files.atomic import write_text
from keras_centernet.files.json_file import JsonFormat
from keras_centernet.files.paths import AnyPath, to_path

SPLIT_FILE = JsonFormat(
    {"data": str, "parts": {TRAIN: [str], VAL: [str]}, "holds_out": (str, None)},
    advice="remove it",
    mark="keras_centernet split",
)


@dataclasses.dataclass(frozen=True)
class MadeSplit:
    """Which images of a data set a run trains on, and which it is evaluated on.

    Attributes:
        data: the data set of the run, as its settings name it.
        parts: {"train": image names, "val": image names}.
        holds_out: the split of the data set that both parts were taken from; None: all images.
    """

    data: str
    parts: Mapping[str, Sequence[str]]
    holds_out: str | None = None

    def fits(self, data: str | os.PathLike) -> bool:
        """Whether a path means the same data: it is equal, or has the same last part, as a folder may have moved."""
        return os.fspath(data) == self.data or to_path(data).name == to_path(self.data).name

    def write(self, path: AnyPath) -> None:
        """Writes the file."""
        write_text(path, SPLIT_FILE.to_text(dataclasses.asdict(self)))


def read_split(path: AnyPath) -> MadeSplit | None:
    """Returns what `MadeSplit.write` wrote; None where there is no file.

    Raises:
        UserError: the file is damaged, or of a newer version.
    """
    if not path.exists():
        return None
    content = SPLIT_FILE.read(path)
    return MadeSplit(
        content["data"], {name: tuple(part) for name, part in content["parts"].items()}, content["holds_out"]
    )
