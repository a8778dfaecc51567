"""3D boxes on images and from above: pixels found by hand, and objects that are hard to draw."""

import numpy as np
import pytest

from keras_centernet.drawing import draw_birds_eye
from keras_centernet.drawing.birds_eye import GRID, PAPER, TRUTH
from keras_centernet.drawing.boxes import class_color
from keras_centernet.drawing.boxes_3d import FRONT_VEIL, draw_boxes_3d
from keras_centernet.errors import UserError

GRAY = 128
CALIBRATION = np.array([[100.0, 0, 80, 0], [0, 100, 60, 0], [0, 0, 1, 0]])
LONG = np.array([[2.0, 2.0, 10.0]])  # h, w, l
AHEAD = np.array([[0.0, 1.0, 15.0]])
TOWARDS, AWAY = np.array([np.pi / 2]), np.array([-np.pi / 2])
NONE = np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0)


def gray_image(height=120, width=160):
    return np.full((height, width, 3), GRAY, np.uint8)


def is_color(drawing, color):
    """Whether pixels have nearly that colour: OpenCV's anti-aliased lines let a little of the image shine through."""
    return np.all(np.abs(drawing.astype(int) - color) <= 25, axis=-1)


def changed(drawing):
    return np.any(drawing != GRAY, axis=-1)


def draw(dimensions=LONG, locations=AHEAD, rotations=TOWARDS, classes=(1,), image=None, **options):
    image = gray_image() if image is None else image
    return draw_boxes_3d(image, dimensions, locations, rotations, classes, CALIBRATION, **options)


def test_edges_lie_where_they_are_projected():
    # The near face, at 10 m, is 2 m wide and high around the optical axis: 100 px / 10 m * 1 m = 10 px to each side;
    # the far face is at 20 m: 5 px.
    drawing = draw(line_width=1)
    color = is_color(drawing, class_color(1))
    assert color[50, 70:91].all()
    assert color[70, 70:91].all()
    assert color[50:71, 70].all()
    assert color[50:71, 90].all()
    assert color[55, 75:86].all()
    assert color[65, 75:86].all()


def test_nothing_changes_outside_the_box():
    rows, columns = np.nonzero(changed(draw(line_width=1)))
    # Anti-aliased lines reach one pixel beyond the projection.
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (49, 71, 69, 91)


@pytest.mark.parametrize(
    ("rotation", "near_is_tinted"), [(TOWARDS, True), (AWAY, False)], ids=["comes towards us", "drives away"]
)
def test_the_front_face_is_tinted(rotation, near_is_tinted):
    drawing = draw(rotations=rotation, line_width=1)
    tint = FRONT_VEIL * np.array(class_color(1)) + (1 - FRONT_VEIL) * GRAY
    assert np.abs(drawing[60, 80] - tint).max() <= 1  # both faces cover this pixel
    assert changed(drawing)[60, 72] == near_is_tinted  # only the near face covers this pixel


def test_near_boxes_cover_far_ones_in_any_order():
    boxes = np.tile(LONG, (2, 1)), np.array([[0, 1, 15.0], [0, 1, 25.0]]), np.tile(TOWARDS, 2)
    first = draw(*boxes, (1, 2), line_width=1)
    second = draw(*(values[::-1] for values in boxes), (2, 1), line_width=1)
    np.testing.assert_array_equal(first, second)
    # Both boxes have a face at 20 m: the near box's far face and the far box's near face.
    assert is_color(first, class_color(1))[55, 76:85].all()


def test_a_label_stands_on_its_box():
    with_label, without = draw(labels=["car"]), draw()
    rows, columns = np.nonzero(np.any(with_label != without, axis=-1))
    assert rows.max() <= 50
    assert 67 <= columns.min() <= 72


def test_lines_grow_with_the_image():
    def line(zoom):
        calibration = CALIBRATION * [[zoom], [zoom], [1]]
        image = gray_image(120 * zoom, 160 * zoom)
        drawing = draw_boxes_3d(image, LONG, AHEAD, AWAY, [1], calibration)
        return is_color(drawing, class_color(1))[:, 80 * zoom - 1][: 52 * zoom].sum()

    assert line(2) < line(8) < line(16)


def test_no_boxes_give_an_equal_copy():
    image = gray_image()
    drawing = draw(*NONE, [], image, labels=[])
    np.testing.assert_array_equal(drawing, image)
    assert not np.shares_memory(drawing, image)


def test_the_image_itself_is_not_painted_on():
    image = gray_image()
    image.flags.writeable = False
    draw(image=image, labels=["car"])
    np.testing.assert_array_equal(image, GRAY)


@pytest.mark.parametrize("image_hw", [(1, 1), (3, 500), (300, 40)], ids=["one pixel", "a strip", "portrait"])
def test_boxes_on_images_of_any_shape(image_hw):
    drawing = draw(image=gray_image(*image_hw), labels=["car"])
    assert drawing.shape == (*image_hw, 3)


@pytest.mark.parametrize(
    "location",
    [
        pytest.param((0, 1, -10), id="behind"),
        pytest.param((0, 1, -5.1), id="just behind"),
        pytest.param((np.nan, 1, 10), id="nowhere"),
        pytest.param((0, 1, np.inf), id="infinitely far"),
        pytest.param((0, -np.inf, 10), id="infinitely high"),
    ],
)
def test_boxes_that_are_not_in_front_of_the_camera_are_left_out(location):
    np.testing.assert_array_equal(draw(locations=np.array([location]), labels=["car"]), GRAY)


def test_a_box_half_behind_stays_on_its_side():
    # It reaches from 8 m behind to 2 m in front of the camera, at least 1 m to the right of the axis.
    drawing = draw(locations=np.array([[2.0, 1.0, -3.0]]))
    assert changed(drawing)[:, 80:].any()
    assert not changed(drawing)[:, :80].any()


@pytest.mark.parametrize(
    "boxes",
    [
        pytest.param((LONG * np.nan, AHEAD, TOWARDS), id="no size"),
        pytest.param((LONG, AHEAD, TOWARDS * np.nan), id="no rotation"),
        pytest.param((LONG, AHEAD * 0, TOWARDS), id="around the camera"),
        pytest.param((LONG * 0, AHEAD, TOWARDS), id="a point"),
        pytest.param((-LONG, AHEAD, TOWARDS), id="negative size"),
    ],
)
def test_strange_numbers_never_crash(boxes):
    assert draw(*boxes, labels=["car"]).shape == (120, 160, 3)
    assert draw_birds_eye(*boxes, [1], height=200).shape == (200, 150, 3)


def test_one_unreadable_box_does_not_hide_the_others():
    boxes = np.tile(LONG, (2, 1)), np.concatenate([AHEAD * np.nan, AHEAD]), np.tile(TOWARDS, 2)
    np.testing.assert_array_equal(draw(*boxes, (0, 1), labels=["a", "b"]), draw(labels=["b"]))
    np.testing.assert_array_equal(draw_birds_eye(*boxes, (0, 1)), draw_birds_eye(LONG, AHEAD, TOWARDS, [1]))


def above(*boxes, classes=(1,), **options):
    """Draws 10 px per metre: 20 m in 200 px, with the camera at column 75."""
    return draw_birds_eye(*boxes, classes, **{"height": 200, "meters": 20} | options)


def test_from_above_a_footprint_covers_its_metres():
    drawing = above([[2.0, 2.0, 4.0]], [[3.0, 1.0, 15.0]], [0.0])
    # l = 4 m along x around column 75 + 30, w = 2 m along z around row 200 - 150
    expected = np.zeros((200, 150), bool)
    expected[39:62, 84:127] = True
    painted = is_color(drawing, class_color(1))
    assert not painted[~expected].any()
    assert painted[42:46, 87:124].all()  # away from the heading line


@pytest.mark.parametrize(
    ("rotation", "front"),
    [(0.0, (50, 127)), (np.pi, (50, 83)), (-np.pi / 2, (28, 105)), (np.pi / 2, (72, 105))],
    ids=["right", "left", "away", "towards us"],
)
def test_from_above_the_heading_leaves_the_front(rotation, front):
    drawing = above([[2.0, 2.0, 4.0]], [[3.0, 1.0, 15.0]], [rotation])
    assert is_color(drawing, TRUTH)[front]
    behind = 2 * np.array([50, 105]) - front
    assert not is_color(drawing, TRUTH)[tuple(behind)]


def test_from_above_a_line_and_a_label_stand_every_ten_metres():
    drawing = draw_birds_eye(*NONE, [], height=400, meters=40)
    lines = [row for row in range(400) if is_color(drawing, GRID)[row, 40:].sum() > 250]
    assert lines == [0, 100, 200, 300]
    for row in lines[1:]:
        assert (drawing[row - 14 : row - 3, 5:40].min(axis=-1) < 200).any()


def test_from_above_the_camera_stands_below_in_the_middle():
    drawing = draw_birds_eye(*NONE, [], height=400, meters=40)
    marked = drawing[380:].min(axis=-1) < 150
    columns = np.flatnonzero(marked.any(axis=0))
    assert abs((columns.min() + columns.max()) / 2 - 150) <= 1


def test_from_above_the_truth_is_an_outline():
    box = [[2.0, 2.0, 4.0]], [[3.0, 1.0, 15.0]], [0.0]
    drawing = above(*NONE, classes=[], truth=box)
    dark = is_color(drawing, TRUTH)
    assert dark[40, 86:125].all()
    assert dark[60, 86:125].all()
    assert not dark[42:46, 87:124].any()
    assert not is_color(drawing, class_color(0)).any()


def test_from_above_colors_are_those_of_the_classes():
    boxes = [[2.0, 2.0, 4.0]] * 2, [[-3.0, 1.0, 15.0], [3.0, 1.0, 15.0]], [0.0, 0.0]
    drawing = above(*boxes, classes=(2, 5))
    assert is_color(drawing, class_color(2))[44, 45]
    assert is_color(drawing, class_color(5))[44, 105]


@pytest.mark.parametrize("depth", [8.0, 35.0, 90.0])
def test_from_above_the_range_follows_the_objects(depth):
    box = np.array([[2.0, 2.0, 4.0]]), np.array([[0.0, 1.0, depth]]), np.zeros(1)
    for drawing in (draw_birds_eye(*box, [1]), draw_birds_eye(*NONE, [], truth=box)):
        rows = np.nonzero(np.any(np.abs(drawing.astype(int) - PAPER) > 120, axis=-1)[:690, 230:310])[0]
        assert len(rows)
        assert rows.min() > 0


def test_from_above_without_objects_an_empty_field_is_drawn():
    drawing = draw_birds_eye(*NONE, [])
    assert drawing.shape == (720, 540, 3)
    assert is_color(drawing, PAPER).mean() > 0.9


def test_from_above_the_arguments_are_not_changed():
    boxes = LONG.copy(), AHEAD.copy(), TOWARDS.copy()
    above(*boxes, truth=boxes)
    for kept, original in zip(boxes, (LONG, AHEAD, TOWARDS), strict=True):
        np.testing.assert_array_equal(kept, original)


def test_an_edge_that_passes_the_camera_stays_straight():
    # A line along z, 2 m to the right and 0.2 m below the axis, from behind the camera to 50 m ahead: its points
    # appear at x = 80 + 200 / z and y = 60 + 20 / z.
    line = np.array([[0.0, 0.0, 60.0]]), np.array([[2.0, 0.2, 20.0]])
    rows, columns = np.nonzero(changed(draw(*line, line_width=1)))
    assert columns.max() == 159
    assert np.abs((rows - 60) - 0.1 * (columns - 80)).max() < 2


@pytest.mark.parametrize("location", [(100, 1, 10), (-100, 1, 10), (0, 100, 10), (0, -100, 10)], ids=str)
def test_a_box_outside_the_image_has_no_label(location):
    np.testing.assert_array_equal(draw(locations=np.array([location], float), labels=["car"]), GRAY)


def test_a_box_half_behind_has_its_label_and_its_front():
    half_behind = {"locations": np.array([[2.0, 1.0, -3.0]]), "rotations": AWAY}
    without, with_label = draw(**half_behind), draw(**half_behind, labels=["car"])
    assert np.any(with_label != without)
    beside = draw(locations=np.array([[0.0, 1.0, 1.0]]), rotations=np.zeros(1), dimensions=np.array([[2.0, 3.0, 3.0]]))
    tint = FRONT_VEIL * np.array(class_color(1)) + (1 - FRONT_VEIL) * GRAY
    assert np.abs(beside[60, 155] - tint).max() <= 1  # the front reaches past the camera on the right


def test_labels_lie_above_all_boxes():
    boxes = np.tile(LONG, (2, 1)), np.array([[0, 1.4, 30.0], [0, 1.0, 15.0]]), np.tile(TOWARDS, 2)
    both, near = draw(*boxes, (2, 1), labels=["far", "near"]), draw(*boxes, (2, 1), labels=["", "near"])
    assert np.any(both != near)
    filled = is_color(both, class_color(2))
    assert filled.any(axis=1).sum() >= 8


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e300], ids=str)
@pytest.mark.parametrize("which", [0, 1, 2], ids=["size", "location", "rotation"])
def test_infinite_numbers_are_left_out_silently(which, value):
    boxes = [LONG.copy(), AHEAD.copy(), TOWARDS.copy()]
    boxes[which].flat[0] = value
    assert draw(*boxes, labels=["car"]).shape == (120, 160, 3)
    assert above(*boxes, truth=tuple(boxes)).shape == (200, 150, 3)


@pytest.mark.parametrize("side", [-20.0, 20.0], ids=["left", "right"])
def test_from_above_the_range_follows_objects_at_the_side(side):
    drawing = draw_birds_eye(LONG, [[side, 1.0, 10.0]], [0.0], [1])
    columns = np.flatnonzero(is_color(drawing, class_color(1)).any(axis=0))
    assert columns.min() > 0
    assert columns.max() < 539


def test_from_above_what_is_behind_does_not_widen_the_range():
    boxes = np.tile(LONG, (2, 1)), np.array([[0, 1, 15.0], [0, 1, -90.0]]), np.tile(TOWARDS, 2)
    np.testing.assert_array_equal(draw_birds_eye(*boxes, (1, 1)), draw_birds_eye(LONG, AHEAD, TOWARDS, [1]))


def test_from_above_the_first_box_lies_on_top():
    boxes = np.tile(LONG, (2, 1)), np.tile(AHEAD, (2, 1)), np.tile(TOWARDS, 2)
    drawing = above(*boxes, classes=(1, 2))
    assert is_color(drawing, class_color(1)).any()
    assert not is_color(drawing, class_color(2)).any()


@pytest.mark.parametrize("meters", [0, -5, np.nan, np.inf], ids=str)
def test_from_above_an_invalid_range_is_refused(meters):
    with pytest.raises(UserError) as error:
        draw_birds_eye(*NONE, [], meters=meters)
    assert str(error.value) == f"draw_birds_eye: expected positive finite meters, got {meters}; None chooses them."


def test_an_invalid_calibration_is_refused():
    with pytest.raises(UserError, match="draw_boxes_3d: calibration: expected finite numbers, got NaN or infinity"):
        draw_boxes_3d(gray_image(), LONG, AHEAD, TOWARDS, [1], CALIBRATION * np.nan)
