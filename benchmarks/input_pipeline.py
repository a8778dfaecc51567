"""Compares the input pipeline with bare JPEG decoding, on this machine and in one run.

Prints images per second of: bare decoding (tf.data with TensorFlow's decoder, and with OpenCV's),
the training pipeline (decode, published random crop, flip, warp, pad, batch) from files and from the same
images in TFRecord files, and the evaluation pipeline (letterbox). The pipelines take turns for several rounds, and
medians are compared. Beside them stand milliseconds of CPU time per image, which other programs on the machine
disturb less. Nothing is asserted.

    python benchmarks/input_pipeline.py
    python benchmarks/input_pipeline.py --data photos/ --split train --input-size 320
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import tensorflow as tf

from keras_centernet import load_dataset
from keras_centernet.data.annotations import build_annotations
from keras_centernet.data.images import read_image
from keras_centernet.data.records.writing import write_tfrecords
from keras_centernet.data.source import Source, source_from_annotations

IMAGE_HW = (480, 640)
OBJECTS_PER_IMAGE = 7


def main() -> None:
    """Parses the options, measures and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="data set to use instead of generated images")
    parser.add_argument("--split", default="train")
    parser.add_argument("--input-size", type=int, default=512)
    parser.add_argument("--images", type=int, default=128, help="how many images to generate")
    parser.add_argument("--passes", type=int, default=4, help="passes over the images in one run")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved runs of each pipeline")
    parser.add_argument("--shards", type=int, default=4, help="files of records")
    parser.add_argument("--workers", type=int)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = options.data or generate_source(Path(folder), options.images)
        rates, costs = measure(data, options, Path(folder) / "records")
    medians = {name: statistics.median(values) for name, values in rates.items()}
    bare = max(medians["TensorFlow decoding"], medians["OpenCV decoding"])
    for name, values in rates.items():
        share, files = medians[name] / bare, medians[name] / medians["training pipeline"]
        print(
            f"{name:20} {medians[name]:6.0f} images/s ({min(values):.0f}-{max(values):.0f}), "
            f"{statistics.median(costs[name]):5.2f} ms, {share:.2f} of bare, {files:.2f} of training from files"
        )
    print(f"ratio {medians['training pipeline'] / bare:.2f} (wanted: at least 0.35)")


def generate_source(folder: Path, count: int) -> Source:
    """Returns a data set of generated JPEGs of 640x480 and about 140 KB, with the entropy of COCO's photos."""
    rng = np.random.default_rng(0)
    names, rows = [], []
    for i in range(count):
        image = np.zeros((*IMAGE_HW, 3), np.float32)
        for cells, weight in ((6, 90), (40, 45), (160, 26), (480, 9)):
            noise = rng.normal(size=(cells, cells * 4 // 3, 3)).astype(np.float32)
            image += weight * cv2.resize(noise, IMAGE_HW[::-1], interpolation=cv2.INTER_CUBIC)
        names.append(str(folder / f"{i}.jpg"))
        cv2.imwrite(names[-1], np.clip(image + 128, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 90])
        for x, y in rng.uniform(0, 400, (OBJECTS_PER_IMAGE, 2)):
            rows.append((i, x, y, x + 60, y + 60, 0, False, False, None))
    size = np.mean([Path(name).stat().st_size for name in names]) / 1000
    print(f"{count} generated JPEGs of {IMAGE_HW[1]}x{IMAGE_HW[0]}, {size:.0f} KB on average")
    return source_from_annotations("generated", ("thing",), build_annotations(names, rows))


def measure(
    data: str | Source, options: argparse.Namespace, records: Path
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Returns the images per second and the milliseconds of CPU time per image, of each pipeline in each round."""
    common = {"split": options.split, "input_size": options.input_size, "workers": options.workers}
    train = load_dataset(data, training=True, **common)
    write_tfrecords(train.source, options.split, records, options.shards)
    paths = tf.data.Dataset.from_tensor_slices(list(train.source.image_names))
    calls = options.workers or tf.data.AUTOTUNE

    def decode_tensorflow(path):
        return tf.io.decode_jpeg(tf.io.read_file(path), channels=3)

    def decode_opencv(path):
        return tf.numpy_function(lambda name: read_image(name.decode()), [path], tf.uint8, stateful=False)

    pipelines = {
        "TensorFlow decoding": paths.map(decode_tensorflow, num_parallel_calls=calls),
        "OpenCV decoding": paths.map(decode_opencv, num_parallel_calls=calls),
        "training pipeline": train,
        "training, records": load_dataset(records, training=True, **common),
        "evaluation pipeline": load_dataset(data, training=False, **common),
    }
    rates, costs = {name: [] for name in pipelines}, {name: [] for name in pipelines}
    for _ in range(options.rounds):
        for name, dataset in pipelines.items():
            rate, cost = _rate(dataset.prefetch(tf.data.AUTOTUNE), options.passes)
            rates[name].append(rate)
            costs[name].append(cost)
    return rates, costs


def _rate(dataset: tf.data.Dataset, passes: int) -> tuple[float, float]:
    """Returns images per second and milliseconds of CPU time per image over some passes, after one warm-up batch."""
    iterator = iter(dataset.repeat(passes))
    next(iterator)
    count, start, start_of_processor = 0, time.perf_counter(), time.process_time()
    for element in iterator:
        count += element[0].shape[0] if isinstance(element, tuple) else 1
    if not count:
        raise SystemExit("expected more than one whole batch of images, got fewer; give more --images or --passes")
    return count / (time.perf_counter() - start), 1000 * (time.process_time() - start_of_processor) / count


if __name__ == "__main__":
    main()
