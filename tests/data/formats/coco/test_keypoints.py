"""COCO's keypoints: any skeleton, several classes, mirrors, and what is wrong with a file."""

import re

import numpy as np
import pytest

from keras_centernet import UserError, load_dataset
from keras_centernet.errors import DataWarning
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


def test_a_mirror_exchanges_left_and_right(write_keypoints):
    folder = write_keypoints([DOG], [(4, [10, 10, 20, 20], [12, 14, 2, 20, 15, 1, 30, 30, 2])])
    _, objects = load(folder, flip=1.0)
    # x -> 64 - x; the right ear becomes the left ear of the mirrored dog.
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
    np.testing.assert_array_equal(objects["keypoints_xyv"][0], 0)  # an object without marked keypoints is legal


@pytest.mark.parametrize(
    ("category", "keypoints", "message"),
    [
        (
            DOG,
            [1, 2, 3],
            "expected 9 finite numbers (x, y, v of each) as keypoints in entry 0 of 'annotations', got [1",
        ),
        (DOG, ["a"] * 9, "expected 9 finite numbers"),
        (DOG, {"x": 1}, "expected 9 finite numbers"),
        (DOG, 5, "expected 9 finite numbers"),
        (DOG, [[1, 2], 3], "expected 9 finite numbers"),
        (DOG, [float("nan")] * 9, "expected 9 finite numbers"),
        (DOG | {"keypoints": 5}, [], "expected a list of names as keypoints in entry 0 of 'categories', got 5"),
        (
            DOG | {"keypoints": [["a"]]},
            [],
            "expected a list of names as keypoints in entry 0 of 'categories', got [['a",
        ),
        (DOG | {"keypoints": ["a", "a"]}, [], "category 'dog': skeleton: expected different names of keypoints"),
        (DOG | {"skeleton": 5}, [], "category 'dog': "),
        (DOG | {"skeleton": [[1, 9]]}, [], "category 'dog': skeleton: expected limbs of two different keypoints"),
        (DOG | {"sigmas": ["a"]}, [], "category 'dog': "),
        (DOG | {"flip_pairs": 5}, [], "category 'dog': "),
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


def test_limbs_may_number_their_keypoints_from_zero(write_keypoints):
    data, _ = load(write_keypoints([DOG | {"skeleton": [[0, 1], [1, 2]]}], [(4, [10, 10, 20, 20], [])]))
    assert data.task_options["skeleton"]["limbs"] == [[0, 1], [1, 2]]


def mirrored(write_keypoints, category, **options):
    """Returns x of both keypoints after a training step that always mirrors, unless the data forbid it."""
    folder = write_keypoints([category], [(4, [10, 10, 20, 20], [12, 14, 2, 20, 15, 2])])
    data = load_dataset(folder, "train", task="pose", input_size=64, batch_size=1, augmentation="none", **options)
    shown = {tuple(objects["keypoints_xyv"][0, 0, :, 0].numpy()) for _ in range(8) for _, objects in data}
    return {tuple(round(float(x)) for x in xs) for xs in shown}


@pytest.mark.parametrize(
    ("category", "seen"),
    [
        ({"keypoints": ["l_eye", "r_eye"]}, {(12, 20), (44, 52)}),  # x -> 64 - x, and exchanged
        ({"keypoints": ["eyeR", "eyeL"]}, {(12, 20), (44, 52)}),
        ({"keypoints": ["beak", "tail"], "flip_pairs": []}, {(12, 20), (52, 44)}),
        ({"keypoints": ["a", "b"], "flip_pairs": [[0, 1]]}, {(12, 20), (44, 52)}),
    ],
    ids=str,
)
def test_mirrors_show_the_other_side(category, seen, write_keypoints):
    assert mirrored(write_keypoints, {"id": 4, "name": "dog", **category}) == seen


@pytest.mark.slow
def test_images_are_not_mirrored_where_sides_are_unknown(write_keypoints):
    category = {"id": 4, "name": "dog", "keypoints": ["a", "b"]}
    with pytest.warns(
        DataWarning, match="not mirrored, as the names of the keypoints do not tell left from right"
    ) as said:
        assert mirrored(write_keypoints, category) == {(12, 20)}
    assert len(said) == 1
    assert (52, 44) in mirrored(write_keypoints, category, flip=0.5)  # the user asked for it
