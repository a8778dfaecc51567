"""Detects objects in many images with Ray Data: a model in each actor, images from folders or buckets, Parquet out.

pip install "keras_centernet[ray]"
python detect.py --model best.keras --images photos/ s3://bucket/more --output s3://bucket/found

Columns: path, width, height, boxes_xyxy (pixels of the image), scores, classes, class_names, what the task adds to a
box (such as keypoints_xy), and error. A file that cannot be read gives a row with only its path and error.
"""

import argparse
import importlib.util
import math
import os
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

from keras_centernet.errors import UserError, first_line

try:
    import pyarrow as pa
    import pyarrow.dataset
    import ray
    from pyarrow import fs
except ImportError as missing:
    sys.exit(f'detect.py: expected Ray Data, got: {missing}. Run pip install "keras_centernet[ray]".')

BACKENDS = ("tensorflow", "jax", "torch")
FILES_PER_BLOCK, FILES_AT_A_TIME = 64, 16  # of one reading task: few, so that large images do not fill the memory
ROWS_PER_FILE = 1024
# An actor has one core and perhaps a share of a GPU: more threads or memory would be taken from the other actors.
ENVIRONMENT = {
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_ENABLE_ONEDNN_OPTS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    "NPROC": "1",  # JAX's threads
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
}


class Detector:
    """A model in an actor: a table of path, content and error -> a table of detections."""

    def __init__(self, model: str, imports: list, calibration, threshold: float, batch_size: int):
        import cv2
        import numpy as np

        cv2.setNumThreads(1)
        self._model = load(model, imports)
        self._options = {"calibration": calibration, "threshold": threshold, "batch_size": batch_size}
        self._black = np.zeros((*self._model.input_size, 3), np.uint8)
        found = self._detect([self._black])[0]  # also compiles
        boxes = {"boxes_xyxy": found.boxes_xyxy, "scores": found.scores, "classes": found.classes}
        self._schema = pa.schema(
            {"path": pa.string(), "width": pa.int32(), "height": pa.int32()}
            | {name: _list_type(values) for name, values in boxes.items()}
            | {"class_names": pa.list_(pa.string())}
            | {name: _list_type(values) for name, values in found.extras.items()}
            | {"error": pa.string()}
        )

    def __call__(self, files: pa.Table) -> pa.Table:
        from keras_centernet.data.images import decode_image

        rows, images = files.select(["path", "error"]).to_pylist(), []
        for row, content in zip(rows, files["content"], strict=True):
            if row["error"] is None:
                try:
                    images.append(decode_image(content.as_py(), row["path"]))
                except UserError as error:
                    row["error"] = str(error)
        found = iter(self._detect(images))
        for row in rows:
            if row["error"] is None:
                row |= _to_columns(next(found))
        return pa.Table.from_pylist(rows, self._schema)

    def _detect(self, images: list) -> list:
        # Black images fill up the batch, because every other batch size would be compiled again.
        size = self._options["batch_size"]
        filled = [*images, *[self._black] * (-len(images) % size)]
        return self._model.detect(filled, **self._options)[: len(images)]


def read_files(files: pa.Table, filesystems: dict) -> pa.Table:
    """Adds the columns content and error, of which one is null, to a table of paths."""

    def read(path):
        scheme, _, name = path.rpartition("://")
        try:
            with filesystems[scheme].open_input_file(name) as file:
                return file.read(), None
        except OSError as error:
            return None, f"image {path}: expected a readable file, got '{error}'."

    with ThreadPoolExecutor(FILES_AT_A_TIME) as pool:
        contents, errors = zip(*pool.map(read, files["path"].to_pylist()), strict=True)
    columns = {"content": pa.array(contents, pa.large_binary()), "error": pa.array(errors, pa.string())}
    return pa.table({"path": files["path"], **columns})


def list_images(sources: list[str]) -> tuple[list[str], dict]:
    """Returns (paths of the images in files and folders, at any depth; {scheme: file system})."""
    from keras_centernet.data.images import IMAGE_SUFFIXES

    paths, filesystems = set(), {}
    for source in sources:
        filesystem, prefix, files = list_files("--images", source)
        filesystems.setdefault(prefix.removesuffix("://"), filesystem)
        found = [file for file in files if os.path.splitext(file)[1].lower() in IMAGE_SUFFIXES]
        if not found:
            expected = f"an image ({', '.join(IMAGE_SUFFIXES)}) or a folder of them, at any depth"
            raise UserError(f"--images {source}: expected {expected}; found none.")
        paths.update(prefix + file for file in found)
    return sorted(paths), filesystems


def list_files(option: str, path: str) -> tuple:
    """Returns (file system, "scheme://" or "", files) of a file or folder, or of its URI; no files if it is missing."""
    scheme, end, _ = path.partition("://")
    try:
        filesystem, root = fs.FileSystem.from_uri(path) if end else (fs.LocalFileSystem(), os.path.abspath(path))
        files = [filesystem.get_file_info(root)]
        if files[0].type == fs.FileType.Directory:
            files = filesystem.get_file_info(fs.FileSelector(root, recursive=True))
    except (OSError, ValueError, NotImplementedError) as error:
        raise UserError(f"{option} {path}: expected a path that can be reached, got: {first_line(error)}") from None
    return filesystem, scheme + end if end else "", [file.path for file in files if file.type == fs.FileType.File]


def load(path: str, imports: list[str]):
    """Imports the modules that register parts of a model, and returns the model."""
    from keras_centernet import load_model
    from keras_centernet.runs.user_code import import_module

    for name in imports:
        import_module(name)
    return load_model(path)


def detect(args: argparse.Namespace) -> None:
    """Detects and writes what was found."""
    check(args)
    paths, filesystems = list_images(args.images)
    found = build_pipeline(paths, filesystems, args)
    found.write_parquet(to_absolute(args.output), min_rows_per_file=ROWS_PER_FILE, ray_remote_args={"num_cpus": 0})
    report(to_absolute(args.output))


def build_pipeline(paths: list[str], filesystems: dict, args: argparse.Namespace) -> ray.data.Dataset:
    """Returns the data set of the detections, which are computed when they are asked for."""
    from keras_centernet.camera import read_calibration

    load(args.model, args.imports)  # an invalid model raises here, not in each actor
    calibration = read_calibration(args.calibration) if args.calibration else None
    ray.init(runtime_env={"env_vars": ENVIRONMENT | {"KERAS_BACKEND": args.backend}})
    actors, devices = share_devices(args.actors)
    rows = args.batch_size * max(1, FILES_PER_BLOCK // args.batch_size)
    files = ray.data.from_arrow([pa.table({"path": paths[i : i + rows]}) for i in range(0, len(paths), rows)])
    arrow = {"batch_format": "pyarrow"}
    # Reading waits more than it computes, so that it takes no core from the actors.
    files = files.map_batches(read_files, fn_args=(filesystems,), batch_size=FILES_AT_A_TIME, num_cpus=0, **arrow)
    options = (to_absolute(args.model), args.imports, calibration, args.threshold, args.batch_size)
    pool = ray.data.ActorPoolStrategy(size=actors)
    devices |= arrow | {"batch_size": args.batch_size}
    return files.map_batches(Detector, fn_constructor_args=options, compute=pool, **devices)


def share_devices(actors: int | None) -> tuple[int, dict]:
    """Returns (number of actors, resources of each): a core, and a share of a GPU if there are any."""
    resources = ray.cluster_resources()
    cores, gpus = int(resources.get("CPU", 0)), int(resources.get("GPU", 0))
    actors = actors or gpus or cores
    if actors > cores:
        raise UserError(f"--actors: expected at most one per core, {cores}, got {actors}.")
    return actors, {"num_cpus": 1, "num_gpus": math.floor(1e4 / math.ceil(actors / gpus)) / 1e4 if gpus else 0}


def check(args: argparse.Namespace) -> None:
    """Raises a UserError if an option is wrong."""
    if not 0 <= args.threshold <= 1:
        raise UserError(f"--threshold: expected a score from 0 to 1, got {args.threshold}.")
    for option in ("actors", "batch_size"):
        value = getattr(args, option)
        if value is not None and value < 1:
            raise UserError(f"--{option.replace('_', '-')}: expected a positive number, got {value}.")
    if args.backend not in BACKENDS or importlib.util.find_spec(args.backend) is None:
        raise UserError(f"--backend: expected one that is installed, got {args.backend}; install it or name another.")
    if list_files("--output", args.output)[2]:
        raise UserError(f"--output {args.output}: expected a new or empty folder, got files; name another.")


def report(output: str) -> None:
    """Prints how many images were read, and warns of those that could not be read."""
    from keras_centernet.data.counting import warn_counted

    found = pyarrow.dataset.dataset(output, format="parquet")
    has_error = pyarrow.dataset.field("error").is_valid()
    errors = found.to_table(["error"], filter=has_error)["error"].to_pylist()
    warn_counted(errors, "files could not be read, each is a row with an error")
    print(f"{found.count_rows() - len(errors)} images, {len(errors)} unreadable: {output}")


def to_absolute(path: str) -> str:
    """Returns a path that means the same in every process."""
    return path if "://" in path else os.path.abspath(path)


def main() -> None:
    """Reads the arguments and detects; a user's mistake ends with one line."""
    lines = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=lines, allow_abbrev=False)
    add = parser.add_argument
    add("--model", required=True, help=".keras file, where all machines find it")
    add("--images", required=True, nargs="+", help="files and folders, or their URIs; folders at any depth")
    add("--output", required=True, help="new folder for Parquet files, where all machines find it")
    add("--actors", type=int, help="models at a time (default: one per GPU, or per core where there is none)")
    add("--batch-size", type=int, default=8, help="images at a time of each (default: %(default)s)")
    add("--threshold", type=float, default=0.3, help="lowest score that is kept (default: %(default)s)")
    add("--backend", choices=BACKENDS, help="of Keras (default: KERAS_BACKEND, else tensorflow)")
    add("--calibration", help="for tasks in 3D: file in KITTI's format of the camera of all images")
    add("--import", action="append", dest="imports", default=[], help="module that registers parts of the model")
    args = parser.parse_args()
    args.backend = args.backend or os.environ.get("KERAS_BACKEND", BACKENDS[0])
    os.environ |= {"KERAS_BACKEND": args.backend, "TF_CPP_MIN_LOG_LEVEL": "2"}
    warnings.formatwarning = lambda message, category, *_: f"{category.__name__}: {message}\n"
    try:
        detect(args)
    except UserError as error:
        sys.exit(f"{parser.prog}: {error}")


def _list_type(values) -> pa.DataType:
    """Returns the type of a column of arrays (N, ...)."""
    kind = pa.from_numpy_dtype(values.dtype)
    for _ in range(values.ndim):
        kind = pa.list_(kind)
    return kind


def _to_columns(found) -> dict:
    arrays = {"boxes_xyxy": found.boxes_xyxy, "scores": found.scores, "classes": found.classes, **found.extras}
    row = {"height": found.image.shape[0], "width": found.image.shape[1], "class_names": list(found.class_names)}
    return row | {name: values.tolist() for name, values in arrays.items()}


if __name__ == "__main__":
    main()
