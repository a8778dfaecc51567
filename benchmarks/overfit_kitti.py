"""3D detection from data to metrics on two real frames, which a network must overfit.

Run: python benchmarks/overfit_kitti.py --data kitti/ [--steps 700] [--output runs/overfit_kitti]

Prints how far each car's location and orientation are from its label, and the average precision of 3D
boxes. Writes drawings, from the camera and from above.
"""

import argparse
import math
import os
import pathlib
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import keras
import numpy as np

from keras_centernet import CenterNet, evaluate, load_dataset
from keras_centernet.camera import read_calibration
from keras_centernet.data.formats.kitti.labels import read_kitti_file
from keras_centernet.drawing import draw_birds_eye, write_image


def main() -> None:
    """Trains, detects, compares and draws."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder in KITTI's format")
    parser.add_argument("--steps", type=int, default=700)
    parser.add_argument("--backbone", default="mobilenet_v2")
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--output", default="runs/overfit_kitti")
    options = parser.parse_args()
    keras.utils.set_random_seed(0)
    start = time.perf_counter()
    size = (192, 640)
    data = load_dataset(options.data, "all", task="detection_3d", training=False, input_size=size, batch_size=2)
    model = CenterNet(
        options.backbone,
        task="detection_3d",
        input_size=size,
        task_options={"projection": True, "averages": "objects"},
    )
    rate = keras.optimizers.schedules.CosineDecay(options.learning_rate, options.steps, 1e-3)
    model.compile(keras.optimizers.Adam(rate), color_augmentation=False)
    model.fit(data.cache().repeat(options.steps), steps_per_epoch=options.steps // 10, epochs=10, verbose=2)
    print(f"{options.steps} steps in {time.perf_counter() - start:.0f} s")
    folder = pathlib.Path(options.output)
    folder.mkdir(parents=True, exist_ok=True)
    root = pathlib.Path(options.data)
    root = root / "training" if (root / "training").is_dir() else root
    for image in sorted((root / "image_2").iterdir()):
        truth = read_kitti_file(root / "label_2" / f"{image.stem}.txt")
        calibration = read_calibration(root / "calib" / f"{image.stem}.txt")
        (found,) = model.detect([image], calibration)
        found.draw(folder / f"{image.stem}.jpg")
        cars = [i for i, kind in enumerate(truth.types) if kind == "Car"]
        compare(image.stem, truth, found, cars)
        shown = truth.dimensions_hwl[cars], truth.locations_xyz[cars], truth.rotations_y[cars]
        above = draw_birds_eye(found.dimensions, found.locations, found.rotation_y, found.classes, truth=shown)
        write_image(above, folder / f"{image.stem}_above.png")
    print(evaluate(model, data, progress=False).table())


def compare(name: str, truth, found, cars: list[int]) -> None:
    """Prints one line per labelled car."""
    print(f"{name}: {len(cars)} cars labelled, {len(found)} found")
    for i in cars:
        distances = np.linalg.norm(found.locations - truth.locations_xyz[i], axis=1)
        j = int(np.argmin(distances))
        turn = (found.rotation_y[j] - truth.rotations_y[i] + math.pi) % (2 * math.pi) - math.pi
        print(
            f"  car in {truth.locations_xyz[i, 2]:5.1f} m: {distances[j]:.3f} m and {abs(turn):.3f} rad away, "
            f"score {found.scores[j]:.2f}"
        )


if __name__ == "__main__":
    main()
