"""Detect objects in images, folders, videos or a webcam.

Draws the detections into copies of the images and writes all of them to detections.json in --output.
"""

import argparse
import itertools
import json
import sys
import warnings

import numpy as np

from keras_centernet.cli.arguments import add_backend_argument, add_model_arguments, make_folder
from keras_centernet.cli.inputs import find_inputs, read_frames
from keras_centernet.errors import DataWarning, UserError
from keras_centernet.files.atomic import local_output
from keras_centernet.files.paths import AnyPath, to_path
from keras_centernet.runs.devices.choosing import hide_gpus_from_tensorflow

EXAMPLES = """examples:
  keras-centernet predict --model best.keras street.jpg photos/ "more/*.png"
  keras-centernet predict --model best.keras film.mp4 --threshold 0.4
  keras-centernet predict --model 3d.keras kitti/training/image_2 --calibration kitti/training/calib
  keras-centernet predict --model best.keras 0 --frames 300     webcam 0; Ctrl-C ends it too"""


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
    parser.add_argument("--no-draw", dest="draw", action="store_false", help="write detections.json only")


def run(args: argparse.Namespace) -> None:
    """Detects."""
    from keras_centernet.model import load_model

    if not 0 <= args.threshold <= 1:
        raise UserError(f"--threshold: expected a score from 0 to 1, got {args.threshold}.")
    if args.batch_size < 1:
        raise UserError(f"--batch-size: expected a positive number, got {args.batch_size}.")
    images, videos = find_inputs(args.inputs)
    hide_gpus_from_tensorflow()
    model = load_model(args.model)
    folder = to_path(args.output)
    make_folder(folder)
    results = []
    try:
        _predict_images(model, images, folder, args, results)
        for video in videos:
            _predict_video(model, video, folder, args, results)
    finally:  # after Ctrl-C too, so that no detection is lost
        (folder / "detections.json").write_text(json.dumps(results, indent=1))
    objects = sum(len(result["detections"]) for result in results)
    print(f"{len(results)} images, {objects} objects: {folder / 'detections.json'}")


def _predict_images(model, images: list, folder: AnyPath, args, results: list) -> None:
    from tqdm import tqdm

    unreadable, names = [], _unique_names(images)
    with tqdm(total=len(images), desc="images", disable=None, file=sys.stderr) as progress:
        for start in range(0, len(images), args.batch_size):
            batch = images[start : start + args.batch_size]
            for path, found in _detect_readable(model, batch, args, unreadable):
                if args.draw:
                    found.draw(folder / names[path])
                results.append(found.to_dict())
            progress.update(len(batch))
    if unreadable and len(unreadable) == len(images):
        raise UserError(unreadable[0])
    if unreadable:
        warnings.warn(f"{len(unreadable)} images skipped; first: {unreadable[0]}", DataWarning, stacklevel=2)


def _detect_readable(model, paths: list[AnyPath], args, unreadable: list[str]) -> list[tuple]:
    """Returns (path, detections) of the images that can be read; appends to `unreadable` why others cannot."""
    from keras_centernet.data.images import read_image

    readable = []
    for path in paths:
        try:
            readable.append((path, read_image(path)))
        except UserError as error:
            unreadable.append(str(error))
    images = [image for _, image in readable]
    calibration = [_calibration(args.calibration, path.stem) for path, _ in readable] if args.calibration else None
    found = model.detect(images, calibration, threshold=args.threshold, batch_size=args.batch_size)
    paths = [path for path, _ in readable]
    for path, one in zip(paths, found, strict=True):
        one.path = str(path)
    return list(zip(paths, found, strict=True))


def _calibration(file_or_folder: str, stem: str) -> np.ndarray:
    """Returns the matrix of a file, or of the file with that stem in a folder."""
    from keras_centernet.camera import read_calibration

    path = to_path(file_or_folder)
    return read_calibration(path / f"{stem}.txt" if path.is_dir() else path)


def _predict_video(model, video: str | int, folder: AnyPath, args, results: list) -> None:
    import cv2
    from tqdm import tqdm

    stem = to_path(str(video)).stem
    calibration = _calibration(args.calibration, stem) if args.calibration else None
    name = f"webcam{video}" if isinstance(video, int) else stem
    writer = None
    with read_frames(video) as (rate, frames), local_output(folder / f"{name}_detections.mp4") as target:
        frames = enumerate(itertools.islice(frames, args.frames))
        try:
            for index, frame in tqdm(frames, desc=name, disable=None, file=sys.stderr):
                (found,) = model.detect([frame], calibration, threshold=args.threshold)
                results.append(found.to_dict() | {"path": str(video), "frame": index})
                if not args.draw:
                    continue
                if writer is None:
                    size_wh = (frame.shape[1], frame.shape[0])
                    writer = cv2.VideoWriter(str(target), cv2.VideoWriter_fourcc(*"mp4v"), rate, size_wh)
                writer.write(cv2.cvtColor(found.draw(), cv2.COLOR_RGB2BGR))
        finally:
            if writer is not None:
                writer.release()


def _unique_names(images: list[AnyPath]) -> dict[AnyPath, str]:
    """Returns {image: name of its drawn copy}; equal names from different folders are numbered."""
    names, taken = {}, set()
    for path in images:
        suffix = path.suffix if path.suffix.lower() in (".jpg", ".jpeg", ".png") else ".png"
        name, number = f"{path.stem}{suffix}", 2
        while name in taken:
            name, number = f"{path.stem}_{number}{suffix}", number + 1
        taken.add(name)
        names[path] = name
    return names
