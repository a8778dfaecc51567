"""Train a detector on labelled photos.

Leaves best.keras, last.keras, history.csv, metrics.json, config.json and pictures in --output.
"""

import argparse
import dataclasses

from keras_centernet.cli.arguments import add_data_arguments, input_size, step_epochs, task_options

EXAMPLES = """examples:
  keras-centernet train --data photos/ --backbone mobilenet_v2 --input-size 320 --epochs 100 --output runs/mine
  keras-centernet train --data photos/ --output runs/mine --resume     go on after an interruption
  keras-centernet train --data photos/ --output runs/cats --weights runs/mine/best.keras --freeze backbone
  keras-centernet train --data shapes --input-size 128 --epochs 10     the built-in data set
  keras-centernet train --data coco/2017 --split train --val-split validation
  keras-centernet train --data coco/ --task pose --backbone dla34 --weights ctdet_coco_dla_2x.pth
  keras-centernet train --data kitti/ --task detection_3d --backbone dla34 --input-size 384x1280
  keras-centernet train --data coco/ --recipe coco_dla34_1x            as published; other options change it
  keras-centernet train --data coco/ --recipe coco_dla34_1x --batch-size 32 --learning-rate 1.25e-4
  keras-centernet train --data coco/ --gpus 8 --batch-size 128         one batch shared by eight GPUs
  keras-centernet train --data gs://mine/coco_records --tpu --batch-size 128 --output gs://mine/run
  TF_CONFIG=... keras-centernet train --data coco/ --multi-worker      on every machine"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options; their names and defaults are those of `TrainSettings`."""
    from keras_centernet.runs.settings import LOSS_MEANS, OPTIMIZERS, SCHEDULES, TrainSettings

    default = {field.name: field.default for field in dataclasses.fields(TrainSettings)}
    # What nobody typed is not in the namespace, so that a recipe's value can take its place.
    parser.argument_default = argparse.SUPPRESS
    add_data_arguments(parser)

    def option(flag: str, help: str, **options):
        value = default[flag.removeprefix("--").replace("-", "_")]
        parser.add_argument(flag, help=help if value is None else f"{help} (default: {value})", **options)

    parser.add_argument(
        "--recipe",
        help="name of a published training, see `recipes`, or a .toml file: its values instead of the defaults below",
    )
    option("--split", "split to train on")
    option("--val-split", "split to evaluate on")
    option("--backbone", "network")
    option("--task", "what is detected: detection, detection_3d or pose")
    parser.add_argument(
        "--task-option",
        action="append",
        dest="task_options",
        metavar="NAME=VALUE",
        help="further option of the task, such as projection=true; may be repeated",
    )
    option("--normalization", "statistics of the colours; default: the backbone's")
    option("--input-size", "side, or HEIGHTxWIDTH, that images are scaled to; multiples of 32", type=input_size)
    option("--batch-size", "images in a step", type=int)
    option("--epochs", "passes over the data", type=int)
    option("--optimizer", "optimizer", choices=OPTIMIZERS)
    option("--learning-rate", "highest learning rate", type=float)
    option("--weight-decay", "of adamw", type=float)
    option("--schedule", "of the learning rate", choices=SCHEDULES)
    option("--step-epochs", "of schedule step, such as 90,120; default: after 9/14 and 12/14", type=step_epochs)
    option("--warmup-epochs", "epochs of linear growth before the cosine", type=float)
    option("--clip-norm", "largest norm of the gradients; 0: no limit", type=float)
    option("--average-decay", "of the running average of the weights; 0: no average", type=float)
    option("--augmentation", "of places and sizes; default: the task's", choices=("crop", "shift", "zoom_half", "none"))
    option("--flip", "probability of mirroring; default: the task's", type=float)
    parser.add_argument(
        "--color",
        action=argparse.BooleanOptionalAction,
        help="change the colours of photos; default: as usual for the task",
    )
    option("--accumulate", "batches that one after the other make a step, as if they were one large batch", type=int)
    parser.add_argument(
        "--freeze",
        action="append",
        metavar="PART",
        help="what keeps its weights: backbone, or a pattern of layers' names such as 'block_1_*'; may be repeated",
    )
    option("--backbone-rate", "factor of the backbone's learning rate", type=float)
    parser.add_argument(
        "--empty-images",
        action=argparse.BooleanOptionalAction,
        help="train on images without an object, too; default: yes",
    )
    option("--evaluate-every", "epochs between two measurements of average precision", type=int)
    option("--patience", "stop after so many measurements without a better average precision", type=int)
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
    option("--tpu", "train on a TPU: of this machine, or one by name", nargs="?", const="local", metavar="NAME")
    option("--gpus", "GPUs of this machine that share each batch; default: one, or the CPU", type=int, metavar="N")
    parser.add_argument("--multi-worker", action="store_true", help="share each batch with the processes of TF_CONFIG")
    option("--loss-mean", "objects over which losses are averaged on several devices", choices=LOSS_MEANS)
    option(
        "--steps-per-execution", "steps that run before Python is asked again; default: 1, on a TPU up to 32", type=int
    )
    parser.add_argument("--profile", action="store_true", help="profile some steps for TensorBoard")
    option("--output", "folder for the results; of a recipe: runs/ and its name")
    parser.add_argument("--resume", action="store_true", help="go on with the run in --output")
    option("--checkpoint-every", "batches between two checkpoints inside an epoch; default: at its end only", type=int)
    option("--keep", "checkpoints that are kept, last.keras included", type=int)
    parser.add_argument(
        "--deterministic", action="store_true", help="only kernels that give the same bits each time, on GPUs too"
    )
    option("--seed", "of weights, order and augmentation", type=int)
    option(
        "--verbose",
        "0 silent, 1 progress bar, 2 a line per epoch; default: a bar in a terminal",
        type=int,
        choices=(0, 1, 2),
    )


def run(args: argparse.Namespace) -> None:
    """Trains."""
    settings = build_settings(args)  # before Keras is imported, so that a mistake is said at once
    from keras_centernet.runs.train import train

    train(settings)


def build_settings(args: argparse.Namespace):
    """Returns the `TrainSettings` of a command: what was typed, else the recipe's value, else the default."""
    from keras_centernet.runs.recipes import load_recipe
    from keras_centernet.runs.settings import TrainSettings

    given = {field.name: getattr(args, field.name) for field in dataclasses.fields(TrainSettings) if field.name in args}
    if "freeze" in given:
        given["freeze"] = tuple(given["freeze"])
    values = {"task_options": {}}
    if "recipe" in given:
        recipe = load_recipe(given["recipe"])
        values |= {"output": f"runs/{recipe.name}", **recipe.settings}
        given["recipe"] = recipe.name
    given["task_options"] = values["task_options"] | task_options(given.get("task_options", []))
    return TrainSettings(**values | given)
