"""Train a detector on labelled photos.

Leaves best.keras, last.keras, history.csv, metrics.json, config.json and pictures in --output.
"""

import argparse
import dataclasses

from keras_centernet.cli.arguments import add_data_arguments, input_size, task_options

EXAMPLES = """examples:
  keras-centernet train --data photos/ --backbone mobilenet_v2 --input-size 320 --epochs 100 --output runs/mine
  keras-centernet train --data photos/ --output runs/mine --resume     go on after an interruption
  keras-centernet train --data shapes --input-size 128 --epochs 10     the built-in data set
  keras-centernet train --data coco/2017 --split train --val-split validation
  keras-centernet train --data coco/ --task pose --backbone dla34 --weights ctdet_coco_dla_2x.pth
  keras-centernet train --data kitti/ --task detection_3d --backbone dla34 --input-size 384x1280"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options; their names and defaults are those of `TrainSettings`."""
    from keras_centernet.runs.settings import OPTIMIZERS, SCHEDULES, TrainSettings

    default = {field.name: field.default for field in dataclasses.fields(TrainSettings)}
    add_data_arguments(parser)

    def option(flag: str, help: str, **options):
        name = flag.removeprefix("--").replace("-", "_")
        parser.add_argument(flag, help=help, default=default[name], **options)

    option("--split", "split to train on")
    option("--val-split", "split to evaluate on")
    option("--backbone", "network")
    option("--task", "what is detected: detection, detection_3d or pose")
    parser.add_argument(
        "--task-option",
        action="append",
        dest="task_options",
        default=[],
        metavar="NAME=VALUE",
        help="further option of the task, such as projection=true; may be repeated",
    )
    option("--input-size", "side, or HEIGHTxWIDTH, that images are scaled to; multiples of 32", type=input_size)
    option("--batch-size", "images in a step", type=int)
    option("--epochs", "passes over the data", type=int)
    option("--optimizer", "optimizer", choices=OPTIMIZERS)
    option("--learning-rate", "highest learning rate", type=float)
    option("--weight-decay", "of adamw", type=float)
    option("--schedule", "of the learning rate", choices=SCHEDULES)
    option("--warmup-epochs", "epochs of linear growth before the cosine", type=float)
    option("--clip-norm", "largest norm of the gradients; 0: no limit", type=float)
    option("--average-decay", "of the running average of the weights; 0: no average", type=float)
    option("--augmentation", "of places and sizes; default: the task's", choices=("crop", "shift", "zoom_half", "none"))
    option("--flip", "probability of mirroring; default: the task's", type=float)
    parser.add_argument(
        "--color",
        action=argparse.BooleanOptionalAction,
        default=default["color"],
        help="change the colours of photos; default: as usual for the task",
    )
    option("--evaluate-every", "epochs between two measurements of average precision", type=int)
    option("--max-objects", "objects of an image that are used; the largest", type=int)
    parser.add_argument(
        "--data-service",
        metavar="ADDRESS",
        help="grpc://host:port of a tf.data service that reads the training records",
    )
    option("--weights", "file to start from: of this package, or a published checkpoint (.pth, .safetensors)")
    option(
        "--backbone-weights",
        "imagenet (downloaded), or a file of torchvision's ResNet or of DLA-34",
    )
    parser.add_argument("--mixed-precision", action="store_true", help="compute in bfloat16")
    option("--output", "folder for the results")
    parser.add_argument("--resume", action="store_true", help="go on with the run in --output")
    option("--seed", "of weights, order and augmentation", type=int)
    option(
        "--verbose",
        "0 silent, 1 progress bar, 2 a line per epoch; default: a bar in a terminal",
        type=int,
        choices=(0, 1, 2),
    )


def run(args: argparse.Namespace) -> None:
    """Trains."""
    from keras_centernet.runs.settings import TrainSettings
    from keras_centernet.runs.train import train

    names = [field.name for field in dataclasses.fields(TrainSettings)]
    options = {name: getattr(args, name) for name in names}
    train(TrainSettings(**options | {"task_options": task_options(args.task_options)}))
