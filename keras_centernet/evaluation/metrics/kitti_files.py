"""KITTI's average precision of a model, the table that shows it, and results files for the benchmark's server."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from keras_centernet.camera import calibration_or_default
from keras_centernet.data.formats.kitti.labels import KittiObjects, objects_of, write_kitti_file
from keras_centernet.evaluation.metrics.kitti import DIFFICULTIES, kitti_average_precision
from keras_centernet.evaluation.metrics.metric import Accumulator, mean_of_defined, number_text
from keras_centernet.files.paths import AnyPath, map_files
from keras_centernet.geometry import xywh_to_xyxy

LOWEST_SCORE = 0.05  # of the results files; the published code cuts at 0.1 or 0.2


class KittiPrecision(Accumulator):
    """KITTI's average precision: 2D, orientation, bird's eye and 3D."""

    def __init__(self, detector, classes: Sequence[str]):
        super().__init__(detector, classes)
        self._truth, self._found = [], {}

    def add(self, objects: dict, found: dict, annotations: list[dict]) -> None:
        """Adds one image; see `Accumulator.add`."""
        boxes_xyxy = np.zeros((len(objects["mask"]), 4))
        boxes_xyxy[objects["mask"]] = xywh_to_xyxy(np.reshape([row["bbox"] for row in annotations], (-1, 4)))
        self._truth.append(objects_of(objects, boxes_xyxy))
        keep = found["scores"] >= LOWEST_SCORE
        rows = {key: values[keep] for key, values in found.items()}
        extras = self.detector.task.postprocess(rows, calibration_or_default(objects.get("calibration")))
        count = int(keep.sum())
        self._found[int(objects["image_id"])] = KittiObjects(
            types=tuple(self.classes[i] for i in rows["classes"]),
            boxes_xyxy=rows["boxes_xyxy"],
            alphas=extras["alpha"],
            dimensions_hwl=extras["dimensions"],
            locations_xyz=extras["locations"],
            rotations_y=extras["rotation_y"],
            truncations=np.zeros(count),
            occlusions=np.zeros(count, int),
            scores=rows["scores"],
        )

    def compute(self, ground_truth: dict, detections: list[dict], change: Callable = list) -> dict:
        """Returns {"AP_3D": mean over classes of 3D AP (R40) at moderate difficulty, 0 to 1, "kitti": AP by class}.

        `change` is not applied: KITTI's numbers are always computed from the exact detections.
        """
        by_class = kitti_average_precision(self._truth, list(self._found.values()), self.classes)
        mean = mean_of_defined([kinds["3d"]["moderate"]["R40"] for kinds in by_class.values()])
        return {"AP_3D": None if mean is None else mean / 100, "kitti": by_class}

    def results(self, detections: list[dict]) -> dict[int, KittiObjects]:
        """Returns {image id: its detections}."""
        return self._found


def kitti_tables(metrics: dict) -> list[list[tuple[str, ...]]]:
    """Returns the table of KITTI's metrics: a row per class and kind, R40 and R11 at three difficulties."""
    columns = [(level, recall) for recall in ("R40", "R11") for level in DIFFICULTIES]
    rows = [
        (f"{name} {kind}", *(number_text(values[level][recall], decimals=2) for level, recall in columns))
        for name, kinds in metrics.get("kitti", {}).items()
        for kind, values in kinds.items()
    ]
    return [[("KITTI AP", *(" ".join(column) for column in columns)), *rows]] if rows else []


def write_kitti_files(
    found: dict[int, KittiObjects], folder: AnyPath, category_ids: Sequence | None, image_ids: Mapping[int, object]
) -> list[str]:
    """Writes a text file per image, named after its id; returns the paths. See `Report.write_results`."""
    names = {image_id: image_ids.get(image_id, f"{image_id:06d}") for image_id in found}
    objects = {folder / f"{names[image_id]}.txt": rows for image_id, rows in found.items()}
    list(map_files(lambda path: write_kitti_file(path, objects[path]), list(objects)))
    return [str(path) for path in objects]
