"""Detect objects in images, folders, videos or a webcam.

Draws the detections into copies of the images and writes all of them to detections.json in --output. With --shard the
command does one of N shares and writes that as JSON Lines.
"""

import argparse
import contextlib
import json
import sys
import warnings

from keras_centernet.cli.arguments import add_backend_argument, add_model_arguments, make_folder
from keras_centernet.cli.detecting import FileDetector, unique_names
from keras_centernet.cli.inputs import find_inputs, read_frames
from keras_centernet.cli.shards import PART_SIZE, check_shard_options, predict_shard
from keras_centernet.errors import DataWarning, UserError
from keras_centernet.files.paths import AnyPath, to_path

EXAMPLES = """examples:
  keras-centernet predict --model best.keras street.jpg photos/ "more/*.png"
  keras-centernet predict --model best.keras film.mp4 --threshold 0.4
  keras-centernet predict --model 3d.keras kitti/training/image_2 --calibration kitti/training/calib
  keras-centernet predict --model best.keras 0 --frames 300     webcam 0; Ctrl-C ends it too
  keras-centernet predict --model best.keras gs://bucket/photos --output gs://bucket/found --no-draw \\
      --shard $SLURM_ARRAY_TASK_ID/64     one job of sbatch --array=0-63; or $JOB_COMPLETION_INDEX/64 in Kubernetes"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    parser.add_argument("inputs", nargs="+", help="images, folders, globs, video files or webcam numbers")
    parser.add_argument("--model", required=True, help=".keras file")
    add_model_arguments(parser)
    add_backend_argument(parser)
    parser.add_argument("--output", default="runs/predict", help="folder for drawings and detections.json")
    parser.add_argument("--threshold", type=float, default=0.3, help="lowest score that is kept")
    parser.add_argument("--batch-size", type=int, default=8, help="images at a time")
    files = "a calibration file in KITTI's format, or a folder of them named like the images"
    parser.add_argument("--calibration", help=f"for tasks in 3D: {files}")
    parser.add_argument("--frames", type=int, help="stop a video or webcam after so many frames")
    parser.add_argument("--no-draw", dest="draw", action="store_false", help="write the detections only")
    shard = "do one share of the inputs, I of N counted from 0, and go on where a killed one was; see README"
    parser.add_argument("--shard", metavar="I/N", help=shard)
    size = f"images in a part of a shard, what a kill costs at most (default: {PART_SIZE})"
    parser.add_argument("--part-size", type=int, metavar="IMAGES", help=size)


def run(args: argparse.Namespace) -> None:
    """Detects."""
    if not 0 <= args.threshold <= 1:
        raise UserError(f"--threshold: expected a score from 0 to 1, got {args.threshold}.")
    if args.batch_size < 1:
        raise UserError(f"--batch-size: expected a positive number, got {args.batch_size}.")
    check_shard_options(args)
    images, videos = find_inputs(args.inputs)
    if args.shard is not None:
        predict_shard(args, images, videos)
        return
    predict_all(args, images, videos)


def predict_all(args: argparse.Namespace, images: list[AnyPath], videos: list[str | int]) -> None:
    """Detects in every input and writes one detections.json."""
    from keras_centernet.model import load_model

    model = load_model(args.model)
    detector = FileDetector(model, args.threshold, args.batch_size, args.calibration, args.frames)
    folder = to_path(args.output)
    make_folder(folder)
    results = []
    try:
        _predict_images(detector, images, folder, args.draw, results)
        for video in videos:
            _predict_video(detector, video, folder, args.draw, results)
    finally:  # after Ctrl-C too, so that no detection is lost
        (folder / "detections.json").write_text(json.dumps(results, indent=1))
    objects = sum(len(result["detections"]) for result in results)
    print(f"{len(results)} images, {objects} objects: {folder / 'detections.json'}")


def _predict_images(detector: FileDetector, images: list, folder: AnyPath, draw: bool, results: list) -> None:
    from tqdm import tqdm

    unreadable, names = [], unique_names(images)
    for path, found in tqdm(detector.in_images(images), "images", len(images), disable=None, file=sys.stderr):
        if isinstance(found, UserError):
            unreadable.append(str(found))
            continue
        if draw:
            found.draw(folder / names[path])
        results.append(found.to_dict())
    if unreadable and len(unreadable) == len(images):
        raise UserError(unreadable[0])
    if unreadable:
        warnings.warn(f"{len(unreadable)} images skipped; first: {unreadable[0]}", DataWarning, stacklevel=2)


def _predict_video(detector: FileDetector, video: str | int, folder: AnyPath, draw: bool, results: list) -> None:
    from tqdm import tqdm

    name = f"webcam{video}" if isinstance(video, int) else to_path(video).stem
    drawing = folder / f"{name}_detections.mp4" if draw else None
    with (
        read_frames(video) as (rate, frames),
        contextlib.closing(detector.in_frames(video, frames, rate, drawing)) as found,
    ):
        for row in tqdm(found, name, disable=None, file=sys.stderr):
            results.append(row)  # one by one: what was found before Ctrl-C is kept
