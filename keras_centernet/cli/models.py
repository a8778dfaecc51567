"""List the trained models that have a name: what their authors measured, what they cost, and their licence.

For a file, also an exported one, it prints what the file says about itself; no code from the file is run.

`--model`, `--weights` and `CenterNet.from_preset` accept the names. Metrics are the authors' own, in percent. GFLOP
count two per multiply-add, at the model's input size; MB are those of its weights in float32. A file is downloaded at
its first use; KERAS_CENTERNET_MIRROR names a folder or an address that has the files instead.
"""

import argparse

EXAMPLES = """examples:
  keras-centernet models
  keras-centernet models dla34_coco dla34_pose
  keras-centernet models runs/pets/best.keras exported/detector.tflite
  keras-centernet predict --model dla34_coco street.jpg"""

ONLY_PRINTS = True
LINE = "{:21} {:13} {:>8} {:>11} {:>6} {:>5}  {:7}  {:44}  {}"
FACT = "  {:16} {}"
_NAMES = 20  # of classes that are shown


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    parser.add_argument("names", nargs="*", help="models to list, or files; default: all models")


def run(args: argparse.Namespace) -> None:
    """Prints the table of models, and what files say about themselves."""
    from keras_centernet.errors import look_up
    from keras_centernet.files.paths import exists, to_path
    from keras_centernet.weights.presets import PRESETS

    files = [name for name in args.names if name not in PRESETS and (to_path(name).suffix or exists(to_path(name)))]
    rows = {name: look_up(PRESETS, name, "model") for name in args.names or PRESETS if name not in files}
    if rows:
        _print_table(rows)
    for name in files:
        _print_facts(name)


def _print_facts(name: str) -> None:
    """Prints what a file says about itself, one fact per line."""
    from keras_centernet.exporting import facts_of

    facts = facts_of(name)
    metrics = facts.pop("metrics", {})
    print(name)
    for fact, value in (facts | metrics).items():
        print(FACT.format(fact, _shown(value)))


def _shown(value) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}={one}" for key, one in value.items()) or "none"
    more = f", ... ({len(value)})" if isinstance(value, list) and len(value) > _NAMES else ""
    return ", ".join(map(str, value[:_NAMES])) + more if isinstance(value, list) else str(value)


def _print_table(rows: dict) -> None:
    """Prints the table of presets."""
    from keras_centernet.networks.table import BACKBONES

    head = "model", "task", "input", "parameters", "GFLOP", "MB", "licence", "exported to"
    print(LINE.format(*head, "published"))
    for name, row in rows.items():
        height, width = _sides(row.input_size)
        parameters, gflop, megabytes = row.cost
        exports = ", ".join(BACKBONES[row.backbone].exports) or "not tried"
        columns = (
            f"{width}x{height}",
            f"{parameters:,}",
            f"{gflop:.1f}",
            megabytes,
            row.licence,
            exports,
            _metrics(row.metrics),
        )
        print(LINE.format(name, row.task, *columns), flush=True)


def _sides(size: int | tuple[int, int]) -> tuple[int, int]:
    return size if isinstance(size, tuple) else (size, size)


def _metrics(metrics) -> str:
    """Returns "AP 37.4 / 39.2 / 41.7 (none / flip / multi_scale)"."""
    columns = [f"{metric} {' / '.join(map(str, values.values()))}" for metric, values in metrics.items()]
    return f"{', '.join(columns)} ({' / '.join(next(iter(metrics.values())))})"
