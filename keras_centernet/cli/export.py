"""Turn a model into files that run without this package.

Every file is run again in its own runtime and compared with the model before it reaches --output;
report.json says how large, how fast and how close to the model each of them is.
"""

import argparse
import dataclasses
import warnings

from keras_centernet.cli.arguments import (
    add_model_arguments,
    add_options,
    add_overwrite_argument,
    collect_repeated,
)
from keras_centernet.errors import DataWarning, UserError
from keras_centernet.files.paths import AnyPath, to_path
from keras_centernet.runs.options import option, options_of

EXAMPLES = """examples:
  keras-centernet export --model best.keras --output exported/ --images photos/
  keras-centernet export --model best.keras --output exported/ --precision all --calibration photos/
  keras-centernet export --model best.keras --output detector.tflite --precision int8 --data photos/ --evaluate val
  keras-centernet export --model best.keras --output exported/ --format saved_model --format onnx
  keras-centernet export --model best.keras --output exported/ --format edgetpu --calibration photos/
  keras-centernet export --model best.keras --output exported/ --format edgetpu --compiled compiled.tflite"""

BACKEND = "tensorflow"  # the one that exports, whatever the model was trained on
ALL = "all"
STEM = "detector"
CHECKED_IMAGES = 8
OWN_FLAGS = ("calibration", "compiled", "precision", "raw_heads", "top_k")  # options of formats that have a flag
LINE = "{:34} {:>9} {:>9}  {}"


CALIBRATION = "folder of 100 or more typical images, on which ranges are measured"


@dataclasses.dataclass(frozen=True)
class Options:
    """The options of this command alone."""

    model: str = option(dataclasses.MISSING, ".keras file, folder, preset such as dla34_coco, or address")
    output: str = option("exported", "folder, or file if only one is written")
    top_k: int | None = option(None, "detections in the output", "100", at_least=1, at_most=10_000)
    calibration: str | None = option(None, CALIBRATION, "none")
    data: str | None = option(None, "data set to calibrate with instead, as in the other commands", "none")
    split: str = option("train", "split of --data")
    evaluate: str | None = option(None, "split of --data: also measure the main metric of each file", "none")
    images: str | None = option(None, "folder of images to compare on", "those of the calibration")
    format_options: dict = option(dict, "further option of a format, such as xla=true", flag="--format-option")  # noqa: RUF009
    licence: str | None = option(None, "licence named in the files", "the model's, if it has one", flag="--license")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    from keras_centernet.exporting.table import FORMATS
    from keras_centernet.exporting.tflite.precisions import DEFAULT, PRECISIONS

    def having(option):
        return ", ".join(name for name, row in FORMATS.items() if option in row.options)

    def add_repeated(flag, names, default, of=""):
        several = f"{of}{', '.join(names)} or {ALL}; may be repeated; default: {default}"
        parser.add_argument(flag, action="append", dest=f"{flag[2:]}s", metavar=flag[2:].upper(), help=several)

    add_overwrite_argument(parser)
    add_repeated("--format", FORMATS, next(iter(FORMATS)))
    add_repeated("--precision", PRECISIONS, DEFAULT, f"of {having('precision')}: ")
    add_options(parser, options_of(Options).values())
    raw_heads = f"{having('raw_heads')} without decoding, for accelerators"
    parser.add_argument("--raw-heads", action="store_true", help=raw_heads)
    parser.add_argument("--compiled", help=f"{having('compiled')}: what its compiler made of an earlier export")
    add_model_arguments(parser)


def run(args: argparse.Namespace) -> None:
    """Exports; prints a line per file, and what remains to be done."""
    from keras_centernet.exporting.checked_export import claim_outputs

    collect_repeated(args, Options)
    folder, plan = _plan(args)
    _check_calibration(args, plan)
    with claim_outputs(folder, plan, args.overwrite, [to_path(args.model)]):
        _export(args, folder, plan)


def _export(args: argparse.Namespace, folder: AnyPath, plan: list) -> None:
    from keras_centernet.exporting.checked_export import REPORT, export_checked
    from keras_centernet.model import load_model

    model = load_model(args.model)
    if args.licence is not None:
        model.about = dataclasses.replace(model.about, licence=args.licence)
    if model.classes == tuple(str(i) for i in range(len(model.classes))):
        warnings.warn("the model's classes have no names: clients will show numbers.", DataWarning, stacklevel=2)
    calibration = None
    if any(planned.is_calibrated for planned in plan):
        calibration = args.calibration or _load(args, model, args.split, batch_size=1)
    images = _images(args, calibration)
    precision = _precision(args, model) if args.evaluate else None
    print(LINE.format("file", "MB", "ms", "against the model"))
    reports = {}
    for planned in plan:
        made = export_checked(model, folder, planned, images, calibration, precision, args.overwrite)
        for name, report in made.items():
            print(_line(name, report), flush=True)
        reports |= made
    for name, report in reports.items():
        if "next_steps" in report:
            print(f"{folder / name}:\n" + "\n".join(f"  {line}" for line in report["next_steps"]))
    print(folder / REPORT)


def _plan(args) -> tuple[AnyPath, list]:
    """Returns the folder and what to write into it."""
    from keras_centernet.exporting.checked_export import Planned, plan_exports
    from keras_centernet.exporting.table import FORMATS
    from keras_centernet.exporting.tflite.precisions import DEFAULT, PRECISIONS

    output = to_path(args.output)
    of_suffix = [name for name, row in FORMATS.items() if row.suffix and row.suffix == output.suffix]
    is_file = bool(of_suffix) and not output.is_dir()
    is_suffix = output.suffix and not output.suffix[1:2].isdigit()  # that of v1.2 is none
    if is_suffix and not of_suffix and not output.is_dir():
        known = ", ".join(row.suffix for row in FORMATS.values() if row.suffix)
        expected = f"expected a folder, without a suffix, or a file that ends in {known}; got {output.suffix}."
        raise UserError(f"--output {output}: {expected}")
    formats = args.formats or (of_suffix if is_file else list(FORMATS)[:1])
    formats, precisions = _all_of(FORMATS, formats), _all_of(PRECISIONS, args.precisions or [DEFAULT])
    options = {"top_k": args.top_k, "raw_heads": args.raw_heads or None, "compiled": args.compiled}
    options = {name: value for name, value in options.items() if value is not None} | _format_options(args)
    plan = plan_exports(STEM, formats, precisions, options)
    if args.precisions and not any("precision" in planned.options for planned in plan):
        raise UserError(f"--precision: expected a format that has several, got {', '.join(formats)}. Remove it.")
    if not is_file:
        return output, plan
    if len(plan) != 1 or not FORMATS[plan[0].format].ending.endswith(output.suffix):
        names = ", ".join(planned.name for planned in plan)
        raise UserError(f"--output {output}: expected a folder for {names}, got the name of one file.")
    return output.parent, [Planned(plan[0].format, output.name, plan[0].options)]


def _format_options(args) -> dict:
    """Returns what --format-option gave; raises a UserError for an option that has a flag of its own."""
    for name in OWN_FLAGS:
        if name in args.format_options:
            flag = f"--{name.replace('_', '-')}"
            raise UserError(f"--format-option {name}: expected an option without a flag of its own. Use {flag}.")
    return args.format_options


def _all_of(table: dict, names: list[str]) -> list[str]:
    return list(table if ALL in names else dict.fromkeys(names))


def _check_calibration(args, plan: list) -> None:
    if args.calibration and args.data:
        raise UserError("--calibration and --data: expected one of them, got both.")
    wanting = ", ".join(planned.name for planned in plan if planned.is_calibrated)
    if wanting and not (args.calibration or args.data):
        advice = "Name a folder with --calibration, or a data set with --data."
        raise UserError(f"{wanting}: expected images to measure ranges on, got none. {advice}")


def _precision(args, model):
    from keras_centernet.exporting.checked_export import precision_on

    if not args.data:
        raise UserError("--evaluate: expected --data with it, whose split is measured; got none.")
    return precision_on(_load(args, model, args.evaluate, batch_size=8), model)


def _load(args, model, split: str, batch_size: int):
    from keras_centernet.data import load_dataset

    like_model = {"task": model.task, "classes": model.classes, "input_size": model.input_size}
    return load_dataset(args.data, split, batch_size=batch_size, training=False, **like_model)


def _images(args, calibration) -> list | None:
    """Returns the images to compare on: those of --images, else of the calibration, else None for drawn ones."""
    from keras_centernet.exporting.tflite.calibration import read_some

    for what, source in (("--images", args.images), ("calibration", calibration or args.calibration)):
        if source is not None:
            return read_some(source, CHECKED_IMAGES, what)
    return None


def _line(name: str, report: dict) -> str:
    latency = f"{report['latency_ms']:.1f}" if "latency_ms" in report else "-"
    told = _compared(report["agreement"]) if "agreement" in report else "not run"
    if "metric" in report:
        told += "; {name} {file:.3f}, of the model {model:.3f}".format(**report["metric"])
    return LINE.format(name, f"{report['size_bytes'] / 1e6:.2f}", latency, told)


def _compared(found: dict) -> str:
    told = f"as untrained: {found['compared']} compared, scores to {found['score']:.2g}"
    if found["detections"]:
        told = (
            f"{found['detections']} detections, {found['missed']} missed, IoU {found['mean_iou']:.3f}, "
            f"boxes to {found['box_pixels']:.2g} px, scores to {found['score']:.2g}"
        )
    if "heads" in found:
        told += "; correlation " + ", ".join(f"{head} {value:.4f}" for head, value in found["heads"].items())
    return told
