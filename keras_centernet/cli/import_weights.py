"""Turn a checkpoint of the authors' PyTorch code into a model file of this package.

Network, task and classes are recognised. No code from the file is run.
"""

import argparse
import dataclasses

from keras_centernet.cli.arguments import add_options, add_overwrite_argument
from keras_centernet.errors import UserError
from keras_centernet.files.outputs import claimed
from keras_centernet.files.paths import AnyPath, to_path
from keras_centernet.runs.options import option, options_of
from keras_centernet.runs.parsing import parse_names
from keras_centernet.runs.settings import input_size_row

EXAMPLES = """examples:
  keras-centernet import-weights ctdet_coco_dla_2x.pth dla34.keras
  keras-centernet import-weights ctdet_pascal_resdcn18_384.pth voc.keras --input-size 384
  keras-centernet import-weights mine.safetensors mine.keras --classes apple,pear"""


@dataclasses.dataclass(frozen=True)
class Options:
    """The options of this command alone."""

    backbone: str | None = option(None, "network", "recognised", table="networks.table:BACKBONES")
    task: str | None = option(None, "what is detected", "recognised", table="tasks.table:TASKS")
    classes: tuple[str, ...] | None = option(
        None, "names, separated by commas", "COCO's, VOC's or numbers", parse=parse_names
    )
    input_size: int | tuple[int, int] = input_size_row(512, "side or HEIGHTxWIDTH of the input")
    normalization: str | None = option(
        None,
        "statistics of the input",
        "as published for these classes",
        table="networks.normalization:NORMALIZATIONS",
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    parser.add_argument("checkpoint", help=".pth, .pt, .tar or .safetensors file")
    parser.add_argument("model", help=".keras file to write")
    add_options(parser, options_of(Options).values())
    add_overwrite_argument(parser)


def run(args: argparse.Namespace) -> None:
    """Imports, saves and prints which tensors were unused."""
    output = to_path(args.model)
    if output.suffix != ".keras":
        raise UserError(f"{output}: expected a name that ends in .keras.")
    with claimed([output], args.overwrite, [to_path(args.checkpoint)]):
        _import(args, output)


def _import(args: argparse.Namespace, output: AnyPath) -> None:
    from keras_centernet.files.atomic import write_whole
    from keras_centernet.networks.cost import count_parameters
    from keras_centernet.presets.importing import import_weights

    model, unused = import_weights(
        args.checkpoint, args.backbone, args.task, args.classes, args.input_size, args.normalization
    )
    write_whole(output, model.save)
    for name in unused:
        print(f"unused: {name}")
    told = f"{model.task.name} of {len(model.classes)} classes, {count_parameters(model.network):,} parameters"
    size = f"{model.input_size[0]}x{model.input_size[1]}"
    print(f"{output}: {model.network.name}, {told}, input {size}, {model.normalization} statistics.")
