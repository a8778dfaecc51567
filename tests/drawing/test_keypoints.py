"""Keypoints and limbs: pixels found by hand, and keypoints that are hard to draw."""

import numpy as np
import pytest

from keras_centernet.drawing.boxes import class_color
from keras_centernet.drawing.keypoints import OUTLINE, draw_keypoints

GRAY = 128
LIMBS = ((0, 1), (1, 2))
ROW_OF_KEYPOINTS = np.array([[[20.0, 60.0], [80.0, 60.0], [140.0, 60.0]]])
CERTAIN = np.ones((1, 3))


def gray_image(height=120, width=160):
    return np.full((height, width, 3), GRAY, np.uint8)


def is_color(drawing, color):
    """Whether pixels have nearly that colour: OpenCV's anti-aliased lines let a little of the image shine through."""
    return np.all(np.abs(drawing.astype(int) - color) <= 25, axis=-1)


def changed(drawing):
    return np.any(drawing != GRAY, axis=-1)


def draw(keypoints_xy=ROW_OF_KEYPOINTS, scores=CERTAIN, limbs=LIMBS, image=None, **options):
    image = gray_image() if image is None else image
    return draw_keypoints(image, keypoints_xy, scores, limbs, **options)


def test_each_limb_has_a_color_of_its_own():
    drawing = draw(line_width=1)
    assert is_color(drawing, class_color(0))[60, 26:75].all()
    assert is_color(drawing, class_color(1))[60, 86:135].all()


def test_keypoints_have_a_bright_rim():
    drawing = draw(limbs=(), line_width=1)
    for column in (20, 80, 140):
        assert changed(drawing)[60, column]
        assert is_color(drawing, OUTLINE)[57:64, column - 3 : column + 4].any()


def test_nothing_changes_elsewhere():
    rows, columns = np.nonzero(changed(draw(line_width=1)))
    assert rows.min() >= 56
    assert rows.max() <= 64
    assert columns.min() >= 16
    assert columns.max() <= 144


@pytest.mark.parametrize(
    ("scores", "first_limb", "second_limb"),
    [
        pytest.param((0.9, 0.9, 0.9), True, True, id="all seen"),
        pytest.param((0.9, 0.9, 0.05), True, False, id="an end missing"),
        pytest.param((0.9, 0.05, 0.9), False, False, id="the middle missing"),
        pytest.param((0.1, 0.1, 0.0), True, False, id="at the threshold"),
        pytest.param((np.nan, 0.9, 0.9), False, True, id="no score"),
        pytest.param((0.0, 0.0, 0.0), False, False, id="none seen"),
    ],
)
def test_limbs_need_both_of_their_keypoints(scores, first_limb, second_limb):
    seen = changed(draw(scores=np.array([scores])))
    assert (seen[60, 50], seen[60, 110]) == (first_limb, second_limb)
    for score, column in zip(scores, (20, 80, 140), strict=True):
        assert seen[60, column] == (score >= 0.1)


def test_the_caller_sets_the_threshold():
    scores = np.full((1, 3), 0.4)
    assert changed(draw(scores=scores, threshold=0.4)).any()
    assert not changed(draw(scores=scores, threshold=0.41)).any()


@pytest.mark.parametrize("count", [1, 2, 5, 17, 133])
def test_any_number_of_keypoints(count):
    xy = np.stack([np.linspace(10, 150, count), np.full(count, 60.0)], axis=-1)[None]
    limbs = [(i, i + 1) for i in range(count - 1)]
    drawing = draw(xy, np.ones((1, count)), limbs)
    assert all(changed(drawing)[60, round(column)] for column in xy[0, :, 0])


def test_the_first_person_lies_on_top():
    first, second = [[20.0, 60.0], [140.0, 60.0]], [[80.0, 60.0], [80.0, 110.0]]
    over = draw(np.array([first, second]), np.ones((2, 2)), [(0, 1)], line_width=1)
    under = draw(np.array([second, first]), np.ones((2, 2)), [(0, 1)], line_width=1)
    # The first one's limb crosses the bright rim of the second one's upper keypoint.
    assert is_color(over, class_color(0))[60, 74:87].all()
    assert not is_color(under, class_color(0))[60, 77]


def test_lines_grow_with_the_image():
    widths = []
    for zoom in (2, 8, 16):
        drawing = draw(ROW_OF_KEYPOINTS * zoom, image=gray_image(120 * zoom, 160 * zoom))
        widths.append(changed(drawing)[:, 50 * zoom].sum())
    assert widths == sorted(set(widths))


@pytest.mark.parametrize("keypoints", [0, 3, 17])
def test_without_people_the_drawing_is_an_equal_copy(keypoints):
    image = gray_image()
    drawing = draw(np.zeros((0, keypoints, 2)), np.zeros((0, keypoints)), image=image)
    np.testing.assert_array_equal(drawing, image)
    assert not np.shares_memory(drawing, image)


def test_the_image_itself_is_not_painted_on():
    image = gray_image()
    image.flags.writeable = False
    draw(image=image)
    np.testing.assert_array_equal(image, GRAY)


@pytest.mark.parametrize("image_hw", [(1, 1), (3, 500), (300, 40)], ids=["one pixel", "a strip", "portrait"])
def test_keypoints_on_images_of_any_shape(image_hw):
    assert draw(image=gray_image(*image_hw)).shape == (*image_hw, 3)


@pytest.mark.parametrize("position", [np.nan, np.inf, -np.inf, (50.0, np.nan)], ids=str)
def test_a_keypoint_without_a_place_and_its_limbs_are_not_drawn(position):
    xy = ROW_OF_KEYPOINTS.copy()
    xy[0, 2] = position
    np.testing.assert_array_equal(draw(xy), draw(scores=np.array([[1.0, 1.0, 0.0]])))


@pytest.mark.parametrize("position", [(-40.0, 60.0), (1e12, 60.0), (80.0, -1e300)], ids=str)
def test_a_keypoint_outside_the_image_never_crashes(position):
    xy = ROW_OF_KEYPOINTS.copy()
    xy[0, 2] = position
    drawing = draw(xy)
    assert drawing.shape == (120, 160, 3)
    assert changed(drawing)[60, 20]


def test_a_limb_towards_a_keypoint_far_outside_keeps_its_direction():
    xy = np.array([[[10.0, 60.0], [5000.0, 1000.0]]])
    rows, columns = np.nonzero(changed(draw(xy, np.ones((1, 2)), [(0, 1)], line_width=1)))
    beyond_keypoint = columns > 20
    assert columns.max() == 159
    assert np.abs((rows - 60) - 940 / 4990 * (columns - 10))[beyond_keypoint].max() < 2


def test_keypoints_of_small_people_are_small():
    def keypoint(zoom):
        drawing = draw(ROW_OF_KEYPOINTS[0] / 4 * zoom + np.zeros((1, 1, 1)), limbs=(), image=gray_image(1200, 1600))
        return changed(drawing).sum()

    assert 1 < keypoint(2) < keypoint(16)
