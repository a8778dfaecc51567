"""Options that several commands share, written once."""

import argparse
import json

from keras_centernet.errors import UserError

FORMATS = ("voc", "coco", "yolo", "kitti", "tfds", "tfrecord", "shapes")


def add_data_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds --data, --format, --annotations, --images, --strict and --workers."""
    parser.add_argument(
        "--data",
        required=True,
        help="folder, file or pattern, here or at gs://...; TensorFlow Datasets name; or shapes",
    )
    parser.add_argument("--format", choices=FORMATS, help="of the data; found out when left away")
    parser.add_argument(
        "--annotations", help="COCO's JSON file, VOC's XML folder or a label map of records, if elsewhere"
    )
    parser.add_argument("--images", help="folder of the pictures, if not in its usual place")
    parser.add_argument("--strict", action="store_true", help="stop at unreadable images instead of skipping them")
    parser.add_argument("--workers", type=int, help="pictures read at the same time; default: as many as pay")


def input_size(text: str) -> int | tuple[int, int]:
    """Parses "320" or "384x1280" (height x width)."""
    parts = [int(part) for part in text.lower().split("x")]
    if len(parts) not in (1, 2):
        raise argparse.ArgumentTypeError(f"expected a side such as 320 or HEIGHTxWIDTH, got {text}")
    return parts[0] if len(parts) == 1 else tuple(parts)


def step_epochs(text: str) -> tuple[int, ...]:
    """Parses "90,120"."""
    return tuple(int(part) for part in text.split(","))


def task_options(pairs: list[str]) -> dict:
    """Parses ["projection=true", "radius=geometric"] to {"projection": True, "radius": "geometric"}."""
    options = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not name or not equals:
            raise UserError(f"--task-option: expected NAME=VALUE, got {pair!r}.")
        try:
            options[name] = json.loads(text)
        except ValueError:
            options[name] = text
    return options


def check_score(value: float) -> float:
    """Returns a score threshold, refused outside 0..1."""
    if not 0 <= value <= 1:
        raise UserError(f"--threshold: expected a score from 0 to 1, got {value}.")
    return value
