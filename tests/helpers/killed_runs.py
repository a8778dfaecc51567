"""Trains in processes that are killed and resumed until the run is complete; prints how it ended as JSON.

Run as `python -m tests.helpers.killed_runs FOLDER HOW MOMENTS [BACKBONE]`. HOW is "all" for all points, "each" for each
kind of point once, or "few" for every third of these; MOMENTS is the number of random moments that are also tried.
Processes are forked from this one, which has imported everything but never started TensorFlow: that saves seconds at
each start.
"""

import contextlib
import csv
import io
import json
import os
import pathlib
import random
import signal
import sys
import threading
import time
import zipfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import h5py
import matplotlib.pyplot
import numpy as np
import pycocotools.cocoeval  # noqa: F401 imported here and not in each process

from keras_centernet.clock import Clock
from keras_centernet.data.formats import shapes
from keras_centernet.files.temporary import MARK, final_name
from keras_centernet.fitting.nonfinite import StopOnNonFiniteLoss
from keras_centernet.runs.settings import TrainSettings
from keras_centernet.runs.train import train
from tests.helpers.tiny_backbone import TINY, add_tiny_backbone

IMAGES = {"train": 12, "val": 4, "test": 4}
OPTIONS = {"data": "shapes", "input_size": 64, "batch_size": 2, "epochs": 4, "evaluate_every": 1, "verbose": 0}
OPTIONS |= {"average_decay": 0.9, "checkpoint_every": 4, "keep": 2, "seed": 3}
# Where a process kills itself: (point, how often it passes that point before).
POINTS = [
    ("start", 0),
    ("step", 0),
    ("step", 3),
    ("step", 8),
    ("half of last.keras", 0),
    ("half of last.keras", 1),
    ("last.keras whole", 0),
    ("last.keras whole", 1),
    ("last.keras in place", 0),
    ("last.keras in place", 1),
    ("validation", 0),
    ("half of best.keras", 0),
    ("best.keras whole", 0),
    ("best.keras in place", 0),
    ("half of history.csv", 0),
    ("history.csv in place", 0),
    ("half of config.json", 0),
    ("half of metrics.json", 0),
    ("precision_recall.png in place", 0),
]


def main(folder: str, how: str, moments: int, backbone: str = TINY) -> None:
    """Trains once without interruptions and often with them, and compares the results."""
    root, source = pathlib.Path(folder), random.Random(1)
    shapes.SPLIT_SIZES.update(IMAGES)
    add_tiny_backbone()
    start = time.perf_counter()
    assert run(root / "whole", backbone, None) == 0
    seconds = time.perf_counter() - start
    once = list(dict(reversed(POINTS)).items())
    points = {"all": POINTS, "each": once, "few": once[::3]}[how]
    plan = [*points, *[("moment", source.uniform(0.05, 0.7) * seconds) for _ in range(moments)]]
    source.shuffle(plan)
    killed, runs, broken, different, code = [], 0, [], [], None
    while plan or code != 0:
        output = root / f"run{runs}"
        point = plan.pop() if plan else None
        code = run(output, backbone, point)
        if code == -signal.SIGKILL:
            killed.append(point[0])
            broken += damages(output)
        elif code:
            raise SystemExit(f"run{runs} ended with {code} at {point}")
        else:
            different += differences(root / "whole", output)
            runs += 1
            if point:  # the rest of this run did not pass the point: the next run tries it from its beginning
                plan.append((point[0], point[1] / 2 if point[0] == "moment" else point[1]))
    print(json.dumps({"killed": killed, "runs": runs, "broken": broken, "different": different, "seconds": seconds}))


def run(output: pathlib.Path, backbone: str, point: tuple | None) -> int:
    """Trains in a process of its own until it ends or kills itself at a point; returns its exit code."""
    process = os.fork()
    if not process:
        try:
            if point:
                die_at(*point)
            train(TrainSettings(backbone=backbone, output=str(output), resume=True, **OPTIONS))
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def die_at(point: str, number: float) -> None:
    """Makes this process kill itself by SIGKILL when it passes a point after having passed it `number` times.

    The point "moment" is `number` seconds from now.
    """
    passed = []

    def passes(where: str) -> None:
        passed.append(where)
        if passed.count(point) > number:
            os.kill(os.getpid(), signal.SIGKILL)

    if point == "moment":
        threading.Timer(number, os.kill, (os.getpid(), signal.SIGKILL)).start()
        return
    passes("start")
    flush, replace, measure = os.fsync, os.replace, Clock.measure

    def dying_flush(descriptor):
        path = pathlib.Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        if name := final_name(path.name):
            if point == f"half of {name}" and passed.count(point) == number:
                os.truncate(path, path.stat().st_size // 2)
            passes(f"half of {name}")
        flush(descriptor)

    def dying_replace(old, new):
        passes(f"{pathlib.Path(new).name} whole")
        replace(old, new)
        passes(f"{pathlib.Path(new).name} in place")

    def dying_measure(self, stage):
        if stage == "decode":
            passes("validation")
        return measure(self, stage)

    os.fsync, os.replace, Clock.measure = dying_flush, dying_replace, dying_measure
    step = StopOnNonFiniteLoss.on_train_batch_end

    def dying_step(self, batch, logs=None):
        passes("step")
        step(self, batch, logs)

    StopOnNonFiniteLoss.on_train_batch_end = dying_step


def damages(output: pathlib.Path) -> list[str]:
    """Returns the files that have their final name but are damaged."""
    wrong = []
    for path in output.glob("**/*.keras"):
        if not path.name.startswith(MARK):
            with contextlib.suppress(zipfile.BadZipFile), zipfile.ZipFile(path) as archive:
                if archive.testzip() is None:
                    continue
            wrong.append(str(path))
    for path in output.glob("*.json"):
        if not path.name.startswith(MARK):
            json.loads(path.read_text())
    return wrong


def differences(expected: pathlib.Path, output: pathlib.Path) -> list[str]:
    """Returns where the results of a run differ from those of another one in any bit."""
    found = []
    for name in ("last.keras", "best.keras"):
        theirs, ours = arrays(expected / name), arrays(output / name)
        assert len(ours) > 20
        found += [f"{name}: {key}" for key in theirs.keys() ^ ours.keys()]
        found += [f"{name}: {key}" for key in theirs.keys() & ours.keys() if not np.array_equal(theirs[key], ours[key])]
    if metrics(expected) != metrics(output):
        found.append("metrics.json")
    if history(expected) != history(output):
        found.append("history.csv")
    return found


def arrays(path: pathlib.Path) -> dict[str, np.ndarray]:
    """Returns every array of a .keras file: weights, optimizer, and the training's state except its seconds."""
    found = {}
    with zipfile.ZipFile(path) as archive:
        with h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as weights:
            weights.visititems(lambda name, item: found.update({name: item[()]} if hasattr(item, "shape") else {}))
        if "training_state.npz" in archive.namelist():
            found |= dict(np.load(io.BytesIO(archive.read("training_state.npz"))))
    found.pop("seconds", None)
    return found


def metrics(output: pathlib.Path) -> dict:
    """Returns metrics.json without times and without the command of the process that wrote it."""
    content = json.loads((output / "metrics.json").read_text())
    content["run"].pop("command")
    return {key: value for key, value in content.items() if not key.startswith(("seconds", "stages_ms"))}


def history(output: pathlib.Path) -> list[dict]:
    """Returns the rows of history.csv without times."""
    with open(output / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == OPTIONS["epochs"]
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


if __name__ == "__main__":
    matplotlib.pyplot.switch_backend("agg")
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), *sys.argv[4:])
