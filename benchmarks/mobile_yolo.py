"""Writes Ultralytics' networks as files and prints what they cost, in an environment that has ultralytics.

    python benchmarks/mobile_yolo.py SIDE FOLDER NAME [NAME ...]

A name is that of a network ("yolo26n": untrained, nothing is downloaded) or a .pt file. ONNX files need the packages
onnx and onnxruntime there, and TFLite files litert-torch. A line is printed for each file that cannot be written, and
it is left out. The last line is JSON: {name: {"parameters": number, "gflops": number, "files": {key: path}}}.
"""

import json
import pathlib
import shutil
import sys

FORMATS = {"onnx": "onnx", "float32": "litert"}  # {key of a file: format of Ultralytics}


def write(name: str, side: int, folder: pathlib.Path) -> dict:
    """Returns what a network costs, and its files."""
    from ultralytics import YOLO
    from ultralytics.utils.torch_utils import get_flops

    model = YOLO(name if name.endswith(".pt") else f"{name}.yaml")
    parameters = sum(weight.numel() for weight in model.model.parameters())
    row = {"parameters": parameters, "gflops": get_flops(model.model, side), "files": {}}
    for key, kind in FORMATS.items():
        try:
            made = pathlib.Path(model.export(format=kind, imgsz=side, verbose=False))
        except Exception as error:  # of any kind: the other package decides
            print(f"{name}: no {key} ({str(error).strip().splitlines()[-1] if str(error) else type(error).__name__})")
            continue
        row["files"][key] = str(shutil.move(made, folder / f"{pathlib.Path(name).stem}{made.suffix}"))
    return row


def main() -> None:
    """Writes all and prints the JSON."""
    side, folder, *names = sys.argv[1:]
    print(json.dumps({name: write(name, int(side), pathlib.Path(folder)) for name in names}))


if __name__ == "__main__":
    main()
