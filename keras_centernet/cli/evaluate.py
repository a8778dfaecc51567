"""Evaluate a model on a data set.

Prints the metrics, and writes them with a drawing of precision over recall.
"""

import argparse
import dataclasses
import os
from collections.abc import Iterable

from keras_centernet.cli.arguments import (
    add_backend_argument,
    add_data_arguments,
    add_model_arguments,
    add_options,
    add_output_argument,
    add_overwrite_argument,
    choose_output,
    collect_repeated,
    data_options,
)
from keras_centernet.errors import UserError
from keras_centernet.files.outputs import check_empty, claimed, open_folder
from keras_centernet.files.paths import AnyPath, to_path
from keras_centernet.limits import SCALE
from keras_centernet.runs.options import option, options_of
from keras_centernet.runs.parsing import parse_scales
from keras_centernet.runs.settings import LARGEST_BATCH

EXAMPLES = """examples:
  keras-centernet evaluate --model coco.keras --data coco/ --resize keep --flip --scales 0.5,0.75,1,1.25,1.5
  keras-centernet evaluate --model runs/mine/best.keras --data photos/ --split val
  keras-centernet evaluate --model 3d.keras --data kitti/ --split val --results runs/kitti/results
  keras-centernet evaluate --model best.keras --data coco/2017 --split validation --output runs/coco/metrics.json
  keras-centernet evaluate --model gs://bucket/run/best.keras --data gs://bucket/photos --output gs://bucket/metrics.json"""

DEFAULT = "metrics.json"
FOLDERS = ("results", "report")  # options that name a folder
SPLIT = "the one that the model's run held out, else val, else all images"
ORACLE = "replace the output of heads by the ground truth"


def check_scales(name: str, values: Iterable[float]) -> tuple[float, ...]:
    """Returns the scales to test at; raises a UserError if two are equal."""
    scales = tuple(SCALE.check(name, value) for value in values)
    if len(set(scales)) != len(scales):
        raise UserError(f"{name}: expected different numbers such as 0.5,1,1.5, got {', '.join(map(str, scales))}.")
    return scales


@dataclasses.dataclass(frozen=True)
class Options:
    """The options of this command alone."""

    model: str = option(dataclasses.MISSING, ".keras or exported file, folder, preset such as dla34_coco, or address")
    split: str | None = option(None, "split to evaluate on", SPLIT)
    batch_size: int = option(16, "images at a time", at_least=1, at_most=LARGEST_BATCH)
    resize: str = option("fit", "how images are brought to the input's size", table="data.inputs:RESIZES")
    flip: bool = option(False, "average the maps with those of the mirrored image")
    scales: tuple[float, ...] = option(
        (1.0,), "test at these scales and merge: 0.5,1,1.5", parse=parse_scales, own_check=check_scales
    )
    nms: str | None = option(
        None, "suppression of duplicates", "soft for several scales, else none", table="evaluation.merging:NMS"
    )
    as_published: bool = option(True, "keep the boxes that the published soft-NMS fails to remove")
    round: bool = option(False, "also evaluate boxes and scores rounded to two decimals")
    clip: bool = option(True, "clip boxes to the image; the published evaluation does not")
    results: str | None = option(None, "folder for the result files that evaluation servers want", "none")
    report: str | None = option(None, "folder for a page of errors, curves and worst images", "none")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    add_model_arguments(parser)
    add_backend_argument(parser)
    add_data_arguments(parser)
    add_options(parser, options_of(Options).values())
    parser.add_argument("--oracle", nargs="+", default=(), metavar="HEAD", help=ORACLE)
    add_output_argument(parser, DEFAULT, "file for the metrics; the curves go beside it")
    add_overwrite_argument(parser)


def run(args: argparse.Namespace) -> None:
    """Evaluates."""
    collect_repeated(args)
    output = choose_output(args.output, DEFAULT)
    curves = output.with_name(f"{output.stem}_precision_recall.png")
    folders = {f"--{name}": getattr(args, name) for name in FOLDERS if getattr(args, name)}
    _check_apart(folders, output)
    data = [to_path(path) for path in (args.data, args.annotations) if path]
    with claimed([output, curves], args.overwrite, [to_path(args.model), *data]):
        for name, folder in folders.items():
            open_folder(to_path(folder), name)
            check_empty(to_path(folder), name, args.overwrite, data)
        _evaluate(args, output, curves)


def _check_apart(folders: dict[str, str], output: AnyPath) -> None:
    """Raises a UserError if a folder for results is that of the metrics or of another option."""
    taken = [os.path.abspath(path) for path in (output, output.parent)]
    for name, folder in folders.items():
        if os.path.abspath(folder) in taken:
            problem = "got --output, its folder, or that of another option"
            raise UserError(f"{name} {folder}: expected a folder of its own, {problem}.")
        taken.append(os.path.abspath(folder))


def _evaluate(args: argparse.Namespace, output: AnyPath, curves: AnyPath) -> None:
    from keras_centernet.data import load_dataset
    from keras_centernet.evaluation import evaluate

    model, request = _load_detector(args)
    request |= data_options(args) | {name: getattr(args, name) for name in ("resize", "batch_size")}
    request |= {"training": False, "classes": model.classes}
    request |= _choose_split(args)
    views = [load_dataset(scale=scale, **request) for scale in args.scales]
    how = {name: getattr(args, name) for name in ("flip", "nms", "as_published", "oracle")}
    report = evaluate(model, views, round_results=args.round, clip_boxes=args.clip, **how)
    print(report.table(), flush=True)  # first, whatever happens to the files
    told = {name: getattr(args, name) for name in ("model", "data", "scales", "resize", *how, "clip")}
    told["split"] = request["split"]
    report.save(output, **told)
    report.draw_precision_recall(curves)
    if args.results:
        source = views[0].source
        report.write_results(args.results, source.category_ids, source.own_image_ids)
    written = [output, curves]
    if args.report:
        from keras_centernet.diagnostics.page import PAGE, write_report

        write_report(args.report, report, views[0].source)
        written.append(to_path(args.report) / PAGE)
    print("\n" + ", ".join(map(str, written)))


def _choose_split(args: argparse.Namespace) -> dict:
    """Returns the arguments of `load_dataset` that say which images are measured."""
    from keras_centernet.data.formats.opening import splits_of
    from keras_centernet.data.reading.parts import evaluation_split
    from keras_centernet.data.reading.splits import VAL
    from keras_centernet.runs.folder import SPLIT
    from keras_centernet.runs.split_file import read_split
    from keras_centernet.weights.resolve import is_named

    made = None if is_named(args.model) else read_split(to_path(args.model).parent / SPLIT)
    if made is not None and made.fits(args.data) and args.split in (None, VAL) and not args.annotations:
        return {"split": VAL, "made_split": made.parts, "holds_out": made.holds_out}
    if args.split:
        return {"split": args.split}
    own = splits_of(args.data, **{name: getattr(args, name) for name in ("format", "annotations", "images")})
    return {"split": VAL if own is None else evaluation_split(own)}


def _load_detector(args: argparse.Namespace):
    """Returns the detector, and the arguments of `load_dataset` that fit its input."""
    from keras_centernet.loading import load_detector

    detector = load_detector(args.model)
    request = {"task": detector.task, "input_size": detector.input_size}
    if hasattr(detector, "backbone_row"):
        return detector, request | {"multiple_of": detector.backbone_row.multiple_of}
    if args.resize != "fit":
        raise UserError(f"--resize: expected fit for an exported file, whose input has one size; got {args.resize}.")
    return detector, request
