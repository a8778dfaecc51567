"""Skeletons are data, and contradict themselves loudly."""

import pytest

from keras_centernet import UserError
from keras_centernet.tasks.skeletons import COCO_PERSON, Skeleton, join_skeletons, left_right_pairs


def test_cocos_person():
    assert len(COCO_PERSON.names) == len(COCO_PERSON.sigmas) == 17
    # As published: (1, 2), (3, 4), ... change places in a mirror.
    assert COCO_PERSON.flip_pairs == tuple((i, i + 1) for i in range(1, 16, 2))
    assert COCO_PERSON.flip_order == [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]
    assert len(COCO_PERSON.limbs) == 19


def test_plain_values_make_an_equal_one():
    assert Skeleton(**COCO_PERSON.to_dict()) == COCO_PERSON


def test_sides_are_read_off_the_names():
    assert left_right_pairs(["Left_Paw", "tail", "right_paw", "left_ear"]) == ((0, 2),)


def test_several_classes_have_their_keypoints_one_after_the_other():
    both = join_skeletons(
        [Skeleton(("a", "b"), limbs=((0, 1),)), Skeleton(("a", "c", "d"), ((1, 2),), sigmas=(1, 2, 3))]
    )
    assert both.names == ("a_0", "b_0", "a_1", "c_1", "d_1")
    assert both.limbs == ((0, 1),)
    assert both.flip_pairs == ((3, 4),)
    assert both.sigmas == (0.05, 0.05, 1, 2, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"names": ()}, "expected different names of keypoints, got"),
        ({"names": ("a", "a")}, "expected different names of keypoints"),
        (
            {"names": ("a", "b"), "flip_pairs": ((0, 2),)},
            "expected flip_pairs of two different keypoints from 0",
        ),
        ({"names": ("a", "b"), "limbs": ((1, 1),)}, "expected limbs of two different keypoints from 0 to 1"),
        ({"names": tuple("abc"), "flip_pairs": ((0, 1), (1, 2))}, "expected every keypoint in one flip pair at most"),
        ({"names": ("a", "b"), "sigmas": (0.1,)}, r"expected 2 positive sigmas, got \[0.1\]"),
    ],
)
def test_contradictions(arguments, message):
    with pytest.raises(UserError, match=f"skeleton: {message}"):
        Skeleton(**arguments)
