"""OKS average precision: pycocotools' own numbers, any skeleton, and empty cases."""

import contextlib
import io

import numpy as np
import pytest

from keras_centernet import UserError
from keras_centernet.evaluation.metrics.keypoints import STATS, keypoint_average_precision
from keras_centernet.tasks.skeletons import COCO_PERSON


def case(rng, keypoints=17, images=4, people=3):
    """Persons with some keypoints unmarked, and detections near them."""
    truth, found = [], []
    for image in range(images):
        for _ in range(people):
            corner, size = rng.uniform(0, 200, 2), rng.uniform(40, 150, 2)
            xy = corner + rng.uniform(0, 1, (keypoints, 2)) * size
            v = rng.integers(0, 3, keypoints)
            truth.append(
                {
                    "image_id": image,
                    "category_id": 1,
                    "bbox": [*corner, *size],
                    "area": float(np.prod(size) * 0.6),
                    "iscrowd": 0,
                    "keypoints": np.column_stack([xy, v]).reshape(-1).tolist(),
                }
            )
            near = xy + rng.normal(0, rng.choice([1, 6, 30]), (keypoints, 2))
            found.append(
                {
                    "image_id": image,
                    "category_id": 1,
                    "score": float(rng.random()),
                    "keypoints": np.column_stack([near, np.ones(keypoints)]).reshape(-1).tolist(),
                }
            )
    ground_truth = {
        "images": [{"id": i} for i in range(images)],
        "categories": [{"id": 1, "name": "person"}],
        "annotations": truth,
    }
    return ground_truth, found


def test_equals_pycocotools_on_files_as_users_write_them(rng):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    ground_truth, found = case(rng)
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        rows = [
            row | {"id": i + 1, "num_keypoints": int(np.sum(np.array(row["keypoints"][2::3]) > 0))}
            for i, row in enumerate(ground_truth["annotations"])
        ]
        truth.dataset = ground_truth | {"annotations": rows, "info": {}}
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(found), "keypoints")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    ours = keypoint_average_precision(ground_truth, found, COCO_PERSON.sigmas)
    for name, row in STATS.items():
        assert ours[name] == pytest.approx(float(evaluation.stats[row]), abs=1e-9), name
    assert 0.1 < ours["OKS_AP"] < 0.9


@pytest.mark.parametrize("keypoints", [1, 5])
def test_the_truth_itself_is_perfect_whatever_the_skeleton(rng, keypoints):
    ground_truth, _ = case(rng, keypoints)
    for row in ground_truth["annotations"]:
        row["keypoints"][2] = 2  # at least one keypoint is marked
    found = [row | {"score": 0.9} for row in ground_truth["annotations"]]
    assert keypoint_average_precision(ground_truth, found, [0.05] * keypoints)["OKS_AP"] == 1


def test_nothing_found_and_nothing_to_find(rng):
    ground_truth, _ = case(rng)
    assert keypoint_average_precision(ground_truth, [], COCO_PERSON.sigmas)["OKS_AP"] == 0
    empty = ground_truth | {"annotations": []}
    assert keypoint_average_precision(empty, [], COCO_PERSON.sigmas)["OKS_AP"] is None


def test_unknown_images_are_named(rng):
    ground_truth, found = case(rng)
    found[0]["image_id"] = 99
    with pytest.raises(UserError, match=r"detection 0: expected image_id to be one of the 4 of .* got 99"):
        keypoint_average_precision(ground_truth, found, COCO_PERSON.sigmas)
