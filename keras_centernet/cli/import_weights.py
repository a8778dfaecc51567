"""Turn a checkpoint of the authors' PyTorch code into a model file of this package.

Network, task and classes are recognised. No code from the file is run.
"""

import argparse

from keras_centernet.cli.arguments import add_overwrite_argument, as_type
from keras_centernet.errors import UserError
from keras_centernet.files.outputs import claimed
from keras_centernet.files.paths import AnyPath, to_path
from keras_centernet.runs.options import parse_size

EXAMPLES = """examples:
  keras-centernet import-weights ctdet_coco_dla_2x.pth dla34.keras
  keras-centernet import-weights ctdet_pascal_resdcn18_384.pth voc.keras --input-size 384
  keras-centernet import-weights mine.safetensors mine.keras --classes apple,pear"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    parser.add_argument("checkpoint", help=".pth, .pt, .tar or .safetensors file")
    parser.add_argument("model", help=".keras file to write")
    parser.add_argument("--backbone", help="network; default: recognised")
    parser.add_argument("--task", help="what is detected; default: recognised")
    parser.add_argument("--classes", help="names, separated by commas; default: COCO's, VOC's or numbers")
    add_overwrite_argument(parser)
    size = "side, or HEIGHTxWIDTH, of the input"
    parser.add_argument("--input-size", type=as_type(parse_size), default=512, help=size)
    parser.add_argument("--normalization", help="statistics of the input; default: as published for these classes")


def run(args: argparse.Namespace) -> None:
    """Imports, saves and prints which tensors were unused."""
    output = to_path(args.model)
    if output.suffix != ".keras":
        raise UserError(f"{output}: expected a name that ends in .keras.")
    with claimed([output], args.overwrite, [to_path(args.checkpoint)]):
        _import(args, output)


def _import(args: argparse.Namespace, output: AnyPath) -> None:
    from keras_centernet.files.atomic import write_whole
    from keras_centernet.importing import import_weights

    classes = args.classes.split(",") if args.classes else None
    model, unused = import_weights(
        args.checkpoint, args.backbone, args.task, classes, args.input_size, args.normalization
    )
    write_whole(output, model.save)
    for name in unused:
        print(f"unused: {name}")
    told = f"{model.task.name} of {len(model.classes)} classes, {model.count_params():,} parameters"
    size = f"{model.input_size[1]}x{model.input_size[0]}"
    print(f"{output}: {model.network.name}, {told}, input {size}, {model.normalization} statistics.")
