"""Runs commands that are killed in the middle of their work, then runs them again; prints what went wrong as JSON.

python -m tests.helpers.killed_commands PHOTOS FILM MODEL FOLDER MOMENTS SIGNAL NAME...

A moment is a system call on a file below the output: opening, renaming, removing, making a folder. MOMENTS of them are
tried, evenly spread over the command (0: all). Processes are forked from this one, which has imported everything but
never started TensorFlow.
"""

import os
import pathlib
import shutil
import signal
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import matplotlib.pyplot
import pycocotools.cocoeval
import tensorflow

from keras_centernet import inspection, model  # noqa: F401 imported here and not in each process
from keras_centernet.files.temporary import MARK
from keras_centernet.runs import train  # noqa: F401
from tests.helpers.commands import MINE, arguments, damages, places_of, put_own_files, run_apart, say
from tests.helpers.tiny_backbone import add_tiny_backbone

EVENTS = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link")


def watch(output: pathlib.Path, act) -> None:
    """Calls `act(number)` at each moment of this process, counted from 0."""
    passed = [0]

    def hook(event: str, details: tuple) -> None:
        if event in EVENTS and any(isinstance(one, str | os.PathLike) and str(output) in str(one) for one in details):
            number, passed[0] = passed[0], passed[0] + 1
            act(number)

    sys.addaudithook(hook)


def count_moments(typed: list[str], output: pathlib.Path) -> int:
    """Returns how many moments a command has if it is not killed."""
    counter = output.with_name(f"{output.name}.count")

    def count(number: int) -> None:
        descriptor = os.open(f"{counter.parent}/count", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(descriptor, b".")
        os.close(descriptor)

    code, told = run_apart(typed, lambda: watch(output, count))
    assert code == 0, (typed, code, told)
    moments = (counter.parent / "count").stat().st_size
    (counter.parent / "count").unlink()
    return moments


def names(folder: pathlib.Path) -> set[str]:
    """Returns the names of all results in a folder, except what is inside tensorboard/ and checkpoints/."""
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.name not in MINE}
    return {name for name in found if not name.startswith(("tensorboard/", "checkpoints/"))}


def try_moment(name: str, places: dict, whole: set[str], number: int, wanted: int) -> list[str]:
    """Kills a command at a moment and runs it again; returns what was wrong."""
    output = pathlib.Path(places["OUT"])
    shutil.rmtree(output)
    put_own_files(output)

    def end(moment: int) -> None:
        if moment == number:
            os.kill(os.getpid(), wanted)

    code, told = run_apart(arguments(name, places), lambda: watch(output, end))
    wrong = damages(output)
    if wanted == signal.SIGKILL and code != -wanted:
        wrong.append(f"ended with {code}: {told}")
    if wanted != signal.SIGKILL and (code not in (0, 128 + wanted) or len(told.strip().splitlines()) > 1):
        wrong.append(f"ended with {code} after signal {wanted}: {told}")
    code, told = run_apart(arguments(name, places, again=True))
    if code:
        wrong.append(f"the second try ended with {code}: {told}")
    elif (found := names(output)) != whole:
        wrong.append(f"the second try left {sorted(found ^ whole)} too much or too little")
    left = [str(path) for path in output.rglob(f"{MARK}*") if path.name not in MINE]
    wrong += [f"left over: {left}"] if left else []
    return [f"{name}, moment {number}: {one}" for one in [*wrong, *damages(output)]]


def main(photos: str, film: str, model_file: str, folder: str, moments: str, wanted: str, *commands: str) -> None:
    """Tries several moments of each command."""
    add_tiny_backbone()
    tried, wrong = {}, []
    for name in commands:
        output = pathlib.Path(folder, name.replace(" ", ""), "out")
        places = places_of(photos, film, model_file, output)
        put_own_files(output)
        total = count_moments(arguments(name, places), output)
        whole = names(output)
        step = max(total / int(moments), 1) if int(moments) else 1
        chosen = sorted({int(i * step) for i in range(total) if int(i * step) < total})
        for number in chosen:
            wrong += try_moment(name, places, whole, number, int(wanted))
        tried[name] = [len(chosen), total]
    say({"tried": tried, "wrong": wrong})


if __name__ == "__main__":
    assert tensorflow
    assert pycocotools.cocoeval
    matplotlib.pyplot.switch_backend("agg")
    main(*sys.argv[1:])
