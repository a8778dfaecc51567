"""Train a detector on annotated images.

A typed option overrides the recipe; its value "none" removes what the recipe sets, as in --backbone-weights none (a
file of that name is ./none).
Leaves best.keras, last.keras, history.csv, metrics.json, config.json and drawings in --output.
"""

import argparse
from dataclasses import MISSING

from keras_centernet.cli.arguments import add_model_arguments, add_option
from keras_centernet.errors import UserError
from keras_centernet.files.paths import to_path
from keras_centernet.runs.devices.choosing import check_options, choose_backend
from keras_centernet.runs.options import options_of
from keras_centernet.runs.recipes import load_recipe, recipe_names
from keras_centernet.runs.resuming.run_settings import check_holds_run, read_settings
from keras_centernet.runs.settings import TrainSettings

EXAMPLES = """examples:
  keras-centernet train --data photos/ --input-size 320 --epochs 100 --output runs/mine
  keras-centernet train --resume runs/mine                             continue after an interruption
  keras-centernet train --resume runs/mine --epochs 200                prolong a run
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
    # Options that were not typed stay out of the namespace, so that a recipe can set them.
    parser.argument_default = argparse.SUPPRESS
    for row in options_of(TrainSettings).values():
        add_option(parser, row, can_unset=True).required = False  # a resumed run has its own
    add_model_arguments(parser)
    parser.set_defaults(backend_of=_backend_of)


def run(args: argparse.Namespace) -> None:
    """Trains."""
    settings = build_settings(args)  # before Keras is imported, so that a mistake is reported at once
    check_options(settings, choose_backend(settings.backend, settings.tpu))
    from keras_centernet.runs.train import train

    train(settings)


def _backend_of(args: argparse.Namespace) -> str:
    settings = build_settings(args)
    return choose_backend(settings.backend, settings.tpu)


def build_settings(args: argparse.Namespace) -> TrainSettings:
    """Returns the settings of a command: what was typed, else the resumed run's, the recipe's, or the default.

    If the typed recipe is not the run's, its settings come before the run's.
    """
    rows = options_of(TrainSettings)
    given = _with_named({name: value for name, value in vars(args).items() if name in rows})
    values = {}
    if given.get("recipe"):
        recipe = load_recipe(given["recipe"])
        values = {"output": f"runs/{recipe.name}", **recipe.settings}
        given["recipe"] = recipe.name
    elif not {"recipe", "resume"} & given.keys() and not given.get("weights"):
        # Given weights may have been trained with other settings.
        values = _usual_recipe(given.get("task", rows["task"].default))
    if given.get("resume"):
        before = read_settings((values | given).get("output", rows["output"].default), given)
        if "recipe" in given and given["recipe"] is None and before.get("recipe"):
            found = f"that of the run, {before['recipe']}, or no --recipe, got none"
            raise UserError(f"--resume: expected {found}. Leave it out, or start in another folder.")
        # The run may have been started with options beside its recipe: if that is unchanged, its values count.
        is_same = before.get("recipe") == given.get("recipe", before.get("recipe"))
        values = values | before if is_same else before | values
    for name, row in rows.items():
        if row.is_repeated and name in given:
            given[name] = row.collect(given[name])
            if row.kind is dict:
                given[name] = values.get(name, {}) | given[name]
    missing = [row.flag for name, row in rows.items() if row.default is MISSING and name not in values | given]
    if missing:
        raise UserError(f"expected {', '.join(missing)}, missing; see --help.")
    return TrainSettings(**values | given)


def _usual_recipe(task: str) -> dict:
    """Returns the settings of the recipe with the task's name, measured to be the best; {} if there is none."""
    return load_recipe(task).settings | {"recipe": task} if task in recipe_names() else {}


def _with_named(given: dict) -> dict:
    """Returns the typed options, with `--resume runs/a` expanded to `--resume --output runs/a`."""
    for name, row in options_of(TrainSettings).items():
        value = given.get(name)
        if row.names and isinstance(value, str):
            other = given.get(row.names, value)
            if to_path(other) != to_path(value):
                expected = f"no {row.names} beside {value}, got {other}"
                raise UserError(f"{row.flag}: expected {expected}. Give one of them.")
            check_holds_run(value)
            given = given | {name: True, row.names: value}
    return given
