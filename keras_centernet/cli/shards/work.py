"""Detects objects in the share of one shard, part by part."""

import argparse
import contextlib
import functools
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from keras_centernet.cli.shards.folder import ShardFolder, describe_file, describe_folder, describe_inputs
from keras_centernet.cli.shards.shard import PART_SIZE, list_parts
from keras_centernet.detecting.files import FileDetector, drawing_name, unique_names
from keras_centernet.detecting.sources import read_frames
from keras_centernet.errors import UserError
from keras_centernet.files.outputs import open_folder
from keras_centernet.files.paths import AnyPath, to_path


def check_shard_options(args: argparse.Namespace) -> None:
    """Raises a UserError for --part-size without --shard, or for --overwrite with it."""
    if args.shard is None and args.part_size is not None:
        raise UserError("--part-size: expected together with --shard I/N only, got it alone; leave it out.")
    if args.shard is not None and args.overwrite:
        raise UserError("--shard and --overwrite: expected one of them, got both: parts are kept; remove their folder.")


def predict_shard(args: argparse.Namespace, images: list[AnyPath], videos: list[str | int], default: str) -> None:
    """Detects in the unfinished parts of the share that --shard names; `default` is the folder without --output."""
    from keras_centernet.data.counting import warn_counted
    from keras_centernet.loading import load_detector

    addresses = [image for image in images if isinstance(image, str)]
    if others := [video for video in videos if isinstance(video, int)] + addresses:
        what = f"webcam {others[0]}" if isinstance(others[0], int) else others[0]
        raise UserError(f"--shard: expected files, which all shards can list, got {what}; leave it out.")
    described = _describe(args, [*images, *videos], args.part_size or PART_SIZE)  # first: there may be no such model
    shard, size = args.shard, args.part_size or PART_SIZE
    parts = list_parts(shard, images, videos, size)
    folder = ShardFolder(to_path(args.output or default), shard, len(parts), described)
    told = f"{len(parts)} parts, {len(folder.missing)} to do"
    print(f"shard {shard.index}/{shard.count}: {told}: {folder.path}", flush=True)
    tally = Tally()
    if folder.missing:
        model = load_detector(args.model)
        detector = FileDetector(model, args.threshold, args.batch_size, args.calibration, args.frames)
        _detect(detector, parts, folder, args.draw, tally)
    folder.finish()
    warn_counted(tally.unreadable, "files could not be read, each is a line with an error")
    print(f"{tally.images} images, {tally.objects} objects, {len(tally.unreadable)} unreadable: {folder.path}")


@dataclass
class Tally:
    """What was found so far."""

    images: int = 0
    objects: int = 0
    unreadable: list[str] = field(default_factory=list)

    def count(self, lines: Iterable[dict]) -> Iterator[dict]:
        """Yields the lines of a part and counts them."""
        for line in lines:
            if "error" in line:
                self.unreadable.append(line["error"])
            else:
                self.images += 1
                self.objects += len(line["detections"])
            yield line


def _describe(args: argparse.Namespace, inputs: list, size: int) -> dict:
    return {
        "inputs": describe_inputs(inputs),
        "model": _describe_model(args.model),
        "threshold": args.threshold,
        "calibration": args.calibration,
        "frames": args.frames,
        "part_size": size,
        "drawings": args.draw,
    }


def _detect(detector: FileDetector, parts: list, folder: ShardFolder, draw: bool, tally: Tally) -> None:
    from tqdm import tqdm

    if draw:
        open_folder(folder.drawings)
    for number in tqdm(folder.missing, "parts", disable=None, file=sys.stderr):
        part, to_drawing = parts[number], functools.partial(folder.drawing, number) if draw else None
        if isinstance(part, str):
            with _frame_lines(detector, part, to_drawing) as lines:
                folder.write(number, tally.count(lines))
        else:
            lines = list(_image_lines(detector, part, to_drawing))
            folder.write(number, tally.count(lines))


def _image_lines(detector: FileDetector, images: list[AnyPath], to_drawing: Callable | None) -> Iterator[dict]:
    names = unique_names({image: drawing_name(image) for image in images})
    drawings = {image: to_drawing(name) for image, name in names.items()} if to_drawing else {}
    for path, found in detector.in_images(images, drawings):
        yield {"path": str(path), "error": str(found)} if isinstance(found, UserError) else found.to_dict()


@contextlib.contextmanager
def _frame_lines(detector: FileDetector, video: str, to_drawing: Callable | None) -> Iterator[Iterable[dict]]:
    with contextlib.ExitStack() as stack:
        try:
            rate, frames = stack.enter_context(read_frames(video))
        except UserError as error:
            yield [{"path": video, "error": str(error)}]
            return
        drawing = to_drawing(f"{to_path(video).stem}.mp4") if to_drawing else None
        lines = stack.enter_context(contextlib.closing(detector.in_frames(video, frames, rate, drawing)))
        yield _some_lines(lines, video)


def _some_lines(lines: Iterable[dict], video: str) -> Iterator[dict]:
    number = 0
    for number, line in enumerate(lines, start=1):  # noqa: B007
        yield line
    if not number:
        yield {"path": video, "error": f"{video}: expected frames that OpenCV can decode, got none."}


def _describe_model(name: str) -> str:
    """Returns a text that identifies a model: a preset's name or an address, whose file never changes, or a digest."""
    from keras_centernet.loading import find_export
    from keras_centernet.weights.checkpoint import check_there
    from keras_centernet.weights.preset_folder import WEIGHTS
    from keras_centernet.weights.resolve import find, is_named

    if is_named(name):
        return name
    if (row := find_export(name)) and row.is_folder:
        return describe_folder(to_path(name))
    path = to_path(name if row else find(name))
    path = next((path / weights for weights in WEIGHTS if path.is_dir() and (path / weights).is_file()), path)
    check_there(str(path), "a .keras file")
    return describe_file(path)
