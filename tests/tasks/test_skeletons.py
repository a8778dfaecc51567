"""Skeletons are data; contradictory ones raise an error."""

import pytest

from keras_centernet import UserError
from keras_centernet.tasks.skeletons import COCO_PERSON, Skeleton, join_skeletons, left_right_pairs


def test_cocos_person():
    assert len(COCO_PERSON.names) == len(COCO_PERSON.sigmas) == 17
    # As published: (1, 2), (3, 4), ... are exchanged in a mirror image.
    assert COCO_PERSON.flip_pairs == tuple((i, i + 1) for i in range(1, 16, 2))
    assert COCO_PERSON.flip_order == [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]
    assert len(COCO_PERSON.limbs) == 19


def test_a_skeleton_is_rebuilt_from_plain_values():
    assert Skeleton(**COCO_PERSON.to_dict()) == COCO_PERSON


@pytest.mark.parametrize(
    ("names", "pairs"),
    [
        (["Left_Paw", "tail", "right_paw", "left_ear"], ((0, 2),)),
        (["l_eye", "r_eye"], ((0, 1),)),
        (["R-hip", "nose", "L-hip"], ((2, 0),)),
        (["eye_l", "eye_r", "ear_L", "ear_R"], ((0, 1), (2, 3))),
        (["eyeL", "eyeR"], ((0, 1),)),
        (["LEye", "REye"], ((0, 1),)),
        (["L_eye", "R_eye"], ((0, 1),)),
        (["left eye", "right eye"], ((0, 1),)),
        (["Left-Eye", "Right-Eye"], ((0, 1),)),
        (["LeftEye", "RightEye"], ((0, 1),)),
        (["righteye", "lefteye"], ((1, 0),)),
        (["eye.left.2", "eye.right.2", "eye.left.1", "eye.right.1"], ((0, 1), (2, 3))),
        (["lwrist", "rwrist", "head"], ((0, 1),)),
        (["LWRIST", "RWRIST"], ((0, 1),)),
        (["front_l_paw", "front_r_paw", "back_l_paw", "back_r_paw"], ((0, 1), (2, 3))),
        (["L", "R"], ((0, 1),)),
        (["1", "2", "3"], ()),
        (["nose", "tail", "left_ear"], ()),
        (["lip", "tip", "bright"], ()),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_sides_are_read_off_the_names(names, pairs):
    assert left_right_pairs(names) == pairs
    assert Skeleton(tuple(names), flip_pairs=None).flip_pairs == pairs


def test_sides_are_unknown_where_no_name_tells_them():
    assert not Skeleton(("a", "b"), flip_pairs=None).sides_known
    assert Skeleton(("a", "b"), flip_pairs=()).sides_known  # explicitly without pairs
    assert Skeleton(("a",), flip_pairs=None).sides_known
    assert Skeleton(("l_a", "r_a"), flip_pairs=None).sides_known
    unknown = Skeleton(("a", "b"), flip_pairs=None)
    assert Skeleton(**unknown.to_dict()) == unknown
    assert not join_skeletons([COCO_PERSON, unknown]).sides_known


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
