"""List the recipes of the published trainings and the metrics that their authors reported.

Metrics are in percent and the authors' own; the list says which recipes were not re-trained with this package.
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

    print(LINE.format("recipe", "backbone", "input", "batch", "epochs", "here", "published"))
    for recipe in map(load_recipe, recipe_names()):
        values = recipe.settings
        size = values["input_size"]
        sides = size if isinstance(size, tuple) else (size, size)
        columns = values["backbone"], "x".join(map(str, sides)), values["batch_size"], values["epochs"]
        here = "re-trained" if recipe.published["retrained_here"] else "not re-trained here"
        print(LINE.format(recipe.name, *columns, here, _metrics(recipe.metrics)))


def _metrics(metrics: dict[str, dict[str, float]]) -> str:
    """Returns "AP 36.3 / 38.2 / 40.7 (none / flip / multi_scale)"."""
    columns = [f"{metric} {' / '.join(map(str, values.values()))}" for metric, values in metrics.items()]
    conditions = " / ".join(next(iter(metrics.values())))
    return f"{', '.join(columns)} ({conditions})"
