"""Detects objects in images with a .tflite file of keras_centernet, without that package.

pip install ai-edge-litert numpy opencv-python-headless
python detect.py detector.tflite photo.jpg [more.jpg ...] [--threshold 0.3]

Prints one line per object: image, class, score, left, top, right, bottom in the image's pixels; tabs between them.
"""

import argparse
import sys
import zipfile

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter, SignatureRunner


def letterbox(image: np.ndarray, input_hw: np.ndarray) -> tuple[np.ndarray, float, np.ndarray]:
    """Returns (the image in the middle of a black input, its zoom, the (left, top) where it begins there)."""
    size_wh, input_wh = np.array(image.shape[1::-1]), np.array(input_hw[::-1])
    zoom = min(input_wh / size_wh)
    start_xy = (input_wh - zoom * size_wh) / 2
    matrix = np.column_stack([zoom * np.eye(2), start_xy])
    while matrix[0, 0] <= 0.5 and min(image.shape[:2]) > 1:  # warpAffine would skip pixels: average them first
        width, height = image.shape[1] // 2, image.shape[0] // 2
        image = cv2.resize(image[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA)
        matrix[:, 2] += matrix[0, 0] / 2
        matrix[:, :2] *= 2
    return cv2.warpAffine(image, matrix, input_wh.tolist()), zoom, start_xy


def detect(run: SignatureRunner, image: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns (boxes (N, 4) left, top, right, bottom in pixels of an RGB `image`, class indices (N,), scores (N,))."""
    ((name, info),) = run.get_input_details().items()
    fitted, zoom, start_xy = letterbox(image, info["shape"][1:3])
    found = run(**{name: fitted[None].astype(info["dtype"])})  # float32 or uint8, always 0..255
    corners_xy = found["location"][0][:, [1, 0, 3, 2]].reshape(-1, 2, 2) * fitted.shape[1::-1]
    corners_xy = np.clip((corners_xy - start_xy) / zoom, 0, image.shape[1::-1])
    kept = (found["score"][0] >= threshold) & np.all(corners_xy[:, 1] > corners_xy[:, 0], axis=1)
    return corners_xy.reshape(-1, 4)[kept], found["category"][0][kept].astype(int), found["score"][0][kept]


def main() -> None:
    lines = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=lines, allow_abbrev=False)
    parser.add_argument("model", help=".tflite file")
    parser.add_argument("images", nargs="+", help="image files")
    parser.add_argument("--threshold", type=float, default=0.3, help="lowest score that is printed (%(default)s)")
    args = parser.parse_args()
    try:
        labels = zipfile.ZipFile(args.model).read("labels.txt").decode().split("\n")  # a ZIP archive at the file's end
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        sys.exit(f"{args.model}: expected a .tflite file with labels ({error}).")
    run = Interpreter(args.model).get_signature_runner()
    for path in args.images:
        image = cv2.imread(path)
        if image is None:
            sys.exit(f"{path}: expected an image that OpenCV reads.")
        for box, index, score in zip(*detect(run, cv2.cvtColor(image, cv2.COLOR_BGR2RGB), args.threshold), strict=True):
            print(path, labels[index], f"{score:.4f}", *(f"{value:.2f}" for value in box), sep="\t")


if __name__ == "__main__":
    main()
