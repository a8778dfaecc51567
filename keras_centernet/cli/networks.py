"""List the networks: parameters, arithmetic, stride, and what they can be exported to.

Parameters are those of a detector of 80 classes; GFLOP count two per multiply-add at 512x512. "Exported to" lists files
that were written and run (float32, float16, dynamic, int8: TFLite); others were not tried, or failed. edgetpu: every
operator of the int8 network is in Coral's list, for inputs of up to 320 pixels; it was not compiled.
"""

import argparse

EXAMPLES = """examples:
  keras-centernet networks
  keras-centernet networks dla34 dla34_plain"""

ONLY_PRINTS = True
LINE = "{:32} {:>13} {:>14} {:>6}  {:10}  {}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    parser.add_argument("names", nargs="*", help="networks to list; default: all")


def run(args: argparse.Namespace) -> None:
    """Prints the table."""
    from keras_centernet.errors import look_up
    from keras_centernet.geometry import STRIDE
    from keras_centernet.networks.table import BACKBONES

    rows = {name: look_up(BACKBONES, name, "network") for name in args.names or BACKBONES}
    print(LINE.format("network", "parameters", "GFLOP at 512", "stride", "deformable", "exported to"))
    for name, row in rows.items():
        cost = ("-", "-") if row.parameters is None else (f"{row.parameters:,}", f"{row.gflop:.1f}")
        exports = ", ".join(row.exports) or "not tried"
        print(LINE.format(name, *cost, STRIDE, "yes" if row.deformable else "no", exports))
