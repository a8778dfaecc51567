"""The built-in data set "shapes": images drawn on the fly from a seed, with exact boxes.

Circles, squares, triangles and stars of 1/16 to 1/2 of the image's side on textured backgrounds, slightly rotated and
partly covering each other. Image i of a split is always the same.
"""

import cv2
import numpy as np

from keras_centernet.data.annotations import build_annotations
from keras_centernet.data.formats.request import DataRequest
from keras_centernet.data.reading.classes import choose_classes
from keras_centernet.data.source import Source, source_from_annotations
from keras_centernet.errors import UserError
from keras_centernet.geometry import box_areas, box_intersections

CLASSES = ("circle", "square", "star", "triangle")
SPLIT_SIZES = {"train": 1024, "val": 128, "test": 128}
_IMAGE_SIZE = 160
_LARGEST, _SMALLEST = 1 / 2, 1 / 16
OBJECTS = (2, 8)
_LARGEST_OVERLAP = 0.25
_LEAST_CONTRAST = 90
_TRIES = 20
_LARGEST_TURN = np.deg2rad(15)
LINES = 6
_SUBPIXEL_BITS = 6
NOISE_SHIFT = 3  # noise of 0 to 31


def is_shapes_name(name: str) -> bool:
    """Returns whether a name is that of the built-in data set."""
    return name == "shapes"


def read_shapes(request: DataRequest) -> Source:
    """Returns one split of the built-in data set in its usual size; see `build_shapes`."""
    return _build(request)


def build_shapes(
    split: str = "train",
    *,
    classes: tuple[str, ...] | None = None,
    image_size: int = _IMAGE_SIZE,
    size: int | None = None,
    seed: int = 0,
) -> Source:
    """Returns one split of the built-in images.

    Args:
        split: "train", "val" or "test".
        classes: class names in the wanted order; None takes `CLASSES`.
        image_size: side of the square images in pixels.
        size: number of images; None takes the split's usual one.
        seed: another seed gives other images.

    Raises:
        UserError: the split or another argument is wrong.
    """
    return _build(DataRequest("shapes", split, classes=classes), image_size, size, seed)


def _build(request: DataRequest, image_size: int = _IMAGE_SIZE, size: int | None = None, seed: int = 0) -> Source:
    split = request.split
    if split not in SPLIT_SIZES:
        raise UserError(f"shapes: expected a split of {', '.join(SPLIT_SIZES)}, got {split!r}.")
    if image_size < 32:
        raise UserError(f"shapes: expected an image_size of at least 32 pixels, got {image_size}.")
    classes, indices = choose_classes(CLASSES, None, request)
    size = SPLIT_SIZES[split] if size is None else size
    stream = (seed, list(SPLIT_SIZES).index(split))
    scenes = [_lay_out(np.random.default_rng((*stream, i)), image_size) for i in range(size)]
    rows = [
        (i, *vertices.min(axis=0), *vertices.max(axis=0), indices[name], False, False, None)
        for i, scene in enumerate(scenes)
        for name, vertices in scene
        if indices[name] >= 0
    ]
    names = [f"shapes {split} {i}" for i in range(size)]
    table = build_annotations(names, rows, image_hw=[(image_size, image_size)] * size)

    def load(i):
        return _draw(scenes[i], np.random.default_rng((*stream, i, 1)), image_size)

    return source_from_annotations(f"shapes ({split})", classes, table, load)


def _lay_out(rng: np.random.Generator, side: int) -> list[tuple[str, np.ndarray]]:
    """Returns [(class name, (V, 2) vertices xy)] from back to front; no shape hides much of another."""
    scene, boxes = [], np.zeros((0, 4))
    for _ in range(rng.integers(*OBJECTS, endpoint=True)):
        for _ in range(_TRIES):
            name = CLASSES[rng.integers(len(CLASSES))]
            vertices = _outline(name, rng)
            extent_wh = vertices.max(axis=0) - vertices.min(axis=0)
            longer = side * _SMALLEST * (_LARGEST / _SMALLEST) ** rng.random()
            vertices = (vertices - vertices.min(axis=0)) * longer / extent_wh.max()
            vertices += rng.random(2) * (side - 1 - vertices.max(axis=0))
            box = np.concatenate([vertices.min(axis=0), vertices.max(axis=0)])
            if _overlap(box, boxes) <= _LARGEST_OVERLAP:
                scene.append((name, vertices))
                boxes = np.concatenate([boxes, box[None]])
                break
    return scene


def _outline(name: str, rng: np.random.Generator) -> np.ndarray:
    """Returns (V, 2) vertices around the origin: the upright shape, slightly rotated at random."""
    corners, inner_radius, upright = {
        "circle": (64, 1.0, 0.0),
        "square": (4, 1.0, np.pi / 4),
        "star": (10, 0.45, -np.pi / 2),
        "triangle": (3, 1.0, -np.pi / 2),
    }[name]
    turn = rng.uniform(-_LARGEST_TURN, _LARGEST_TURN)
    angles = 2 * np.pi * np.arange(corners) / corners + upright + turn
    radii = np.where(np.arange(corners) % 2, inner_radius, 1.0)
    return np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)


def _overlap(box: np.ndarray, boxes: np.ndarray) -> float:
    """Returns the largest overlap of the box with another one, as a share of the smaller of the two."""
    if not len(boxes):
        return 0.0
    smaller = np.minimum(box_areas(boxes), box_areas(box[None]))
    return (box_intersections(box[None], boxes) / smaller).max()


def _draw(scene: list[tuple[str, np.ndarray]], rng: np.random.Generator, side: int) -> np.ndarray:
    """Returns the (side, side, 3) uint8 image of a scene."""
    blotches = rng.integers(40, 216, (5, 5, 3), np.uint8)
    image = cv2.resize(blotches, (side, side), interpolation=cv2.INTER_LINEAR)
    ends_xy = rng.integers(0, side, (LINES, 2, 2)).tolist()
    for (start, end), color in zip(ends_xy, rng.integers(0, 256, (LINES, 3)).tolist(), strict=True):
        cv2.line(image, start, end, color, 1, cv2.LINE_AA)
    colors = rng.integers(0, 256, (len(scene), _TRIES, 3))
    for (_, vertices), candidates in zip(scene, colors, strict=True):
        x, y = vertices.mean(axis=0).astype(int)
        contrast = np.abs(candidates - image[y, x]).max(axis=1)
        color = candidates[np.argmax(contrast >= _LEAST_CONTRAST)].tolist()
        points = np.round(vertices * (1 << _SUBPIXEL_BITS)).astype(np.int32)
        cv2.fillPoly(image, [points], color, cv2.LINE_AA, _SUBPIXEL_BITS)
    noise = np.frombuffer(rng.bytes(image.size), np.uint8).reshape(image.shape) >> NOISE_SHIFT
    return cv2.add(image, noise)
