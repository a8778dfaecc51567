"""Train a detector on annotated images.

Leaves best.keras, last.keras, history.csv, metrics.json, config.json and drawings in --output.
"""

import argparse

from keras_centernet.cli.arguments import add_model_arguments, add_option
from keras_centernet.runs.devices.choosing import check_options, choose_backend
from keras_centernet.runs.options import options_of
from keras_centernet.runs.recipes import load_recipe
from keras_centernet.runs.settings import TrainSettings

EXAMPLES = """examples:
  keras-centernet train --data photos/ --backbone mobilenet_v2 --input-size 320 --epochs 100 --output runs/mine
  keras-centernet train --data photos/ --output runs/mine --resume     continue after an interruption
  keras-centernet train --data photos/ --output runs/cats --weights runs/mine/best.keras --freeze backbone
  keras-centernet train --data shapes --input-size 128 --epochs 10     the built-in data set
  keras-centernet train --data coco/2017 --split train --val-split validation
  keras-centernet train --data coco/ --task pose --backbone dla34 --weights ctdet_coco_dla_2x.pth
  keras-centernet train --data kitti/ --task detection_3d --backbone dla34 --input-size 384x1280
  keras-centernet train --data coco/ --recipe coco_dla34_1x            as published; other options change it
  keras-centernet train --data coco/ --recipe coco_dla34_1x --batch-size 32 --learning-rate 1.25e-4
  keras-centernet train --data photos/ --backbone mine:build_network    a network of your own, in mine.py
  keras-centernet train --data coco/ --gpus 8 --batch-size 128         one batch shared by eight GPUs
  keras-centernet train --data gs://mine/coco_records --tpu --batch-size 128 --output gs://mine/run
  TF_CONFIG=... keras-centernet train --data coco/ --multi-worker      on every machine
  keras-centernet train --data coco/ --backend jax --gpus 8 --batch-size 128"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds an option for each row of `TrainSettings`."""
    # An option that nobody typed is not in the namespace: then the value of a recipe counts.
    parser.argument_default = argparse.SUPPRESS
    for row in options_of(TrainSettings).values():
        add_option(parser, row)
    add_model_arguments(parser)
    parser.set_defaults(backend_of=_backend_of)


def run(args: argparse.Namespace) -> None:
    """Trains."""
    settings = build_settings(args)  # before Keras is imported, so that a mistake is reported at once
    check_options(settings, _backend_of(args))
    from keras_centernet.runs.train import train

    train(settings)


def _backend_of(args: argparse.Namespace) -> str:
    return choose_backend(getattr(args, "backend", None), getattr(args, "tpu", False))


def build_settings(args: argparse.Namespace) -> TrainSettings:
    """Returns the settings of a command: what was typed, else the recipe's value, else the default."""
    values, given = {}, {name: value for name, value in vars(args).items() if name in options_of(TrainSettings)}
    if "recipe" in given:
        recipe = load_recipe(given["recipe"])
        values = {"output": f"runs/{recipe.name}", **recipe.settings}
        given["recipe"] = recipe.name
    for name, row in options_of(TrainSettings).items():
        if row.is_repeated and name in given:
            given[name] = row.collect(given[name])
            if row.kind is dict:
                given[name] = values.get(name, {}) | given[name]
    return TrainSettings(**values | given)
