"""Images per second and core of `export/batch/detect.py`, beside one process that detects in the same files.

That process uses all cores, or is pinned to one. Each way runs in a process of its own. The ways take turns, starts
and compilations are not counted, and medians are printed. Seconds of computing (CPU time) are meaningful even on a
machine that others use. Needs Ray Data (pip install "keras_centernet[ray]").

Run: python benchmarks/batch.py [--images 384] [--rounds 3]
"""

import argparse
import contextlib
import importlib.util
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time
import types

import numpy as np

BATCH, THRESHOLD, INPUT_SIZE = 8, 0.1, 320
CALL = 4 * BATCH  # images of one call of `model.detect`
CORES = len(os.sched_getaffinity(0))
ONE_THREAD = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}


def ray_data(folder: pathlib.Path) -> tuple[float, float]:
    """Returns images per second and core, and per second of computing, of the pipeline with one actor per core.

    Counted from when all actors have finished their first batch until one of them finishes its last. Computing is that
    of all processes of Ray and of this one.
    """
    import pyarrow.parquet

    pipeline = load_pipeline()
    output = tempfile.mkdtemp(dir=folder)
    options = {"model": str(folder / "model.keras"), "images": [str(folder / "images")], "output": output}
    options |= {"actors": CORES, "batch_size": BATCH, "threshold": THRESHOLD, "backend": "tensorflow"}
    samples, is_done = [], threading.Event()

    def sample() -> None:
        while not is_done.wait(2):
            samples.append((time.time(), seconds_of_computing()))

    thread = threading.Thread(target=sample)
    thread.start()
    pipeline.detect(argparse.Namespace(**options, calibration=None, imports=[]))
    is_done.set()
    thread.join()
    rows = pyarrow.parquet.read_table(output, columns=["actor", "time"]).to_pandas()
    times = rows.groupby("actor")["time"]
    begin, end = times.min().max(), times.max().min()
    images = int(((rows["time"] > begin) & (rows["time"] <= end)).sum())
    computed = np.diff(np.interp([begin, end], *zip(*samples, strict=True)))[0]
    return images / (end - begin) / CORES, images / computed


def load_pipeline() -> types.ModuleType:
    """Returns the script as a module whose rows also hold when they were made and by which actor."""
    import pyarrow as pa
    import ray

    path = pathlib.Path(__file__).parents[1] / "export" / "batch" / "detect.py"
    spec = importlib.util.spec_from_file_location("batch_detect", path)
    pipeline = sys.modules["batch_detect"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pipeline)
    ray.cloudpickle.register_pickle_by_value(pipeline)

    class Timed(pipeline.Detector):
        def __call__(self, files):
            found = super().__call__(files)
            columns = {"actor": np.full(len(found), os.getpid()), "time": np.full(len(found), time.time())}
            for name, values in columns.items():
                found = found.append_column(name, pa.array(values))
            return found

    pipeline.Detector = Timed
    return pipeline


def seconds_of_computing() -> float:
    """Returns the CPU time of this process and of its descendants that still run."""
    parents, ticks = {}, {}
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has just ended
            fields = path.read_text(encoding="utf-8").rpartition(")")[2].split()
            parents[path.parent.name], ticks[path.parent.name] = fields[1], int(fields[11]) + int(fields[12])
    ours, added = set(), {str(os.getpid())}
    while added:
        ours |= added
        added = {process for process, parent in parents.items() if parent in added}
    return sum(ticks.get(process, 0) for process in ours) / os.sysconf("SC_CLK_TCK")


def one_process(folder: pathlib.Path) -> tuple[float, float]:
    """Returns images per second and core, and per second of computing, of `model.detect` from the second call on."""
    from keras_centernet import load_model

    cores = len(os.sched_getaffinity(0))
    model, paths = load_model(folder / "model.keras"), sorted((folder / "images").iterdir())
    for start in range(0, len(paths), CALL):
        if start == CALL:
            begin, computed = time.perf_counter(), time.process_time()
        model.detect(paths[start : start + CALL], threshold=THRESHOLD, batch_size=BATCH)
    images = len(paths) - CALL
    return images / (time.perf_counter() - begin) / cores, images / (time.process_time() - computed)


def one_core(folder: pathlib.Path) -> tuple[float, float]:
    """Returns the same of a process that is pinned to one core."""
    import cv2

    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
    os.environ |= ONE_THREAD
    cv2.setNumThreads(1)
    return one_process(folder)


WAYS = {"Ray Data": ray_data, "one process": one_process, "one core": one_core}


def main() -> None:
    """Runs the ways in turn and prints a table; with --way, runs that one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=384)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--way", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        print(*WAYS[options.way[0]](pathlib.Path(options.way[1])))
        return
    with tempfile.TemporaryDirectory() as folder:
        prepare(pathlib.Path(folder), options.images)
        rounds = np.array([[run(way, folder) for way in WAYS] for _ in range(options.rounds)])
    load = f"{CORES} cores, load {os.getloadavg()[0]:.1f}"
    print(f"mobilenet_v2, {INPUT_SIZE} px, {options.images} JPEGs of 640x480, batches of {BATCH}; {load}")
    rates, ratios = np.median(rounds, axis=0), np.median(rounds[:, :1] / rounds, axis=0)
    for way, (rate, computed), ratio in zip(WAYS, rates, ratios, strict=True):
        print(
            f"{way:12} {rate:6.1f} images per second and core (Ray Data / this: {ratio[0]:.2f}), "
            f"{computed:6.1f} per second of computing ({ratio[1]:.2f})"
        )


def run(way: str, folder: str) -> list[float]:
    """Returns what one way measures in a process of its own."""
    environment = {"TF_CPP_MIN_LOG_LEVEL": "2", "TF_ENABLE_ONEDNN_OPTS": "1", "RAY_USAGE_STATS_ENABLED": "0"}
    environment["RAY_worker_niceness"] = "0"  # Ray gives way to other programs, which would be measured
    command = [sys.executable, __file__, "--way", way, folder]
    done = subprocess.run(command, env=os.environ | environment, stdout=subprocess.PIPE, text=True, check=True)
    print(way, done.stdout.splitlines()[-1], file=sys.stderr, flush=True)
    return [float(number) for number in done.stdout.splitlines()[-1].split()]


def prepare(folder: pathlib.Path, count: int) -> None:
    """Writes images and an untrained model."""
    import cv2

    from keras_centernet import CenterNet

    (folder / "images").mkdir()
    rng = np.random.default_rng(0)
    for i in range(count):
        image = cv2.resize(rng.integers(0, 256, (15, 20, 3), np.uint8), (640, 480)).astype(np.float32)
        noisy = np.clip(image + rng.normal(0, 12, image.shape), 0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / "images" / f"{i:05d}.jpg"), noisy)
    CenterNet("mobilenet_v2", num_classes=80, input_size=INPUT_SIZE).save(folder / "model.keras")


if __name__ == "__main__":
    main()
