"""Images per second and core of `export/batch/detect.py`, beside one process that detects in the same files.

That process uses all cores, or one that it is pinned to. Each way is a process of its own; the ways take turns, starts
and compilations are not counted, and medians are printed. Needs Ray Data (pip install "keras_centernet[ray]").

Run: python benchmarks/batch.py [--images 384] [--rounds 3]
"""

import argparse
import importlib.util
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

BATCH, THRESHOLD, INPUT_SIZE = 8, 0.1, 320
CORES = len(os.sched_getaffinity(0))
ONE_THREAD = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}


def ray_data(folder: pathlib.Path) -> float:
    """Returns images per second and core of the pipeline, one actor per core, each from its first batch on."""
    import pyarrow as pa
    import pyarrow.parquet
    import ray

    path = pathlib.Path(__file__).parents[1] / "export" / "batch" / "detect.py"
    spec = importlib.util.spec_from_file_location("batch_detect", path)
    pipeline = importlib.util.module_from_spec(spec)
    sys.modules["batch_detect"] = pipeline
    spec.loader.exec_module(pipeline)
    ray.cloudpickle.register_pickle_by_value(pipeline)

    class Timed(pipeline.Detector):
        def __call__(self, files):
            found = super().__call__(files)
            times = np.full(len(found), time.time())
            return found.append_column("actor", pa.array(np.full(len(found), os.getpid()))).append_column(
                "time", pa.array(times)
            )

    pipeline.Detector = Timed
    output = tempfile.mkdtemp(dir=folder)
    options = {"model": str(folder / "model.keras"), "images": [str(folder / "images")], "output": output}
    options |= {"actors": CORES, "batch_size": BATCH, "threshold": THRESHOLD, "backend": "tensorflow"}
    pipeline.detect(argparse.Namespace(**options, calibration=None, imports=[]))
    rows = pyarrow.parquet.read_table(output, columns=["actor", "time"]).to_pandas()
    times = [times.to_numpy() for _, times in rows.groupby("actor")["time"]]
    return sum(np.sum(t > t.min()) / (t.max() - t.min()) for t in times) / CORES


def one_process(folder: pathlib.Path) -> float:
    """Returns images per second and core of `model.detect`, from the second call on."""
    from keras_centernet import load_model

    cores = len(os.sched_getaffinity(0))
    model, paths = load_model(folder / "model.keras"), sorted((folder / "images").iterdir())
    for start in range(0, len(paths), 4 * BATCH):
        model.detect(paths[start : start + 4 * BATCH], threshold=THRESHOLD, batch_size=BATCH)
        if not start:
            begin = time.perf_counter()
    return (len(paths) - 4 * BATCH) / (time.perf_counter() - begin) / cores


def one_core(folder: pathlib.Path) -> float:
    """Returns images per second of `model.detect` on one core."""
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
        print(WAYS[options.way[0]](pathlib.Path(options.way[1])))
        return
    with tempfile.TemporaryDirectory() as folder:
        prepare(pathlib.Path(folder), options.images)
        rounds = [[run(way, folder) for way in WAYS] for _ in range(options.rounds)]
    print(f"mobilenet_v2, {INPUT_SIZE} px, {options.images} JPEGs of 640x480, {CORES} cores")
    for number, way in enumerate(WAYS):
        rate = statistics.median(rates[number] for rates in rounds)
        ratio = statistics.median(rates[0] / rates[number] for rates in rounds)
        print(f"{way:12} {rate:6.1f} images/s and core; Ray Data / this: {ratio:.2f}")


def run(way: str, folder: str) -> float:
    """Returns what one way measures in a process of its own."""
    environment = {"TF_CPP_MIN_LOG_LEVEL": "2", "TF_ENABLE_ONEDNN_OPTS": "1", "RAY_USAGE_STATS_ENABLED": "0"}
    environment["RAY_worker_niceness"] = "0"  # Ray yields to other programs, which would be measured
    command = [sys.executable, __file__, "--way", way, folder]
    done = subprocess.run(command, env=os.environ | environment, stdout=subprocess.PIPE, text=True, check=True)
    print(way, done.stdout.splitlines()[-1], file=sys.stderr, flush=True)
    return float(done.stdout.splitlines()[-1])


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
