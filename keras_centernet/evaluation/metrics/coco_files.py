"""What metrics in COCO's manner share: running pycocotools, and writing results files."""

import contextlib
import io
import json
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from keras_centernet.errors import UserError
from keras_centernet.files.atomic import write_text
from keras_centernet.files.paths import AnyPath


def run_cocoeval(
    kind: str, ground_truth: dict, detections: list[dict], to_row: Callable, sigmas: Sequence[float] | None = None
):
    """Runs `pycocotools.cocoeval.COCOeval` without its printing and returns it; None without images or classes.

    Args:
        kind: "bbox" or "keypoints".
        ground_truth, detections: as in `coco_average_precision`.
        to_row: function of an annotation or detection -> everything that pycocotools reads of it, except its id.
        sigmas: of the keypoints.
    """
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    check_references(ground_truth, detections)
    if not ground_truth["images"] or not ground_truth["categories"]:
        return None
    with contextlib.redirect_stdout(io.StringIO()):
        truth, results = COCO(), COCO()
        for data, rows in ((truth, ground_truth["annotations"]), (results, detections)):
            # Ids start at 1: pycocotools takes 0 for "no match".
            annotations = [to_row(row) | {"id": i} for i, row in enumerate(rows, start=1)]
            data.dataset = {**ground_truth, "annotations": annotations}
            data.createIndex()
        evaluation = COCOeval(truth, results, kind)
        if sigmas is not None:
            evaluation.params.kpt_oks_sigmas = np.asarray(sigmas, np.float64)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


def none_if_undefined(value: float) -> float | None:
    """Returns the number, or None for pycocotools' -1 or NaN, which mean that there is no ground truth for it."""
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


def write_coco_file(
    name: str, rows: list[dict], folder: AnyPath, category_ids: Sequence | None, image_ids: Mapping[int, object]
) -> list[str]:
    """Writes rows as a COCO results file `name`.json; returns its path in a list. See `Report.write_results`."""
    path = folder / f"{name}.json"
    if category_ids is not None:
        rows = [row | {"category_id": category_ids[row["category_id"] - 1]} for row in rows]
    rows = [
        row | {"image_id": image_ids.get(row["image_id"], row["image_id"])}
        for row in rows
        if row["category_id"] is not None
    ]
    text = json.dumps(rows, default=np.ndarray.tolist)
    write_text(path, text)
    return [str(path)]
