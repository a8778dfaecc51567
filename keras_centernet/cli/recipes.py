"""List the recipes, those of the published trainings and our own, and the metrics that they reached.

Metrics are in percent; those of recipes that were not trained with this package are the authors' own.
"""

import argparse

EXAMPLES = """examples:
  keras-centernet recipes
  keras-centernet recipes | grep voc
  keras-centernet train --data coco/ --recipe coco_dla34_1x"""

ONLY_PRINTS = True
LINE = "{:22} {:13} {:>8} {:>5} {:>6}  {:20} {}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds no option: all recipes are listed."""


def run(args: argparse.Namespace) -> None:
    """Prints the table."""
    from keras_centernet.runs.recipes import load_recipe, recipe_names
    from keras_centernet.runs.settings import TrainSettings

    print(LINE.format("recipe", "backbone", "input", "batch", "epochs", "here", "reached"))
    for recipe in map(load_recipe, recipe_names()):
        values = TrainSettings(data="", **recipe.settings)
        size = values.input_size
        sides = size if isinstance(size, tuple) else (size, size)
        columns = values.backbone, "x".join(map(str, sides)), values.batch_size, values.epochs
        here = "trained here" if recipe.published["retrained_here"] else "not trained here"
        print(LINE.format(recipe.name, *columns, here, _metrics(recipe.metrics)))


def _metrics(metrics: dict[str, dict[str, float]]) -> str:
    """Returns "AP 36.3 / 38.2 / 40.7 (none / flip / multi_scale)"."""
    columns = [f"{metric} {' / '.join(map(str, values.values()))}" for metric, values in metrics.items()]
    conditions = " / ".join(next(iter(metrics.values())))
    return f"{', '.join(columns)} ({conditions})"
