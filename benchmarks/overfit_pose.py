"""Pose estimation from data to metrics on a few real photos, which a network must overfit.

Run: python benchmarks/overfit_pose.py --data coco_pose/annotations.json [--steps 500] [--output runs/overfit_pose]

Prints COCO's average precision of keypoints on the photos it was trained on, and writes drawings and the model.
"""

import argparse
import os
import pathlib
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import keras

from keras_centernet import CenterNet, evaluate, load_dataset


def main() -> None:
    """Trains, evaluates and draws."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="COCO file with keypoints of a few photos")
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--backbone", default="mobilenet_v2")
    parser.add_argument("--input-size", type=int, default=384)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--output", default="runs/overfit_pose")
    options = parser.parse_args()
    keras.utils.set_random_seed(0)
    start = time.perf_counter()
    size = options.input_size
    data = load_dataset(options.data, "all", task="pose", training=False, input_size=size, batch_size=4)
    # Persons without a marked keypoint cannot be learnt, so detecting one is neither right nor wrong.
    task_options = data.task_options | {"unmarked": "ignored"}
    model = CenterNet(options.backbone, task="pose", classes=data.classes, input_size=size, task_options=task_options)
    rate = keras.optimizers.schedules.CosineDecay(options.learning_rate, options.steps, 1e-3)
    model.compile(keras.optimizers.Adam(rate), color_augmentation=False)
    model.fit(data.cache().repeat(options.steps), steps_per_epoch=options.steps // 10, epochs=10, verbose=2)
    print(f"{options.steps} steps in {time.perf_counter() - start:.0f} s")
    print(evaluate(model, data, progress=False).table())
    folder = pathlib.Path(options.output)
    folder.mkdir(parents=True, exist_ok=True)
    for path in data.source.image_names:
        model.detect([path])[0].draw(folder / pathlib.Path(path).name)
    model.save(folder / "model.keras")


if __name__ == "__main__":
    main()
