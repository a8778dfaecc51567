"""Metrics of what lies behind a box, for data and models that have it: joints and 3D boxes.

Each is fed image by image and gives its figures at the end; `evaluate` takes those whose data are there.
"""

import numpy as np

from keras_centernet.camera import calibration_or_default
from keras_centernet.data.formats.kitti_labels import KittiObjects, objects_of
from keras_centernet.evaluation.metrics.keypoints import keypoint_average_precision
from keras_centernet.geometry import invert_affine, transform_points, xywh_to_xyxy, xyxy_to_xywh
from keras_centernet.tasks.skeletons import COCO_PERSON, Skeleton


class KeypointMetrics:
    """COCO's OKS average precision."""

    NEEDS = ("keypoints_xyv", "keypoints_xy")  # of the objects, of the detections

    def __init__(self, model):
        skeleton = getattr(model, "task_options", {}).get("skeleton") or COCO_PERSON
        self._sigmas = (Skeleton(**skeleton) if isinstance(skeleton, dict) else skeleton).sigmas
        self._annotations, self._detections = [], []

    def add(self, objects: dict, found: dict, annotations: list[dict]) -> None:
        """Adds one image: its batch rows, its detections in image pixels, its COCO annotations."""
        input_to_image = invert_affine(objects["image_to_input"])
        truth = objects["keypoints_xyv"][objects["mask"]].astype(np.float64)
        truth[..., :2] = transform_points(truth[..., :2], input_to_image)
        self._annotations += [
            {**row, "keypoints": xyv.reshape(-1)} for row, xyv in zip(annotations, truth, strict=True)
        ]
        ones = np.ones_like(found["keypoints_xy"][..., :1])
        found_xyv = np.concatenate([found["keypoints_xy"], ones], axis=-1)
        self._detections += [
            {
                "image_id": int(objects["image_id"]),
                "category_id": int(index) + 1,
                "bbox": box,
                "score": float(score),
                "keypoints": xyv.reshape(-1),  # COCO wants a v for each joint; it does not read it
            }
            for index, score, xyv, box in zip(
                found["classes"], found["scores"], found_xyv, xyxy_to_xywh(found["boxes_xyxy"]).tolist(), strict=True
            )
        ]

    def metrics(self, ground_truth: dict, change=list) -> dict:
        """Returns the OKS figures of the detections after `change`, a function from rows to rows."""
        truth = {**ground_truth, "annotations": self._annotations}
        # Without their boxes: COCO's own loader puts the joints' hull in their place.
        rows = [{key: value for key, value in row.items() if key != "bbox"} for row in self._detections]
        return keypoint_average_precision(truth, change(rows), self._sigmas)

    def results(self) -> dict:
        """Returns {"keypoints": rows of a COCO results file}."""
        return {"keypoints": self._detections}


class KittiMetrics:
    """KITTI's average precision: 2D, orientation, bird's eye and 3D."""

    NEEDS = ("kitti_types", "depths")
    LOWEST_SCORE = 0.05  # of the result files; the published code cuts at 0.1 or 0.2

    def __init__(self, model):
        self._model = model
        self._truth, self._found = [], {}

    def add(self, objects: dict, found: dict, annotations: list[dict]) -> None:
        """Adds one image; see `KeypointMetrics.add`."""
        boxes_xywh = np.array([row["bbox"] for row in annotations], np.float64).reshape(-1, 4)
        boxes_xyxy = np.zeros((len(objects["mask"]), 4))
        boxes_xyxy[objects["mask"]] = xywh_to_xyxy(boxes_xywh)
        self._truth.append(objects_of(objects, boxes_xyxy))
        keep = found["scores"] >= self.LOWEST_SCORE
        rows = {key: values[keep] for key, values in found.items()}
        extras = self._model.task.postprocess(rows, calibration_or_default(objects.get("calibration")))
        count = int(keep.sum())
        self._found[int(objects["image_id"])] = KittiObjects(
            types=tuple(self._model.classes[i] for i in rows["classes"]),
            boxes_xyxy=rows["boxes_xyxy"],
            alphas=extras["alpha"],
            dimensions_hwl=extras["dimensions"],
            locations_xyz=extras["locations"],
            rotations_y=extras["rotation_y"],
            truncations=np.zeros(count),
            occlusions=np.zeros(count, int),
            scores=rows["scores"],
        )

    def metrics(self, ground_truth: dict, change=list) -> dict:
        """Returns {"kitti": figures by class, "AP_3D": mean over classes of the moderate 3D figure, 0 to 1}."""
        from keras_centernet.evaluation.metrics.kitti import kitti_average_precision

        figures = kitti_average_precision(self._truth, list(self._found.values()), self._model.classes)
        moderate = [row["3d"]["moderate"]["R40"] for row in figures.values()]
        moderate = [value for value in moderate if value is not None]
        return {"AP_3D": np.mean(moderate).item() / 100 if moderate else None, "kitti": figures}

    def results(self) -> dict:
        """Returns {"kitti": {image id: `KittiObjects` found}}, what the benchmark's server wants."""
        return {"kitti": self._found}


FURTHER = (KeypointMetrics, KittiMetrics)
