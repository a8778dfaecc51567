"""Drawings of 3D boxes, from the camera and from above, and of limbs."""

import numpy as np
import pytest

from keras_centernet import Detections
from keras_centernet.drawing import draw_birds_eye
from keras_centernet.drawing.boxes import class_color
from keras_centernet.drawing.boxes_3d import draw_boxes_3d
from keras_centernet.drawing.keypoints import draw_keypoints
from keras_centernet.tasks import TASKS

CALIBRATION = np.array([[100.0, 0, 80, 0], [0, 100, 60, 0], [0, 0, 1, 0]])
GRAY = np.full((120, 160, 3), 128, np.uint8)
CAR = np.array([[1.5, 1.6, 3.9]])


def changed(drawing):
    return np.any(drawing != GRAY, axis=-1)


def boxes_3d(location, **options):
    return draw_boxes_3d(GRAY, CAR, np.array([location], float), np.array([0.3]), [1], CALIBRATION, **options)


def test_a_box_is_drawn_where_it_is_seen():
    drawing = boxes_3d((0, 1, 10))
    rows, columns = np.nonzero(changed(drawing))
    # 3.9 m at 10 m and 100 px of focal length: about 40 px around the middle column, below the horizon.
    assert 55 <= columns.min() < columns.max() <= 105
    assert 50 <= rows.min() < rows.max() <= 76
    assert np.any(np.all(drawing == class_color(1), axis=-1))
    assert np.all(GRAY == 128)  # the image itself is untouched


def test_labels_stand_on_their_boxes():
    assert changed(boxes_3d((0, 1, 10), labels=["car"])).sum() > changed(boxes_3d((0, 1, 10))).sum()


@pytest.mark.parametrize(
    ("name", "location", "is_seen"),
    [
        ("behind the camera", (0, 1, -10), False),
        ("half behind", (3, 1, 0.5), True),
        ("nowhere", (np.nan, 1, 10), False),
        ("at infinity", (0, 1, np.inf), False),
    ],
)
def test_boxes_that_are_hard_to_draw(name, location, is_seen):
    drawing = boxes_3d(location, labels=["car"])
    assert drawing.shape == GRAY.shape
    if not is_seen:
        np.testing.assert_array_equal(drawing, GRAY)


def test_from_above_far_objects_are_drawn_high_up():
    empty = draw_birds_eye(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0), [], height=200, meters=20)
    left = draw_birds_eye(CAR, np.array([[-4.0, 1, 15]]), np.array([0.0]), [1], height=200, meters=20)
    assert left.shape == (200, 150, 3)
    rows, columns = np.nonzero(np.any(left != empty, axis=-1))
    assert rows.max() < 70  # 15 of 20 m away, so high up in the drawing
    assert columns.max() < 75  # 4 m to the left
    both = draw_birds_eye(
        CAR, np.array([[-4.0, 1, 15]]), np.zeros(1), [1], truth=(CAR, [[5.0, 1, 8]], [0.0]), height=200
    )
    assert both.shape == (200, 150, 3)


def test_from_above_boxes_with_nan_are_left_out():
    draw_birds_eye(CAR, np.array([[np.nan, 1, 15]]), np.zeros(1), [0])


def test_limbs_need_both_of_their_keypoints():
    xy = np.array([[[20.0, 60.0], [80.0, 60.0], [140.0, 60.0]]])
    drawing = draw_keypoints(GRAY, xy, np.array([[0.9, 0.9, 0.05]]), [(0, 1), (1, 2)])
    assert changed(drawing)[60, 50]  # the limb between the first two
    assert not changed(drawing)[60, 110:].any()  # the third keypoint's score is too low
    np.testing.assert_array_equal(draw_keypoints(GRAY, np.zeros((0, 3, 2)), np.zeros((0, 3)), [(0, 1)]), GRAY)
    draw_keypoints(GRAY, np.full((1, 3, 2), np.nan), np.ones((1, 3)), [(0, 1)])


def test_detections_draw_what_their_task_adds():
    common = {"scores": [0.9], "classes": [0], "class_names": ["thing"], "image": GRAY}
    pose = TASKS["pose"].build(("thing",))
    keypoints = {"keypoints_xy": np.full((1, 17, 2), 60.0), "keypoint_scores": np.ones((1, 17))}
    plain = Detections([[10, 10, 50, 50]], **common).draw()
    with_keypoints = Detections([[10, 10, 50, 50]], **common, extras=keypoints, paint=pose.paint).draw()
    assert changed(with_keypoints)[60, 60]
    assert not changed(plain)[60, 60]
    boxes = {
        "locations": np.array([[0.0, 1, 10]]),
        "dimensions": CAR,
        "rotation_y": np.zeros(1),
        "calibration": CALIBRATION[None],
    }
    task = TASKS["detection_3d"].build(("thing",))
    found = Detections([[10, 10, 50, 50]], **common, extras=boxes, paint=task.paint)
    assert not changed(found.draw())[10, 12:48].any()  # the 3D box replaces the 2D one
    assert found[0].locations.shape == (1, 3)
    both = found.draw(birds_eye=True)
    np.testing.assert_array_equal(both[:, :160], found.draw())
    above = draw_birds_eye(found.dimensions, found.locations, found.rotation_y, found.classes, height=120)
    np.testing.assert_array_equal(both[:, 160:], above)
    assert found[:0].draw(birds_eye=True).shape == both.shape
    assert len(found.filter(0.95).draw()) == 120
    with pytest.raises(AttributeError, match="Detections have no 'speed'; this task adds locations, dimensions"):
        found.speed  # noqa: B018
