"""List the trained models that have a name: what their authors measured, what they cost, and their licence.

For a file, also an exported one, it prints what the file says about itself; no code from the file is run.

`--model`, `--weights` and `CenterNet.from_preset` accept the names. Metrics are the authors' own, in percent; brackets
say how they were measured: without test-time augmentation (none), with flipped images (flip) or on five scales
(multi_scale); for KITTI, on easy, moderate or hard objects. The table shows the first of each model. GFLOP count two
per multiply-add, at the input (height x width); MB are those of its weights in float32. A file is downloaded at its
first use; KERAS_CENTERNET_MIRROR names a folder or an address that has the files instead.
"""

import argparse
import textwrap
from collections.abc import Mapping

EXAMPLES = """examples:
  keras-centernet models
  keras-centernet models dla34_coco
  keras-centernet models runs/pets/best.keras exported/detector.tflite
  keras-centernet predict --model dla34_coco street.jpg"""

ONLY_PRINTS = True
FACT = "  {:16} {}"
_LINES = textwrap.TextWrapper(
    100, subsequent_indent=" " * len(FACT.format("", "")), break_long_words=False, break_on_hyphens=False
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    parser.add_argument(
        "names", nargs="*", help="models, or files, to print all facts of; default: a table of all models"
    )


def run(args: argparse.Namespace) -> None:
    """Prints the table of models, or what is known of each model and file that is named."""
    facts = {name: _facts_of(name) for name in args.names}
    if not facts:
        _print_table()
    for name, of_name in facts.items():
        print(name)
        for fact, value in of_name.items():
            print(_LINES.fill(FACT.format(fact, _shown(value))))


def _facts_of(name: str) -> dict:
    """Returns {fact: value} of a file, which says of itself what it is, or of a model."""
    from keras_centernet.errors import look_up
    from keras_centernet.exporting import facts_of
    from keras_centernet.files.paths import exists, to_path
    from keras_centernet.weights.presets import PRESETS

    if name not in PRESETS and (to_path(name).suffix or exists(to_path(name))):
        facts = facts_of(name)
        return {key: value for key, value in facts.items() if key != "metrics"} | facts.get("metrics", {})
    return _facts_of_preset(look_up(PRESETS, name, "model"))


def _facts_of_preset(row) -> dict:
    """Returns {fact: value} of a `Preset`."""
    from keras_centernet.networks.table import BACKBONES

    parameters, gflop, megabytes = row.cost
    return {
        "backbone": row.backbone,
        "task": row.task,
        "classes": list(row.classes),
        "input": _sides(row),
        "parameters": f"{parameters:,}",
        "GFLOP": gflop,
        "MB": megabytes,
        "licence": row.licence,
        "citation": row.citation,
        "recipe": row.recipe,
        "exported to": ", ".join(BACKBONES[row.backbone].exports) or "not tried",
        "file": f"{row.file}, from {row.page}",
        **row.metrics,
    }


def _print_table() -> None:
    """Prints all models, each with the first of its metrics."""
    from keras_centernet.drawing.text_table import align
    from keras_centernet.weights.presets import PRESETS

    rows = [("model", "task", "input", "parameters", "GFLOP", "MB", "licence", "published")]
    for name, row in PRESETS.items():
        parameters, gflop, megabytes = row.cost
        cost = f"{parameters / 1e6:.1f} M", f"{gflop:.1f}", str(megabytes)
        rows.append((name, row.task, _sides(row), *cost, row.licence, _first_metric(row.metrics)))
    print(align(rows))
    print("\nAll metrics of a model, its classes and exports: keras-centernet models NAME")


def _sides(row) -> str:
    """Returns "384x1280", height first, as `--input-size` takes it."""
    height, width = row.input_size if isinstance(row.input_size, tuple) else (row.input_size, row.input_size)
    return f"{height}x{width}"


def _first_metric(metrics: Mapping[str, Mapping[str, float]]) -> str:
    """Returns "AP 37.4 (none)" of {"AP": {"none": 37.4, "flip": 39.2}}."""
    metric, values = next(iter(metrics.items()))
    condition, value = next(iter(values.items()))
    return f"{metric} {value} ({condition})"


def _shown(value) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={one}" for key, one in value.items()) or "none"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
