"""Every command that writes files, with arguments for a small folder of photos, to be killed or run on full disks."""

import contextlib
import io
import json
import os
import pathlib
import sys
import traceback

import cv2

from keras_centernet.cli import main
from tests.helpers.tiny_backbone import TINY

MINE = {"notes.txt": b"mine", "part.mine.txt": b"mine", ".keras_centernet-mine": b"mine"}  # a user's own files
# {name: (arguments, in which PHOTOS, IMAGES, FILM, MODEL and OUT stand for paths; what a second try after a kill adds)}
COMMANDS = {
    "inspect": ("inspect --data PHOTOS --output OUT/page.html", "--overwrite"),
    "evaluate": (
        "evaluate --data PHOTOS --model MODEL --output OUT/ap.json --results OUT/results --report OUT/report",
        "--overwrite",
    ),
    "predict": ("predict IMAGES FILM --model MODEL --threshold 0.01 --output OUT", "--overwrite"),
    "predict --shard": ("predict IMAGES --model MODEL --shard 0/1 --part-size 4 --output OUT", ""),
    "make-tfrecords": ("make-tfrecords --data PHOTOS --output OUT --shards 2", "--overwrite"),
    "export": ("export --model MODEL --output OUT --format tflite --format saved_model", "--overwrite"),
    "train": (
        f"train --data PHOTOS --output OUT --backbone {TINY} --input-size 64 --batch-size 3 --epochs 2 "
        "--evaluate-every 1 --checkpoint-every 1 --keep 2 --verbose 0",
        "--resume",
    ),
}


def arguments(name: str, places: dict[str, str], again: bool = False) -> list[str]:
    """Returns the words of a command line; `places` is {"PHOTOS": path, ...}."""
    words, more = COMMANDS[name]
    typed = (words + " " + more if again else words).split()
    for place, path in places.items():
        typed = [word.replace(place, str(path)) for word in typed]
    return typed


def places_of(photos: str, film: str, model: str, output: pathlib.Path) -> dict:
    """Returns the path of each place in `COMMANDS`; IMAGES is a folder of images in the data set PHOTOS."""
    images = min(pathlib.Path(photos).rglob("*.jpg")).parent
    return {"PHOTOS": photos, "IMAGES": images, "FILM": film, "MODEL": model, "OUT": output}


def put_own_files(folder: pathlib.Path) -> None:
    """Puts a user's own files into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in MINE.items():
        (folder / name).write_bytes(content)


def run_here(typed: list[str]) -> tuple[int, str]:
    """Runs a command in this process; returns its exit code (-1: a traceback) and stderr without warnings."""
    told = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(told):
        try:
            code = main(typed)
        except SystemExit as end:
            code = end.code
        except BaseException:
            traceback.print_exc(file=told)
            code = -1
    lines = [line for line in told.getvalue().splitlines() if "Warning:" not in line and "it/s" not in line]
    return code, "\n".join(line.split("\r")[-1] for line in lines)


def run_apart(typed: list[str], before=lambda: None) -> tuple[int, str]:
    """Runs a command in a process forked from this one; returns its exit code (negative: the signal) and stderr."""
    read, write = os.pipe()
    process = os.fork()
    if not process:
        os.close(read)
        code, told = 1, ""
        try:
            before()
            code, told = run_here(typed)
        finally:
            os.write(write, told.encode()[:60_000])
            os._exit(code & 255)
    os.close(write)
    with open(read, "rb") as pipe:
        told = pipe.read().decode()
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), told


def damages(folder: pathlib.Path, mine: bool = True) -> list[str]:
    """Returns what is wrong in a folder of results: incomplete files, or changed files of the user."""
    found = []
    for name, content in MINE.items() if mine else ():
        path = folder / name
        if not path.exists() or path.read_bytes() != content:
            found.append(f"{name} of the user is not as it was")
    for path in folder.rglob("*"):
        if path.is_file() and not any(part.startswith(".keras_centernet-") for part in path.relative_to(folder).parts):
            with contextlib.suppress(KeyError):
                check = CHECKS[path.suffix]
                try:
                    check(path)
                except Exception as error:
                    found.append(f"{path.relative_to(folder)} is damaged: {type(error).__name__}: {error}")
    return found


def _check_image(path: pathlib.Path) -> None:
    assert cv2.imread(str(path)) is not None


def _check_film(path: pathlib.Path) -> None:
    assert cv2.VideoCapture(str(path)).read()[0]


def _check_archive(path: pathlib.Path) -> None:
    import zipfile

    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None


def _check_lines(path: pathlib.Path) -> None:
    for line in path.read_text().splitlines():
        json.loads(line)


def _check_csv(path: pathlib.Path) -> None:
    assert path.read_text().endswith("\n")


CHECKS = {
    ".json": lambda path: json.loads(path.read_text()),
    ".jsonl": _check_lines,
    ".jpg": _check_image,
    ".png": _check_image,
    ".mp4": _check_film,
    ".keras": _check_archive,
    ".csv": _check_csv,
}


def make_film(path: pathlib.Path) -> None:
    """Writes a video of four frames."""
    import numpy as np

    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    for frame in np.random.default_rng(0).integers(0, 256, (4, 48, 64, 3), np.uint8):
        writer.write(frame)
    writer.release()


def say(content) -> None:
    """Prints JSON as the last line."""
    print(json.dumps(content))
    sys.stdout.flush()
