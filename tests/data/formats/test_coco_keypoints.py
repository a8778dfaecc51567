"""COCO's keypoints: any skeleton, several classes, mirrors, and what is wrong with a file."""

import re

import numpy as np
import pytest

from keras_centernet import UserError, load_dataset
from keras_centernet.tasks.skeletons import COCO_PERSON

DOG = {"id": 4, "name": "dog", "keypoints": ["left_ear", "right_ear", "tail"], "skeleton": [[1, 2]]}
BIRD = {"id": 9, "name": "bird", "keypoints": ["beak"]}


def load(folder, **options):
    options = {"input_size": 64, "batch_size": 1, "augmentation": "none", "flip": 0} | options
    data = load_dataset(folder, "train", task="pose", **options)
    _, objects = next(iter(data))
    return data, {key: value[0].numpy() for key, value in objects.items()}


def test_keypoints_of_any_skeleton(write_keypoints):
    folder = write_keypoints([DOG], [(4, [10, 10, 20, 20], [12, 14, 2, 20, 15, 1, 0, 0, 0])])
    data, objects = load(folder)
    assert data.classes == ("dog",)
    skeleton = data.task_options["skeleton"]
    assert skeleton["names"] == DOG["keypoints"]
    assert skeleton["flip_pairs"] == [[0, 1]]
    assert skeleton["limbs"] == [[0, 1]]
    np.testing.assert_allclose(objects["keypoints_xyv"][0], [[12, 14, 2], [20, 15, 1], [0, 0, 0]])


def test_a_mirror_changes_left_and_right(write_keypoints):
    folder = write_keypoints([DOG], [(4, [10, 10, 20, 20], [12, 14, 2, 20, 15, 1, 30, 30, 2])])
    _, objects = load(folder, flip=1.0)
    # x -> 64 - x; what was the right ear is the left ear of the mirrored dog.
    np.testing.assert_allclose(objects["keypoints_xyv"][0], [[44, 15, 1], [52, 14, 2], [34, 30, 2]])
    np.testing.assert_allclose(objects["boxes_xyxy"][0], [34, 10, 54, 30])


def test_several_classes_have_keypoints_of_their_own(write_keypoints):
    rows = [(9, [0, 0, 9, 9], [5, 6, 2]), (4, [10, 10, 20, 20], [12, 14, 2, 20, 15, 1, 30, 30, 2])]
    data, objects = load(write_keypoints([DOG, BIRD], rows))
    assert data.classes == ("dog", "bird")
    assert len(data.task_options["skeleton"]["names"]) == 4
    np.testing.assert_allclose(objects["keypoints_xyv"][0], [[0, 0, 0], [0, 0, 0], [0, 0, 0], [5, 6, 2]])
    np.testing.assert_allclose(objects["keypoints_xyv"][1, 3], 0)


def test_cocos_person_has_its_sigmas(write_keypoints):
    person = {"id": 1, "name": "person", "keypoints": list(COCO_PERSON.names), "skeleton": []}
    data, objects = load(write_keypoints([person], [(1, [0, 0, 20, 20], [])]))
    assert data.task_options["skeleton"] == COCO_PERSON.to_dict()
    np.testing.assert_array_equal(objects["keypoints_xyv"][0], 0)  # nothing marked is legal


@pytest.mark.parametrize(
    ("category", "keypoints", "message"),
    [
        (DOG, [1, 2, 3], "expected 9 finite numbers (x, y, v of each) as keypoints of annotation 0, got [1, 2, 3]"),
        (DOG, ["a"] * 9, "expected 9 finite numbers"),
        ({"id": 4, "name": "dog"}, [], "expected a category with 'keypoints' (their names), got none"),
        (
            DOG | {"flip_pairs": [[0, 3]]},
            [],
            "category 'dog': skeleton: expected flip_pairs of two different keypoints from 0 to 2, got (0, 3)",
        ),
    ],
)
def test_what_is_wrong_is_named(write_keypoints, category, keypoints, message):
    with pytest.raises(UserError, match=re.escape(message)):
        load(write_keypoints([category], [(4, [10, 10, 20, 20], keypoints)]))


def test_other_tasks_leave_the_keypoints_alone(write_keypoints):
    folder = write_keypoints([DOG], [(4, [10, 10, 20, 20], [1, 2, 3])])
    path = folder / "annotations" / "person_keypoints_train2017.json"
    data = load_dataset(folder, "train", annotations=path, batch_size=1)
    assert data.task_options == {}
