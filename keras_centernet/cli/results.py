"""Which detections `predict` keeps, and what it writes and shows besides the drawings and detections.json."""

import argparse
import re
from collections.abc import Callable

from keras_centernet.detecting.files import unique_names
from keras_centernet.detecting.selecting import best_of_overlapping
from keras_centernet.detecting.sources import stem_of
from keras_centernet.errors import UserError, shown
from keras_centernet.files.outputs import check_empty, open_folder
from keras_centernet.files.paths import AnyPath

LABELS, CROPS = "labels", "crops"
UNSAFE = re.compile(r"[^\w-]+")  # in a class name that becomes part of a file's name
WITHOUT_SHARD = ("classes", "nms", "every", "save_txt", "save_crops", "show", "track")


class Results:
    """The further results of a command: text files of labels and crops, in folders of their own, and a window.

    Args:
        args: of the command.
        folder: of the results.
        inputs: image files, videos, addresses and numbers of webcams, after which the files are named.
        read: paths that are read, and never replaced.

    Raises:
        UserError: one of the folders has files and --overwrite was not typed, or it holds a path of `read`.
    """

    def __init__(self, args: argparse.Namespace, folder: AnyPath, inputs: list, read: list[AnyPath]):
        self._args = args
        self._stems = unique_names({one: stem_of(one) for one in inputs})
        self._labels, self._crops = folder / LABELS, folder / CROPS
        for option, place in (("save_txt", self._labels), ("save_crops", self._crops)):
            if getattr(args, option):
                open_folder(place)
                check_empty(place, f"--{option.replace('_', '-')}", args.overwrite, read)

    def of_video(self, video: str | int) -> Callable:
        """Returns a function to be called with the `Detections` of each processed frame."""
        numbers = iter(range(0, 10**12, self._args.every))

        def add(found) -> None:
            self._add(found, f"{self._stems[video]}_{next(numbers):06d}")

        return add

    def of_image(self, image: AnyPath | str, found) -> None:
        """Writes and shows what the options ask for, for one image."""
        self._add(found, self._stems[image])

    def _add(self, found, stem: str) -> None:
        from keras_centernet.drawing.image_file import write_image  # not above: it imports Keras

        if self._args.save_txt:
            found.save_txt(self._labels / f"{stem}.txt")
        for number, crop in enumerate(found.crops() if self._args.save_crops else ()):
            name = UNSAFE.sub("_", found.class_names[number])
            write_image(crop, self._crops / f"{stem}-{number:03d}-{name}.jpg")
        if self._args.show:
            found.show()


def make_select(args: argparse.Namespace, classes: tuple[str, ...]) -> Callable:
    """Returns a function `Detections` -> those that --classes and --nms keep.

    Raises:
        UserError: --classes has a name that is not among the model's `classes`.
    """
    wanted = args.classes and [name.strip() for name in args.classes.split(",")]
    for name in wanted or ():
        if name not in classes:
            some = ", ".join(classes[:20]) + (", ..." if len(classes) > 20 else "")
            raise UserError(f"--classes: expected names of the model's classes ({some}), got {shown(name)}.")

    def select(found):
        kept = found if not wanted else found.filter(classes=wanted)
        return kept if args.nms is None else kept[best_of_overlapping(kept, args.nms)]

    return select


def refuse_with_shard(args: argparse.Namespace, defaults: dict) -> None:
    """Raises a UserError if an option was typed that does not work with --shard."""
    for name in WITHOUT_SHARD:
        if getattr(args, name) != defaults.get(name, False):
            flag = f"--{name.replace('_', '-')}"
            raise UserError(f"{flag}: expected without --shard, got both; leave it out.")
