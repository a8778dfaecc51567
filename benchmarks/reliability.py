"""What large, hostile and simultaneous work costs; docs/reliability.md has the figures of one machine.

Run: python benchmarks/reliability.py COMMAND [--help]
  detections  10,000 detections in one image: drawn and written
  images      memory while `predict` goes over many images
  largest     the largest images: seconds and memory
  headers     files whose headers are built to take for ever to scan
  threads     one model and one SavedModel used by many threads at once
  batches     encoded images served in batches, some of them damaged
"""

import argparse
import gc
import multiprocessing
import os
import pathlib
import resource
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cv2
import numpy as np

MIB = 2**20


def main(arguments: list[str] | None = None) -> None:
    """Runs one command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for function, options in COMMANDS.items():
        command = commands.add_parser(function.__name__, description=function.__doc__)
        for name, value in options.items():
            many = {"nargs": "+"} if isinstance(value, list) else {}
            kind = type(value[0] if many else value)
            command.add_argument(f"--{name.replace('_', '-')}", type=kind, default=value, **many)
        command.set_defaults(function=function)
    given = vars(parser.parse_args(arguments))
    given.pop("function")(**given)


def detections(count: int) -> None:
    """Draws and writes many detections of one image."""
    from keras_centernet.detecting.detections import Detections

    rng = np.random.default_rng(0)
    corners = rng.uniform(0, (1100, 600), (count, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(10, 120, (count, 2))], axis=1).astype(np.float32)
    scores = np.sort(rng.uniform(0, 1, count).astype(np.float32))[::-1]
    classes = rng.integers(0, 80, count).astype(np.int32)
    names = [("cat", "кошка")[i % 2] + str(i) for i in classes]
    image = np.full((720, 1280, 3), 90, np.uint8)
    found = Detections(boxes, scores, classes, names, image=image)
    with tempfile.TemporaryDirectory() as folder:
        before = memory_mib()
        for name, function in (
            ("drawn", lambda: found.draw(pathlib.Path(folder, "drawn.jpg"))),
            ("as JSON", lambda: pathlib.Path(folder, "found.json").write_text(found.to_json(), "utf-8")),
            ("as COCO's results", lambda: found.to_coco(1)),
        ):
            print(f"{count} detections {name}: {seconds(function):.2f} s, {memory_mib() - before:.0f} MiB more")


def images(count: int, side: int) -> None:
    """Detects in many images, as `predict` does, and prints the memory of the process in between."""
    from keras_centernet import CenterNet
    from keras_centernet.detecting.files import FileDetector

    detector = FileDetector(CenterNet("mobilenet_v3_small", num_classes=3, input_size=128), 0.0, 8)
    with tempfile.TemporaryDirectory() as folder:
        paths = [pathlib.Path(folder, f"{i}.jpg") for i in range(count)]
        for i, path in enumerate(paths):
            path.write_bytes(photo(side + i % 7 * 16))
        for i, (_, found) in enumerate(detector.in_images(paths), start=1):
            found.draw(pathlib.Path(folder, "drawn.jpg"))
            if i in {max(1, count // 8), count // 4, count // 2, count}:
                gc.collect()
                print(f"after {i} images: {memory_mib():.0f} MiB", flush=True)


def largest(megapixels: int) -> None:
    """Reads images of many pixels, each in a process of its own."""
    for suffix in (".jpg", ".png", ".tiff", ".webp"):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            print(pool.apply(read_one, (suffix, megapixels)), flush=True)


def read_one(suffix: str, megapixels: int) -> str:
    """Returns the seconds and the additional memory that reading one image of so many pixels took."""
    from keras_centernet.data.images import read_image
    from keras_centernet.errors import UserError

    width = 16_000 if suffix == ".webp" else 20_000  # WebP allows at most 16,383
    height = min(megapixels * 10**6 // width, 16_000)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, f"a{suffix}")
        code = "import sys, cv2, numpy as np; h, w = map(int, sys.argv[2:]); x = np.arange(w) % 251; "
        code += "cv2.imwrite(sys.argv[1], np.broadcast_to(x[None, :, None], (h, w, 3)).astype(np.uint8))"
        subprocess.run([sys.executable, "-c", code, str(path), str(height), str(width)], check=True)
        size, before = path.stat().st_size / MIB, peak_mib()
        try:
            took = seconds(lambda: read_image(path))
        except UserError as error:
            return f"{suffix}: {str(error).partition(': ')[2]}"
    peak = peak_mib() - before
    return f"{suffix} of {width} x {height}, {size:.1f} MiB: {took:.1f} s, {peak:.0f} MiB more at the peak"


def headers(parts: int) -> None:
    """Reads files of many empty parts, in Python with OpenCV and in the graph that servers run."""
    import tensorflow as tf

    from keras_centernet.data.images import decode_image
    from keras_centernet.errors import UserError
    from keras_centernet.exporting.encoded_images import read_encoded_image

    read = tf.function(read_encoded_image, input_signature=[tf.TensorSpec((), tf.string)], autograph=False)
    read(tf.constant(photo(64)))

    def decode(data: bytes) -> None:
        try:
            decode_image(data, "x")
        except UserError:
            return

    for name, data in hostile_headers(parts).items():
        python, graph = 1000 * seconds(lambda data=data: decode(data)), 1000 * seconds(lambda data=data: read(data))
        print(f"{name} ({len(data) / MIB:.1f} MiB): {python:.1f} ms, in the graph {graph:.1f} ms", flush=True)


def hostile_headers(parts: int) -> dict[str, bytes]:
    """Returns small images with so many parts before their pixels, and some whose headers claim many pixels."""
    jpeg = photo(64)
    png, bmp = (cv2.imencode(suffix, np.zeros((64, 64, 3), np.uint8))[1].tobytes() for suffix in (".png", ".bmp"))
    scan = jpeg[jpeg.rfind(b"\xff\xda") : -2]
    chunk = struct.pack(">I", 0) + b"teXt" + struct.pack(">I", zlib.crc32(b"teXt"))
    gif = b"GIF89a" + struct.pack("<HHBBB", 64, 64, 0, 0, 0)
    entry = struct.pack("<HHII", 0x8769, 4, 1, 8)
    return {
        "an image": jpeg,
        "empty segments of a JPEG": jpeg[:2] + b"\xff\xe2\0\2" * parts + jpeg[2:],
        "scans of a JPEG": jpeg[:-2] + scan * min(parts, 20_000) + jpeg[-2:],
        "empty chunks of a PNG": png[:33] + chunk * parts + png[33:],
        "empty extensions of a GIF": gif + b"\x21\xfe\0" * parts,
        "blocks of two sizes of a GIF": gif + b"\x21\xfe" + b"\1x\2xx" * (parts // 2) + b"\0",
        "a TIFF directory in a circle": b"II*\0" + struct.pack("<IH", 8, 65535) + entry * min(parts, 65535),
        "a JPEG of 65000 x 65000": jpeg.replace(struct.pack(">HH", 64, 64), struct.pack(">HH", 65000, 65000), 1),
        "a BMP of 65000 x 65000": bmp.replace(struct.pack("<ii", 64, 64), struct.pack("<ii", 65000, 65000), 1),
    }


def threads(count: int, calls: int) -> None:
    """Calls one model and one SavedModel from many threads at once, and compares with the results of one thread."""
    model, serve = served()
    photos = [cv2.imdecode(np.frombuffer(photo(96 + 32 * i), np.uint8), 1) for i in range(4)]
    encoded = [photo(96 + 32 * i) for i in range(4)]

    def by_detect(i: int) -> np.ndarray:
        (found,) = model.detect([photos[i]], threshold=0)
        return np.column_stack([found.boxes_xyxy, found.scores])

    def by_serving(i: int) -> np.ndarray:
        found = serve([encoded[i]])
        return np.column_stack([found["boxes_xyxy"][0], found["scores"][0]])

    for name, ask in (("detect", by_detect), ("SavedModel", by_serving)):
        expected = [ask(i) for i in range(4)]
        took, differences = in_threads(lambda i, ask=ask, expected=expected: differ(ask(i), expected[i]), count, calls)
        rate = count * calls / took
        print(f"{name}: {count} threads, {count * calls} calls, {sum(differences)} differ, {rate:.0f} images/s")
        assert not any(differences)


def in_threads(function: Callable[[int], bool], count: int, calls: int) -> tuple[float, list[bool]]:
    """Returns (seconds, results of all calls) of a function that many threads call with 0 to 3."""
    results: list[bool] = []

    def work(first: int) -> None:
        results.extend(function((first + i) % 4) for i in range(calls))

    workers = [threading.Thread(target=work, args=(i,)) for i in range(count)]

    def run() -> None:
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    took = seconds(run)
    assert len(results) == count * calls, "a thread ended early"
    return took, results


def differ(values: np.ndarray, expected: np.ndarray) -> bool:
    """Whether results differ by more than rounding."""
    return values.shape != expected.shape or not np.allclose(values, expected, rtol=1e-4, atol=1e-3)


def batches(sizes: list[int], rounds: int) -> None:
    """Serves batches of encoded images, with all images whole and with every fourth damaged."""
    _, serve = served()
    whole = [photo(480) for _ in range(max(*sizes, 4))]
    damaged = [data[:300] if i % 4 == 3 else data for i, data in enumerate(whole)]
    for size in sizes:
        times = {"whole": [], "every fourth damaged": []}
        for turn in range(rounds + 1):
            for name, batch in (("whole", whole[:size]), ("every fourth damaged", damaged[:size])):
                took = 1000 * seconds(lambda batch=batch: serve(batch))
                times[name] += [took] if turn else []  # the first one traces
        found = serve(damaged[:size])
        assert np.count_nonzero(found["status"]) == size // 4
        assert len(found["scores"]) == size
        medians = ", ".join(f"{name} {statistics.median(values):.1f} ms" for name, values in times.items())
        print(f"batch of {size}: {medians}", flush=True)


def served() -> tuple:
    """Returns (a small model, function: encoded images -> {name: array} of its SavedModel)."""
    import keras
    import tensorflow as tf

    from keras_centernet import CenterNet
    from keras_centernet.exporting import export_saved_model

    keras.utils.set_random_seed(1)
    model = CenterNet("mobilenet_v3_small", num_classes=3, input_size=128)
    kernel = model.network.get_layer("center_heatmap").kernel
    kernel.assign(keras.random.normal(kernel.shape))  # scores that differ
    with tempfile.TemporaryDirectory() as folder:
        loaded = tf.saved_model.load(str(export_saved_model(model, pathlib.Path(folder, "saved"), top_k=20)))
    function = loaded.signatures["serving_default"]

    def serve(encoded: list[bytes]) -> dict:
        tensors = function(image_bytes=tf.constant(encoded, tf.string, shape=(len(encoded),)))
        return {key: value.numpy() for key, value in tensors.items()}

    serve.loaded = loaded  # a signature alone does not keep its variables
    return model, serve


def photo(side: int) -> bytes:
    """Returns a square JPEG."""
    rng = np.random.default_rng(side)
    image = cv2.resize(rng.integers(0, 256, (12, 12, 3), np.uint8), (side, side), interpolation=cv2.INTER_CUBIC)
    return cv2.imencode(".jpg", image)[1].tobytes()


def seconds(function: Callable) -> float:
    """Returns how long one call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def memory_mib() -> float:
    """Returns how much memory this process has now."""
    return int(pathlib.Path("/proc/self/statm").read_text("utf-8").split()[1]) * resource.getpagesize() / MIB


def peak_mib() -> float:
    """Returns the most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


COMMANDS = {
    detections: {"count": 10_000},
    images: {"count": 800, "side": 240},
    largest: {"megapixels": 100},
    headers: {"parts": 300_000},
    threads: {"count": 8, "calls": 25},
    batches: {"sizes": [0, 1, 8, 64], "rounds": 7},
}

if __name__ == "__main__":
    main()
