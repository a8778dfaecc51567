"""Commands that are killed, stopped by signals, or find the disk full; docs/reliability.md has the figures.

python benchmarks/interrupted.py kills --moments 20              SIGKILL at 20 moments of each command, then a rerun
python benchmarks/interrupted.py kills --moments 20 --signal 15  SIGTERM; 2: Ctrl-C
python benchmarks/interrupted.py disks --sizes 40                disks of 40 sizes (Linux, where users may mount)
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
MOUNTING = ("unshare", "--user", "--map-root-user", "--mount")

from tests.helpers.commands import COMMANDS  # noqa: E402 needs the path, and the variable that TensorFlow reads

INPUTS = """
import pathlib, sys
import keras_centernet
from tests.helpers.commands import make_film
from tests.helpers.data_sets import CLASSES, draw, write_voc
from tests.helpers.tiny_backbone import TINY, add_tiny_backbone
folder = pathlib.Path(sys.argv[1])
write_voc(folder / "photos", draw(0, CLASSES))
make_film(folder / "film.avi")
add_tiny_backbone()
keras_centernet.CenterNet(TINY, classes=CLASSES, input_size=64).save(folder / "best.keras")
"""


def main() -> int:
    """Prints a line per command, then what went wrong; returns 1 if anything did."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_subparsers(required=True, dest="what", metavar="WHAT")
    kills = what.add_parser("kills")
    kills.add_argument("--moments", type=int, default=10, help="of each command; 0: all")
    kills.add_argument("--signal", type=int, default=9)
    disks = what.add_parser("disks")
    disks.add_argument("--sizes", type=int, default=20, help="of each command")
    for one in (kills, disks):
        one.add_argument("--commands", nargs="+", default=list(COMMANDS), choices=list(COMMANDS))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        subprocess.run([sys.executable, "-c", INPUTS, place], cwd=ROOT, check=True)
        inputs = [f"{place}/photos", f"{place}/film.avi", f"{place}/best.keras", f"{place}/out"]
        numbers = [args.moments, args.signal] if args.what == "kills" else [args.sizes]
        module = {"kills": "killed_commands", "disks": "full_disks"}[args.what]
        command = [*(MOUNTING if args.what == "disks" else ()), sys.executable, "-m", f"tests.helpers.{module}"]
        run = subprocess.run([*command, *inputs, *map(str, numbers), *args.commands], cwd=ROOT, stdout=subprocess.PIPE)
    if run.returncode:
        return run.returncode
    found = json.loads(run.stdout.splitlines()[-1])
    for name, tried in found["tried"].items():
        print(f"{name:16} {tried}")
    print(f"{len(found['wrong'])} faults", *found["wrong"], sep="\n")
    return bool(found["wrong"])


if __name__ == "__main__":
    sys.exit(main())
