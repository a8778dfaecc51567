"""Files of every kind that this package reads, and damages to them.

`READERS` is the table: a row writes an undamaged example into an empty folder, and reads what is in the folder. Files
must be read, or refused by a `UserError` of one line; anything else is a fault.
"""

import contextlib
import dataclasses
import io
import pathlib
import warnings
import zipfile
from collections.abc import Callable, Sequence

import cv2
import numpy as np

from keras_centernet.camera import read_calibration
from keras_centernet.cli import main
from keras_centernet.data.images import IMAGE_SUFFIXES, read_image
from keras_centernet.data.records.label_map import read_label_map
from keras_centernet.detecting.sources import read_frames
from keras_centernet.errors import DataWarning, UserError
from keras_centernet.model import load_model
from keras_centernet.runs.callbacks import first_epochs
from keras_centernet.runs.folder import RunFolder
from keras_centernet.runs.recipes import load_recipe
from keras_centernet.runs.split_file import MadeSplit, read_split
from keras_centernet.weights.checkpoint import read_checkpoint
from tests.helpers.commands import make_film
from tests.helpers.data_sets import WRITERS, draw, write_image
from tests.helpers.tiny_backbone import TINY, add_tiny_backbone

LONGEST_LINE = 400  # characters of an error: two lines of a wide terminal, with the path of a file
FEW_NAMES = ("same.png", "{}.jpg", "my photo {}.png")
TOKENS = (
    *(
        b"",
        b"\0",
        b"\xff",
        b"\xff\xfe",
        b"\r\n",
        b" ",
        b"-",
        b"=",
        b",",
        b":",
        b"<",
        b"&x;",
        b'"',
        b"'",
        b"%s",
        b"\xb2",
    ),
    *(b"-1", b"0", b"1", b"nan", b"NaN", b"inf", b"1e999", b"1e30", b"9" * 30, b"null", b"true", b"[]", b"{}"),
    *(b"[" * 3000, b'{"a":' * 3000, b"a" * 5000, b"../../../etc/passwd", b"/dev/zero", b"\x1b[31m"),
    *("字".encode(), "\u202e".encode()),
)
KINDS = ("replace", "insert", "flip", "cut", "drop", "double")


@dataclasses.dataclass(frozen=True)
class Reader:
    """How undamaged files of one kind are written into an empty folder, and how the folder is read."""

    write: Callable[[pathlib.Path], None]
    read: Callable[[pathlib.Path], object]


@dataclasses.dataclass(frozen=True)
class Damage:
    """One change of one file; `file` and `place` are positions from 0 to 1 in the list of files and in the bytes."""

    file: float
    place: float
    kind: str
    token: bytes

    def of(self, content: bytes) -> bytes:
        """Returns the content with the change."""
        at = int(self.place * len(content))
        before, after = content[:at], content[at:]
        return {
            "replace": before + self.token + after[len(self.token) :],
            "insert": before + self.token + after,
            "flip": before + bytes(byte ^ 0x41 for byte in after[:1]) + after[1:],
            "cut": before,
            "drop": before + after[max(len(self.token), 1) :],
            "double": before + after[:200] + after,
        }[self.kind]


def damage(folder: pathlib.Path, damages: Sequence[Damage]) -> None:
    """Changes files in a folder."""
    for one in damages:
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        path = files[min(int(one.file * len(files)), len(files) - 1)]
        path.write_bytes(one.of(path.read_bytes()))


def fault_of(reader: Reader, folder: pathlib.Path) -> str | None:
    """Returns what is wrong with how a folder is read; None if it is read, or refused as it should be."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        try:
            reader.read(folder)
        except UserError as error:
            line = str(error)
            if len(line.splitlines()) != 1:
                return f"an error of several lines: {line}"
            if len(line.replace(str(folder), "")) > LONGEST_LINE:
                return f"an error of {len(line)} characters: {line}"
        except Exception as error:
            return f"{type(error).__name__}: {error}"
    return None


def _write_data(write: Callable, classes: Sequence[str]) -> Callable:
    return lambda folder: write(folder, draw(0, classes, FEW_NAMES))


def _read_data(folder: pathlib.Path) -> None:
    """Inspects a data set by the command, which must end with 0, or with 2 and one line."""
    told, output = io.StringIO(), folder.with_name("page.html")
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(told):
        code = main(["inspect", "--data", str(folder), "--output", str(output), "--overwrite"])
    lines = [line for line in told.getvalue().splitlines() if line.startswith("keras-centernet")]
    if code == 2 and len(lines) == 1 and lines[0].isprintable():
        raise UserError(lines[0])
    if code:
        raise AssertionError(f"ended with {code}: {told.getvalue()}")


def _write_image(suffix: str) -> Callable:
    def write(folder: pathlib.Path) -> None:
        pixels = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
        write_image(folder / f"image{suffix}", pixels)

    return write


def _write_text(name: str, text: str) -> Callable:
    def write(folder: pathlib.Path) -> None:
        (folder / name).write_text(text)

    return write


def _read_only(folder: pathlib.Path) -> pathlib.Path:
    (path,) = folder.iterdir()
    return path


def _build_model():
    import keras_centernet

    add_tiny_backbone()
    return keras_centernet.CenterNet(TINY, classes=("cat", "dog"), input_size=64)


def _write_weights(suffix: str) -> Callable:
    def write(folder: pathlib.Path) -> None:
        tensors = {
            "conv1.weight": np.zeros((8, 3, 3, 3), np.float32),
            "bn1.running_mean": np.zeros(8, np.float32),
            "hm.0.weight": np.zeros((8, 8, 3, 3), np.float32),
        }
        if suffix == ".safetensors":
            import safetensors.numpy

            safetensors.numpy.save_file(tensors, folder / f"weights{suffix}")
            return
        import torch

        state = {name: torch.from_numpy(value) for name, value in tensors.items()}
        torch.save({"epoch": 3, "state_dict": state}, folder / f"weights{suffix}")

    return write


def _write_run(folder: pathlib.Path) -> None:
    run = RunFolder(folder)
    run.begin({"data": "photos", "classes": ["cat", "dog"]})
    run.save_checkpoint(_build_model(), {"epoch": np.array(1), "mean": np.zeros(3, np.float32)})
    (folder / "history.csv").write_text("epoch,loss\n1,2.5\n2,2.25\n")
    MadeSplit("photos", {"train": ("a", "b"), "val": ("c",)}).write(folder / "split.json")


def _read_run(folder: pathlib.Path) -> None:
    for read in (
        lambda: RunFolder(folder, resume=True).read_checkpoint(),
        lambda: load_model(folder / "last.keras"),
        lambda: first_epochs(RunFolder(folder, resume=True), 9),
        lambda: read_split(folder / "split.json"),
    ):
        read()


def _unpack_model(folder: pathlib.Path) -> None:
    _build_model().save(folder / "m.keras")
    with zipfile.ZipFile(folder / "m.keras") as archive:
        archive.extractall(folder)
    (folder / "m.keras").unlink()


def _read_packed(folder: pathlib.Path) -> None:
    """Reads a model from an archive of damaged members with correct checksums."""
    path = folder.with_name("packed.keras")
    with zipfile.ZipFile(path, "w") as archive:
        for member in folder.iterdir():
            archive.write(member, member.name)
    load_model(path)


def _read_film(folder: pathlib.Path) -> None:
    with read_frames(str(_read_only(folder))) as (_, frames):
        for _ in frames:
            pass


RECIPE = """[train]
backbone = "dla34"
epochs = 3
learning_rate = 1.25e-4
freeze = ["backbone"]
input_size = [384, 1280]
"""
CALIBRATION = "P0: 1 0 0 0 0 1 0 0 0 0 1 0\nP2: 721.5 0 609.5 44.8 0 721.5 172.8 0.21 0 0 1 0.002\n"
LABEL_MAP = 'item {\n  id: 1\n  name: "cat"\n}\nitem { id: 2 display_name: "big dog" name: "/m/1" }\n'

READERS = {
    **{name: Reader(_write_data(write, classes), _read_data) for name, (write, _, classes) in WRITERS.items()},
    **{
        suffix: Reader(_write_image(suffix), lambda folder: read_image(_read_only(folder)))
        for suffix in IMAGE_SUFFIXES
        if cv2.haveImageWriter(f"x{suffix}")
    },
    ".keras": Reader(lambda folder: _build_model().save(folder / "m.keras"), lambda f: load_model(_read_only(f))),
    ".keras, inside": Reader(_unpack_model, _read_packed),
    ".pth": Reader(_write_weights(".pth"), lambda folder: read_checkpoint(_read_only(folder))),
    ".safetensors": Reader(_write_weights(".safetensors"), lambda folder: read_checkpoint(_read_only(folder))),
    "run": Reader(_write_run, _read_run),
    "recipe": Reader(_write_text("mine.toml", RECIPE), lambda folder: load_recipe(str(_read_only(folder)))),
    "calibration": Reader(_write_text("1.txt", CALIBRATION), lambda folder: read_calibration(_read_only(folder))),
    "label map": Reader(_write_text("map.pbtxt", LABEL_MAP), lambda folder: read_label_map(_read_only(folder))),
    "film": Reader(lambda folder: make_film(folder / "film.avi"), _read_film),
}
