"""Measure the average precision of a model on a data set.

Prints COCO's and Pascal VOC's figures, and writes them with a precision-recall picture.
"""

import argparse
import pathlib

from keras_centernet.cli.arguments import add_data_arguments
from keras_centernet.errors import UserError

EXAMPLES = """examples:
  keras-centernet evaluate --model runs/mine/best.keras --data photos/ --split val
  keras-centernet evaluate --model 3d.keras --data kitti/ --split val --results runs/kitti/results
  keras-centernet evaluate --model best.keras --data coco/2017 --split validation --output runs/coco/metrics.json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    parser.add_argument("--model", required=True, help=".keras file")
    add_data_arguments(parser)
    parser.add_argument("--split", default="val", help="split to evaluate on")
    parser.add_argument("--batch-size", type=int, default=16, help="images at a time")
    parser.add_argument("--results", help="folder for KITTI's result files, as its benchmark server wants them")
    parser.add_argument("--output", default="metrics.json", help="file for the figures; the curves go beside it")


def run(args: argparse.Namespace) -> None:
    """Evaluates."""
    from keras_centernet.data import load_dataset
    from keras_centernet.evaluation import evaluate
    from keras_centernet.model import load_model

    output = pathlib.Path(args.output)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--output {output}: expected a place that can be written to: {error.strerror}.") from error
    model = load_model(args.model)
    dataset = load_dataset(
        args.data,
        args.split,
        task=model.task.name,
        format=args.format,
        annotations=args.annotations,
        images=args.images,
        classes=model.classes,
        input_size=model.input_size,
        batch_size=args.batch_size,
        training=False,
        strict=args.strict,
        workers=args.workers,
    )
    report = evaluate(model, dataset)
    report.save(output, model=args.model, data=args.data, split=args.split)
    curves = output.with_name(f"{output.stem}_precision_recall.png")
    report.draw_precision_recall(curves)
    if args.results:
        _write_kitti_results(report.kitti_results, pathlib.Path(args.results))
    print(f"{report.table()}\n\n{output}, {curves}")


def _write_kitti_results(results: dict, folder: pathlib.Path) -> None:
    from keras_centernet.kitti_labels import write_kitti_file

    if not results:
        raise UserError("--results: expected data in KITTI's format and a model of task detection_3d.")
    folder.mkdir(parents=True, exist_ok=True)
    for image_id, objects in results.items():
        write_kitti_file(folder / f"{image_id:06d}.txt", objects)
