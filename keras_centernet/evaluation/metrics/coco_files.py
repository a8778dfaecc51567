"""What metrics in COCO's manner share: running pycocotools, and writing results files."""

import contextlib
import io
import json
from collections.abc import Sequence

import numpy as np

from keras_centernet.errors import UserError
from keras_centernet.files.atomic import write_whole
from keras_centernet.files.paths import AnyPath


def run_cocoeval(
    kind: str,
    ground_truth: dict,
    annotations: list[dict],
    detections: list[dict],
    sigmas: Sequence[float] | None = None,
):
    """Returns a finished `pycocotools.cocoeval.COCOeval` without its printing; None without images or classes.

    Args:
        kind: "bbox" or "keypoints".
        ground_truth: COCO-format dict whose images and categories are taken.
        annotations: true rows with all keys that pycocotools reads.
        detections: found rows, likewise.
        sigmas: of the keypoints.
    """
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    if not ground_truth["images"] or not ground_truth["categories"]:
        return None
    with contextlib.redirect_stdout(io.StringIO()):
        truth, results = COCO(), COCO()
        truth.dataset = {**ground_truth, "annotations": annotations}
        results.dataset = {**ground_truth, "annotations": detections}
        truth.createIndex()
        results.createIndex()
        evaluation = COCOeval(truth, results, kind)
        if sigmas is not None:
            evaluation.params.kpt_oks_sigmas = np.asarray(sigmas, np.float64)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


def none_if_undefined(value: float) -> float | None:
    """Returns the number, or None where pycocotools says -1 or NaN: there is no ground truth for it."""
    return None if np.isnan(value) or value < 0 else float(value)


def check_references(ground_truth: dict, detections: list[dict]) -> None:
    """Raises a UserError at the first annotation or detection of an unknown image or class."""
    images = {row["id"] for row in ground_truth["images"]}
    categories = {row["id"] for row in ground_truth["categories"]}
    for what, rows in {"annotation": ground_truth["annotations"], "detection": detections}.items():
        for i, row in enumerate(rows):
            for key, known in (("image_id", images), ("category_id", categories)):
                if row[key] not in known:
                    raise UserError(
                        f"{what} {i}: expected {key} to be one of the {len(known)} of the ground truth, "
                        f"got {row[key]!r}."
                    )


def write_coco_file(name: str, rows: list[dict], folder: AnyPath, category_ids: Sequence[int | None] | None) -> list:
    """Writes rows as a COCO results file `name`.json; returns its path in a list. See `Report.write_results`."""
    path = folder / f"{name}.json"
    ids = None if category_ids is None else [None, *category_ids]
    rows = [_numbered(row, row["category_id"] if ids is None else ids[row["category_id"]]) for row in rows]
    text = json.dumps([row for row in rows if row["category_id"] is not None])
    write_whole(path, lambda temporary: temporary.write_text(text))
    return [str(path)]


def _numbered(row: dict, category_id: int | None) -> dict:
    plain = {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in row.items()}
    return plain | {"category_id": category_id}
