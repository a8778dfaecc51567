"""Write a data set into TFRecord files, with the keys of the TensorFlow Object Detection API.

Leaves SPLIT-00000-of-000NN.tfrecord, dataset.json and label_map.pbtxt in --output; train and evaluate read the folder.
"""

import argparse
import dataclasses

from keras_centernet.cli.arguments import (
    add_data_arguments,
    add_model_arguments,
    add_options,
    add_rows,
    collect_repeated,
    data_options,
)
from keras_centernet.files.outputs import same_folder
from keras_centernet.files.paths import to_path
from keras_centernet.runs.options import option, options_of

EXAMPLES = """examples:
  keras-centernet make-tfrecords --data coco/ --split train2017 --output records/coco --shards 256
  keras-centernet make-tfrecords --data coco/ --split val2017 --output records/coco --shards 32
  keras-centernet make-tfrecords --data photos/ --output records/photos          all splits, made ones too
  keras-centernet make-tfrecords --data kitti/ --task detection_3d --output records/kitti --shards 16
  keras-centernet make-tfrecords --data gs://bucket/coco --split train2017 --output gs://bucket/records --shards 256
  keras-centernet train --data records/coco --split train2017 --val-split val2017 --output runs/coco"""


SPLIT = "split to write; others in --output are kept"
SPLITS = "all that the data have, train and val if they have none"
TASK = "task that the records are for: decides which fields objects must have"
SHARDS = "number of files; a data service wants many per worker"


@dataclasses.dataclass(frozen=True)
class Options:
    """The options of this command alone."""

    output: str = option(dataclasses.MISSING, "folder for the records")
    split: str | None = option(None, SPLIT, SPLITS)
    task: str = option("detection", TASK, table="tasks.table:TASKS")
    shards: int = option(1, SHARDS, at_least=1, at_most=100_000)
    overwrite: bool = option(False, "replace a split that is there already")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    add_data_arguments(parser)
    add_rows(parser, ("classes", "val_share"))
    add_model_arguments(parser)
    add_options(parser, options_of(Options).values())


def run(args: argparse.Namespace) -> None:
    """Writes the records and prints what they hold."""
    from keras_centernet.data.formats.opening import splits_of
    from keras_centernet.data.names import is_usual_split
    from keras_centernet.data.reading.splits import TRAIN, VAL
    from keras_centernet.errors import UserError
    from keras_centernet.runs.user_code import resolve
    from keras_centernet.tasks.table import task_row

    fields = tuple(task_row(resolve(args.task, "--task")).fields)
    if same_folder(args.data, args.output):
        raise UserError(f"--output {args.output}: expected another folder than that of --data, got the same.")
    collect_repeated(args)
    places = {name: getattr(args, name) for name in ("annotations", "images")}
    own = splits_of(args.data, args.format, fields, **places)
    known = {None: (TRAIN,), (): (TRAIN, VAL) if args.val_share else (TRAIN,)}.get(own, own)
    usual = [split for split in known if is_usual_split(split)] or known  # no "trainval" beside its two parts
    for split in [args.split] if args.split else usual:
        _write(args, split, fields)


def _write(args: argparse.Namespace, split: str, fields: tuple[str, ...]) -> None:
    from keras_centernet.data.formats.opening import read_source
    from keras_centernet.data.records.finding import read_description
    from keras_centernet.data.records.writing import write_tfrecords

    before = read_description(args.output) if to_path(args.output).is_dir() else None
    is_only = before is None or set(before["splits"]) <= {split}
    classes = args.classes if is_only else tuple(before["classes"])
    options = data_options(args, without=("workers",)) | {"classes": classes, "val_share": args.val_share}
    source = read_source(split=split, fields=fields, **options)
    how = {name: getattr(args, name) for name in ("overwrite", "strict", "workers")}
    facts = write_tfrecords(source, split, args.output, args.shards, **how)
    size = sum(shard["bytes"] for shard in facts["shards"].values()) / 1e6
    told = f"{facts['images']} images with {facts['objects']} objects of {len(source.classes)} classes"
    print(f"{args.output} ({split}): {told}, {len(facts['shards'])} file(s), {size:.1f} MB.")
