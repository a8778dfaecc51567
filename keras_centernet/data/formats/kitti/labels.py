"""KITTI's text files: the labelled or the detected objects of a frame."""

import os
from dataclasses import dataclass, fields

import numpy as np

from keras_centernet.data.reading.values import LARGEST, is_number
from keras_centernet.errors import UserError
from keras_centernet.files.atomic import write_text
from keras_centernet.files.paths import to_path
from keras_centernet.files.texts import read_text

TYPES = ("Car", "Van", "Truck", "Pedestrian", "Person_sitting", "Cyclist", "Tram", "Misc", "DontCare")
# type, truncated, occluded, alpha, box (4), dimensions (3), location (3), rotation_y, and the score of a result
LABEL_COLUMNS, RESULT_COLUMNS = 15, 16


@dataclass(frozen=True, eq=False)
class KittiObjects:
    """The objects of one frame: labelled ones, or detected ones with their scores.

    Attributes:
        types: N names; in KITTI's own label files, names of `TYPES`.
        boxes_xyxy: (N, 4) float64 image pixels.
        alphas: (N,) float64 radians, seen along the ray.
        dimensions_hwl: (N, 3) float64 metres.
        locations_xyz: (N, 3) float64 metres in the camera's frame, centre of the bottom face.
        rotations_y: (N,) float64 radians in the camera's frame.
        truncations: (N,) float64, share of the object outside the image, 0 to 1; 0 for detections.
        occlusions: (N,) int: 0 visible, 1 partly, 2 largely hidden, 3 unknown.
        scores: (N,) float64, or None for labels.
    """

    types: tuple[str, ...]
    boxes_xyxy: np.ndarray
    alphas: np.ndarray
    dimensions_hwl: np.ndarray
    locations_xyz: np.ndarray
    rotations_y: np.ndarray
    truncations: np.ndarray
    occlusions: np.ndarray
    scores: np.ndarray | None = None

    def __post_init__(self):
        for field in fields(self):
            values = getattr(self, field.name)
            if values is not None and len(values) != len(self.types):
                count = len(self.types)
                raise UserError(f"KittiObjects: {field.name} needs one row per object, {count}; got {len(values)}.")

    def __len__(self) -> int:
        return len(self.types)


def read_kitti_file(path: str | os.PathLike) -> KittiObjects:
    """Returns the objects of a label file (15 columns) or a result file (16); the user's own types can contain spaces.

    Raises:
        UserError: the file cannot be read, a line has another number of columns, or a value is not a number or too
            large.
    """
    lines = read_text(to_path(path)).splitlines()
    rows = [_split_line(line, f"{path}, line {i}") for i, line in enumerate(lines, start=1) if line.strip()]
    columns = len(rows[0][1]) if rows else LABEL_COLUMNS - 1
    if any(len(numbers) != columns for _, numbers in rows):
        raise UserError(f"{path}: expected scores in every line or in none, got them in some; remove them.")
    table = np.array([numbers for _, numbers in rows], np.float64).reshape(len(rows), columns)
    return KittiObjects(
        types=tuple(kind for kind, _ in rows),
        truncations=table[:, 0],
        occlusions=table[:, 1].astype(int),
        alphas=table[:, 2],
        boxes_xyxy=table[:, 3:7],
        dimensions_hwl=table[:, 7:10],
        locations_xyz=table[:, 10:13],
        rotations_y=table[:, 13],
        scores=table[:, 14] if columns == RESULT_COLUMNS - 1 else None,
    )


def types_in(path: str | os.PathLike) -> set[str]:
    """Returns the types in a text file; its other columns need not be KITTI's."""
    lines = read_text(to_path(path)).splitlines()
    return {_type_and_numbers(line)[0] or line.split()[0] for line in lines if line.strip()}


def is_kitti_line(line: str) -> bool:
    """Returns whether a line of text has a type, which is not a number, followed by KITTI's columns."""
    kind, numbers = _type_and_numbers(line)
    return bool(kind) and len(numbers) in (LABEL_COLUMNS - 1, RESULT_COLUMNS - 1)


def _split_line(line: str, where: str) -> tuple[str, list[float]]:
    """Returns (type, numbers) of a line."""
    kind, words = _type_and_numbers(line)
    kind, words = (kind, words) if kind else (words[0], words[1:])  # a type can be named "0"
    numbers = [float(word) for word in words]
    if len(numbers) not in (LABEL_COLUMNS - 1, RESULT_COLUMNS - 1):
        words = line.split()
        if len(words) in (LABEL_COLUMNS, RESULT_COLUMNS):
            wrong = next(word for word in words[:0:-1] if not is_number(word))
            raise UserError(f"{where}: expected numbers after the type, got {wrong!r}.")
        expected = f"{LABEL_COLUMNS} columns (or {RESULT_COLUMNS} with scores, in every line)"
        raise UserError(f"{where}: expected {expected}, got {len(words)}: {' '.join(words)[:60]}.")
    if not all(abs(number) <= LARGEST for number in numbers):
        wrong = next(word for word, number in zip(words, numbers, strict=True) if not abs(number) <= LARGEST)
        raise UserError(f"{where}: expected numbers of at most {LARGEST:.0e} in size, got {wrong}; correct it.")
    return kind, numbers


def _type_and_numbers(line: str) -> tuple[str, list[str]]:
    """Returns (type, the numbers after it as words); the type is everything before the numbers at the line's end."""
    words = line.split()
    start = len(words)
    while start > 0 and is_number(words[start - 1]):
        start -= 1
    return " ".join(words[:start]), words[start:]


def write_kitti_file(path: str | os.PathLike, objects: KittiObjects) -> None:
    """Writes a result file for the benchmark's server; numbers have two decimals.

    Source: `KITTI.save_results` of the published code, in which truncation 0.0 and occlusion 0 mean unknown.
    """
    lines = []
    for i, kind in enumerate(objects.types):
        numbers = [objects.alphas[i], *objects.boxes_xyxy[i], *objects.dimensions_hwl[i], *objects.locations_xyz[i]]
        numbers += [objects.rotations_y[i], 1.0 if objects.scores is None else objects.scores[i]]
        lines.append(f"{kind} 0.0 0 " + " ".join(f"{number:.2f}" for number in numbers))
    write_text(path, "".join(f"{line}\n" for line in lines))


def objects_of(rows: dict, boxes_xyxy: np.ndarray) -> KittiObjects:
    """Returns the objects of one image of a batch, {key: (M, ...)}; boxes (M, 4) are in original image pixels.

    Objects without a 3D box become DontCare regions, because no 3D detection could match them.
    """
    types = [TYPES[index] for index in rows["kitti_types"]]
    # A DontCare region has a row in every class; only that of class 0 is kept.
    keep = [i for i in np.flatnonzero(rows["mask"]) if types[i] != "DontCare" or rows["classes"][i] == 0]
    names = ("alphas", "dimensions_hwl", "locations_xyz", "rotations_y", "truncations", "occlusions")
    has_box = np.all(rows["dimensions_hwl"] > 0, axis=1)
    return KittiObjects(
        types=tuple(types[i] if has_box[i] else "DontCare" for i in keep),
        boxes_xyxy=np.asarray(boxes_xyxy, np.float64)[keep],
        **{name: rows[name][keep] for name in names},
    )
