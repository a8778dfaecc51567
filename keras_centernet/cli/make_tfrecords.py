"""Write a data set into TFRecord files, with the keys of the TensorFlow Object Detection API.

Leaves SPLIT-00000-of-000NN.tfrecord, dataset.json and label_map.pbtxt in --output; train and evaluate read the folder.
"""

import argparse

from keras_centernet.cli.arguments import add_data_arguments, add_model_arguments

EXAMPLES = """examples:
  keras-centernet make-tfrecords --data coco/ --split train2017 --output records/coco --shards 256
  keras-centernet make-tfrecords --data coco/ --split val2017 --output records/coco --shards 32
  keras-centernet make-tfrecords --data kitti/ --task detection_3d --output records/kitti --shards 16
  keras-centernet make-tfrecords --data gs://bucket/coco --split train2017 --output gs://bucket/records --shards 256
  keras-centernet train --data records/coco --split train2017 --val-split val2017 --output runs/coco"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    add_data_arguments(parser)
    add_model_arguments(parser)
    parser.add_argument("--split", default="train", help="split to write; others in --output are kept")
    parser.add_argument("--task", default="detection", help="task that they are for: decides what objects must know")
    parser.add_argument("--output", required=True, help="folder for the records")
    parser.add_argument("--shards", type=int, default=1, help="number of files; a data service wants many per worker")
    parser.add_argument("--overwrite", action="store_true", help="replace a split that is there already")


def run(args: argparse.Namespace) -> None:
    """Writes the records and says what is in them."""
    from keras_centernet.data.formats.table import read_source
    from keras_centernet.data.records.finding import read_description
    from keras_centernet.data.records.writing import write_tfrecords
    from keras_centernet.errors import look_up
    from keras_centernet.files.paths import to_path
    from keras_centernet.tasks import TASKS

    before = read_description(args.output) if to_path(args.output).is_dir() else None
    is_only = before is None or set(before["splits"]) <= {args.split}
    fields = look_up(TASKS, args.task, "task").fields
    classes = None if is_only else tuple(before["classes"])
    options = {name: getattr(args, name) for name in ("annotations", "images", "strict")}
    source = read_source(args.data, args.split, args.format, fields, classes=classes, **options)
    how = {name: getattr(args, name) for name in ("overwrite", "strict", "workers")}
    facts = write_tfrecords(source, args.split, args.output, args.shards, **how)
    size = sum(shard["bytes"] for shard in facts["shards"].values()) / 1e6
    told = f"{facts['images']} images with {facts['objects']} objects of {len(source.classes)} classes"
    print(f"{args.output}: {told}, {len(facts['shards'])} file(s), {size:.1f} MB.")
