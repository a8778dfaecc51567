"""The files that evaluation servers want."""

import json
import os
from collections.abc import Sequence

import numpy as np

from keras_centernet.data.formats.kitti_labels import write_kitti_file
from keras_centernet.errors import UserError
from keras_centernet.files.atomic import write_whole
from keras_centernet.files.paths import AnyPath, map_files, to_path


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
    folder = to_path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [
            path
            for name, rows in results.items()
            for path in _WRITERS.get(name, _write_coco)(name, rows, folder, category_ids)
        ]
    except OSError as error:
        raise UserError(f"{folder}: expected a folder that can be written to: {error.strerror}.") from error


def _write_coco(name: str, rows: list[dict], folder: AnyPath, category_ids) -> list[str]:
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


def _write_kitti(name: str, rows: dict, folder: AnyPath, category_ids) -> list[str]:
    objects = {folder / f"{image_id:06d}.txt": found for image_id, found in rows.items()}
    list(map_files(lambda path: write_kitti_file(path, objects[path]), list(objects)))
    return [str(path) for path in objects]


_WRITERS = {"kitti": _write_kitti}
