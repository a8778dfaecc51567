"""The files that evaluation servers want."""

import json
import os
import pathlib
from collections.abc import Sequence

import numpy as np

from keras_centernet.errors import UserError
from keras_centernet.files import write_whole
from keras_centernet.kitti_labels import write_kitti_file


def write_results(
    results: dict, folder: str | os.PathLike, category_ids: Sequence[int | None] | None = None
) -> list[str]:
    """Writes results into a folder, made where it is missing; returns the paths.

    Args:
        results: "kitti": {image id: `KittiObjects`}, a text file each; any other name: rows of a COCO results
            file, one JSON file of that name.
        folder: where to.
        category_ids: COCO's id of each class; None: class index + 1.

    Raises:
        UserError: the folder cannot be written.
    """
    folder = pathlib.Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [
            path
            for name, rows in results.items()
            for path in _WRITERS.get(name, _write_coco)(name, rows, folder, category_ids)
        ]
    except OSError as error:
        raise UserError(f"{folder}: expected a folder that can be written to: {error.strerror}.") from error


def _write_coco(name: str, rows: list[dict], folder: pathlib.Path, category_ids) -> list[str]:
    path = folder / f"{name}.json"
    ids = None if category_ids is None else [None, *category_ids]
    rows = [_coco_row(row, row["category_id"] if ids is None else ids[row["category_id"]]) for row in rows]
    text = json.dumps([row for row in rows if row["category_id"] is not None])
    write_whole(path, lambda beside: beside.write_text(text))
    return [str(path)]


def _coco_row(row: dict, category_id: int | None) -> dict:
    return {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in row.items()} | {
        "category_id": category_id
    }


def _write_kitti(name: str, rows: dict, folder: pathlib.Path, category_ids) -> list[str]:
    paths = [folder / f"{image_id:06d}.txt" for image_id in rows]
    for path, objects in zip(paths, rows.values(), strict=True):
        write_kitti_file(path, objects)
    return [str(path) for path in paths]


_WRITERS = {"kitti": _write_kitti}
