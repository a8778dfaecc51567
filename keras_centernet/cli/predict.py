"""Detect objects in images, folders, videos or a webcam.

Draws the detections into copies of the images and writes all of them to detections.json in --output. With --shard the
command processes one of N shares of the inputs and writes JSON Lines.
"""

import argparse
import contextlib
import dataclasses
import json
import sys
import warnings

from keras_centernet.cli.arguments import (
    add_backend_argument,
    add_model_arguments,
    add_options,
    add_output_argument,
    add_overwrite_argument,
    choose_output,
)
from keras_centernet.cli.results import CROPS, LABELS, Results, make_select, refuse_with_shard
from keras_centernet.cli.shards import PART_SIZE, Shard, check_shard_options, predict_shard
from keras_centernet.detecting.files import FileDetector, drawing_name, unique_names
from keras_centernet.detecting.sources import find_inputs, read_frames, stem_of
from keras_centernet.errors import DataWarning, UserError
from keras_centernet.files.atomic import write_text
from keras_centernet.files.outputs import claimed
from keras_centernet.files.paths import AnyPath, to_path
from keras_centernet.runs.options import option, options_of
from keras_centernet.runs.settings import LARGEST_BATCH

EXAMPLES = """examples:
  keras-centernet predict --model best.keras street.jpg photos/ "more/*.png"
  keras-centernet predict --model dla34_coco street.jpg         the authors' weights; see `keras-centernet models`
  keras-centernet predict --model best.keras film.mp4 --threshold 0.4
  keras-centernet predict --model best.tflite film.mp4 --track  an exported file; the same car keeps its number
  keras-centernet predict --model 3d.keras kitti/training/image_2 --calibration kitti/training/calib
  keras-centernet predict --model best.keras 0 --frames 300     webcam 0; Ctrl-C ends it too
  keras-centernet predict --model best.keras gs://bucket/photos --output gs://bucket/found --no-draw \\
      --shard $SLURM_ARRAY_TASK_ID/64     one job of sbatch --array=0-63; or $JOB_COMPLETION_INDEX/64 in Kubernetes"""

DEFAULT, RESULTS = "runs/predict", "detections.json"
CALIBRATION = "for tasks in 3D: a calibration file in KITTI's format, or a folder of them named like the images"
SHARD = "process one share of the inputs, I/N from 0, and continue where a killed job stopped; see docs/scaling.md"
NMS = "drop the worse of two boxes of a class whose overlap (IoU) is higher"
PART = "images in a part of a shard: the most that a killed job loses"

FURTHER = {
    "--save-txt": f"write {LABELS}/NAME.txt per image or frame, as YOLO does: class cx cy w h score",
    "--save-crops": f"write what is inside each box to {CROPS}/",
    "--track": "follow objects over the frames of a video or the images of a folder; needs keras_centernet[track]",
    "--show": "show each drawing in a window; close it to go on",
}


@dataclasses.dataclass(frozen=True)
class Options:
    """The options of this command alone."""

    model: str = option(dataclasses.MISSING, ".keras or exported file, folder, preset such as dla34_coco, or address")
    threshold: float | None = option(
        None, "lowest score that is kept", "that of the model for each class, else 0.3", at_least=0, at_most=1
    )
    batch_size: int = option(8, "images at a time", at_least=1, at_most=LARGEST_BATCH)
    calibration: str | None = option(None, CALIBRATION, "none")
    frames: int | None = option(None, "stop a video or webcam after so many frames", "never", at_least=1)
    classes: str | None = option(None, "names of the classes to keep, separated by commas", "all")
    nms: float | None = option(None, NMS, "what the model does by itself", at_least=0, at_most=1)
    every: int = option(1, "look at one in so many frames of a video", at_least=1)
    shard: Shard | None = option(None, SHARD, "all", parse=Shard.parse, own_check=lambda name, shard: shard)  # noqa: RUF009
    part_size: int | None = option(None, PART, str(PART_SIZE), at_least=1)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    parser.add_argument("inputs", nargs="+", help="images, folders, globs, video files, addresses or webcam numbers")
    add_options(parser, options_of(Options).values())
    add_model_arguments(parser)
    add_backend_argument(parser)
    add_output_argument(parser, DEFAULT, f"folder for drawings and {RESULTS}")
    add_overwrite_argument(parser)
    parser.add_argument("--no-draw", dest="draw", action="store_false", help="write the detections only")
    for flag, what in FURTHER.items():
        parser.add_argument(flag, action="store_true", help=what)


def run(args: argparse.Namespace) -> None:
    """Detects."""
    check_shard_options(args)
    images, videos = find_inputs(args.inputs)
    if args.shard is not None:
        refuse_with_shard(args, {row.name: row.default for row in options_of(Options).values()})
        predict_shard(args, images, videos, DEFAULT)
        return
    predict_all(args, images, videos)


def predict_all(args: argparse.Namespace, images: list[AnyPath | str], videos: list[str | int]) -> None:
    """Detects in every input and writes one file of results."""
    folder = choose_output(args.output, DEFAULT)
    drawings = _name_drawings(images, videos, folder) if args.draw else {}
    read = [to_path(one) for one in (*images, *videos, args.model) if not isinstance(one, int)]
    with claimed([folder / RESULTS, *drawings.values()], args.overwrite, read):
        further = Results(args, folder, [*images, *videos], read)
        results = _predict(args, images, videos, drawings, further, folder / RESULTS)
    objects = sum(len(result["detections"]) for result in results)
    print(f"{len(results)} images, {objects} objects: {folder / RESULTS}")


def _name_drawings(images: list[AnyPath | str], videos: list[str | int], folder: AnyPath) -> dict:
    """Returns {image or video: path of its copy with the detections drawn into it}."""
    names = unique_names({image: drawing_name(image) for image in images})
    names |= unique_names({video: f"{stem_of(video)}_detections.mp4" for video in videos})
    return {one: folder / name for one, name in names.items()}


def _predict(args, images: list, videos: list, drawings: dict, further: Results, path: AnyPath) -> list[dict]:
    from keras_centernet.detecting.tracking import check_tracking
    from keras_centernet.loading import load_detector

    if args.track:
        check_tracking()
    model, results = load_detector(args.model), []
    select = make_select(args, model.classes)
    how = {name: getattr(args, name) for name in ("threshold", "batch_size", "calibration", "frames", "every", "track")}
    detector = FileDetector(model, select=select, **how)
    try:
        _predict_images(detector, images, drawings, further, results)
        for video in videos:
            _predict_video(detector, video, drawings.get(video), further, results)
    finally:  # after Ctrl-C too, so that no detection is lost
        write_text(path, json.dumps(results, indent=1))
    return results


def _predict_images(detector: FileDetector, images: list, drawings: dict, further: Results, results: list) -> None:
    from tqdm import tqdm

    unreadable = []
    with contextlib.closing(detector.in_images(images, drawings)) as finished:
        for image, found in tqdm(finished, "images", len(images), disable=None, file=sys.stderr):
            if isinstance(found, UserError):
                unreadable.append(str(found))
                continue
            further.of_image(image, found)
            results.append(found.to_dict())
    if unreadable and len(unreadable) == len(images):
        raise UserError(unreadable[0])
    if unreadable:
        warnings.warn(f"{len(unreadable)} images skipped; first: {unreadable[0]}", DataWarning, stacklevel=2)


def _predict_video(detector: FileDetector, video, drawing: AnyPath | None, further: Results, results: list) -> None:
    from tqdm import tqdm

    with (
        read_frames(video) as (rate, frames),
        contextlib.closing(detector.in_frames(video, frames, rate, drawing, further.of_video(video))) as found,
    ):
        for row in tqdm(found, stem_of(video), disable=None, file=sys.stderr):
            results.append(row)  # one by one: what was found before Ctrl-C is kept
