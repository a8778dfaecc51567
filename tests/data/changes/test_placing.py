import cv2
import numpy as np
import pytest
import tensorflow as tf

from keras_centernet import geometry
from keras_centernet.data import in_graph
from keras_centernet.data.changes import placing
from keras_centernet.method.specs import FieldSpec

INPUT_HW = (96, 128)


def example_of(image_hw=(48, 64), boxes_xyxy=((5, 6, 25, 30),), seed=0):
    count = len(boxes_xyxy)
    return {
        "image": tf.constant(np.random.default_rng(1).integers(0, 256, (*image_hw, 3), np.uint8)),
        "boxes_xyxy": tf.constant(np.reshape(boxes_xyxy, (-1, 4)), tf.float32),
        "classes": tf.range(count),
        "is_crowd": tf.zeros(count, tf.bool),
        "is_difficult": tf.zeros(count, tf.bool),
        "areas": tf.ones(count),
        "seed": tf.constant([3, seed * 10], tf.int64),
    }


def published_border(border, size):
    """The published rule of `_get_border`, as a slow loop."""
    i = 1
    while size - border // i <= border // i:
        i *= 2
    return border // i


def center_and_extent(matrix, input_hw):
    """Returns the image point in the middle of the input, and how many image pixels the input's width spans."""
    middle = geometry.transform_points(np.array([[input_hw[1] / 2, input_hw[0] / 2]]), geometry.invert_affine(matrix))
    return middle[0], input_hw[1] / matrix[0, 0]


@pytest.mark.parametrize("image_hw", [(48, 64), (64, 48), (1, 1), (1, 300), (375, 1242)])
@pytest.mark.parametrize("input_hw", [(64, 64), (96, 320), (320, 96)])
def test_letterbox_equals_geometry(image_hw, input_hw):
    matrix = placing.letterbox(example_of(image_hw), input_hw)["image_to_input"]
    assert matrix.dtype == tf.float64
    np.testing.assert_allclose(matrix, geometry.letterbox(image_hw, input_hw), atol=1e-9)


@pytest.mark.parametrize("image_hw", [(48, 64), (480, 640), (257, 256), (300, 1), (2, 5)])
def test_random_crop_follows_the_published_rule(image_hw):
    scales = set()
    for seed in range(50):
        matrix = placing.random_crop(example_of(image_hw, seed=seed), (64, 64))["image_to_input"].numpy()
        (x, y), extent = center_and_extent(matrix, (64, 64))
        for value, side in ((x, image_hw[1]), (y, image_hw[0])):
            border = published_border(128, side)
            assert abs(value - round(value)) < 1e-6
            assert border - 1e-6 <= value < side - border + 1e-6 or side == 1
        scales.add(round(extent / max(image_hw), 6))
    assert scales == {0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3}


def test_random_crop_reaches_the_whole_range_of_centres():
    matrices = [
        placing.random_crop(example_of((9, 640), seed=s), (64, 64))["image_to_input"].numpy() for s in range(120)
    ]
    xs = [center_and_extent(matrix, (64, 64))[0][0] for matrix in matrices]
    assert 128 <= min(xs) < 145
    assert 495 < max(xs) < 512


def test_shift_and_scale_are_clipped_normals():
    matrices = [
        placing.random_shift_scale(example_of(seed=seed), (64, 64))["image_to_input"].numpy() for seed in range(150)
    ]
    centers, extents = zip(*[center_and_extent(matrix, (64, 64)) for matrix in matrices], strict=True)
    shifts, scales = (np.array(centers) - (32, 24)) / 64, np.array(extents) / 64
    assert np.abs(shifts).max() == pytest.approx(0.2)
    assert np.std(shifts) == pytest.approx(0.1, abs=0.03)
    assert (scales.min(), scales.max()) == (pytest.approx(0.6), pytest.approx(1.4))
    assert np.mean(scales) == pytest.approx(1, abs=0.08)


def test_flip_equals_the_published_order_of_steps():
    """Published: mirror the image, c_x <- W - c_x - 1, boxes x <- W - x - 1, then one affine."""
    image_hw, center, extent = (48, 64), np.array([20.0, 25.0]), 50.0
    example = example_of(image_hw) | {"image_to_input": tf.constant(geometry.affine(center, extent, 0, (64, 64)))}
    flipped = placing.warp(placing.random_flip(example, (64, 64), 1.0), (64, 64))
    mirrored = np.ascontiguousarray(example["image"].numpy()[:, ::-1])
    matrix = geometry.affine((image_hw[1] - center[0] - 1, center[1]), extent, 0, (64, 64))
    difference = np.abs(flipped["image"].numpy().astype(int) - geometry.warp(mirrored, matrix, (64, 64)))
    assert difference.max() <= 8  # OpenCV rounds the sampling point to 1/32 pixel
    x1, y1, x2, y2 = example["boxes_xyxy"].numpy()[0]
    expected = geometry.transform_boxes(np.array([[64 - x2 - 1, y1, 64 - x1 - 1, y2]]), matrix)
    np.testing.assert_allclose(flipped["boxes_xyxy"], expected, atol=1e-4)


def test_flip_twice_is_the_identity():
    example = placing.letterbox(example_of(), INPUT_HW)
    once = placing.random_flip(example, INPUT_HW, 1.0)
    assert once["image_to_input"][0, 0] < 0
    twice = placing.random_flip(once, INPUT_HW, 1.0)
    np.testing.assert_array_equal(twice["image_to_input"], example["image_to_input"])


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_flip_probability(probability):
    examples = [placing.letterbox(example_of(seed=seed), INPUT_HW) for seed in range(200)]
    flips = [float(placing.random_flip(e, INPUT_HW, probability)["image_to_input"][0, 0]) < 0 for e in examples]
    assert np.mean(flips) == pytest.approx(probability, abs=0.12 * (0 < probability < 1))


def test_vertical_flip_turns_the_image_upside_down():
    """Against NumPy: the letterboxed image with its rows reversed, one row down, like the horizontal flip."""
    example = placing.letterbox(example_of(), INPUT_HW)
    plain, flipped = (
        placing.warp(placing.random_vertical_flip(example, INPUT_HW, chance), INPUT_HW) for chance in (0.0, 1.0)
    )
    np.testing.assert_allclose(flipped["image"][1:].numpy().astype(int), plain["image"][:0:-1], atol=8)
    (x1, y1, x2, y2) = plain["boxes_xyxy"].numpy()[0]
    np.testing.assert_allclose(flipped["boxes_xyxy"][0], [x1, 96 - y2, x2, 96 - y1], atol=1e-4)


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_vertical_flip_probability(probability):
    examples = [placing.letterbox(example_of(seed=seed), INPUT_HW) for seed in range(200)]
    matrices = [placing.random_vertical_flip(e, INPUT_HW, probability)["image_to_input"].numpy() for e in examples]
    assert all(matrix[0, 0] > 0 for matrix in matrices)
    share = np.mean([matrix[1, 1] < 0 for matrix in matrices])
    assert share == pytest.approx(probability, abs=0.12 * (0 < probability < 1))


@pytest.mark.parametrize(("flips", "order"), [((1, 0), [1, 0]), ((0, 1), [1, 0]), ((1, 1), [0, 1]), ((0, 0), [0, 1])])
def test_every_mirror_exchanges_left_and_right(flips, order):
    """Two mirrors together are half a turn, which exchanges nothing."""
    fields = {"keypoints_xyv": FieldSpec("float32", (2, 3))}
    example = placing.letterbox(example_of(), INPUT_HW) | {"keypoints_xyv": tf.constant([[[10.0, 12, 2], [20, 30, 1]]])}
    placed = placing.random_flip(example, INPUT_HW, flips[0])
    placed = placing.random_vertical_flip(placed, INPUT_HW, flips[1])
    keypoints = placing.warp(placed, INPUT_HW, fields, [1, 0])["keypoints_xyv"].numpy()[0]
    moved = np.array([[20, 24], [40, 60]], float)
    moved = np.where(flips, [128, 96] - moved, moved)
    np.testing.assert_allclose(keypoints[order, :2], moved, atol=1e-4)
    assert keypoints[order, 2].tolist() == [2, 1]


@pytest.mark.parametrize("place", [placing.letterbox, placing.random_crop, placing.random_shift_scale])
@pytest.mark.parametrize("seed", range(4))
def test_boxes_stay_on_their_object(place, seed):
    """Draws a white rectangle, warps, and compares the box with the extent of the white pixels."""
    image = np.zeros((120, 160, 3), np.uint8)
    cv2.rectangle(image, (60, 50), (90, 75), (255, 255, 255), -1)
    example = example_of((120, 160), [(60, 50, 90, 75)], seed) | {"image": tf.constant(image)}
    warped = placing.warp(placing.random_flip(place(example, (256, 256)), (256, 256)), (256, 256))
    ys, xs = np.nonzero(warped["image"].numpy()[..., 0] > 127)
    box = np.clip(warped["boxes_xyxy"].numpy()[0], 0, 255)
    np.testing.assert_allclose(box, [xs.min(), ys.min(), xs.max(), ys.max()], atol=1.6)


@pytest.mark.parametrize(
    ("name", "box_xyxy", "stays"),
    [
        ("inside", (10, 10, 20, 20), True),
        ("over the corner", (-5, -5, 1, 1), True),
        ("touches from outside", (-5, 10, 0, 20), False),
        ("right of it", (64, 10, 70, 20), False),
        ("covers all", (-9, -9, 99, 99), True),
    ],
)
def test_objects_that_do_not_meet_the_input_are_dropped(name, box_xyxy, stays):
    example = example_of((64, 64), [box_xyxy, (1, 1, 3, 3)]) | {"image_to_input": tf.eye(2, 3, dtype=tf.float64)}
    warped = placing.warp(example, (64, 64))
    assert warped["classes"].numpy().tolist() == ([0, 1] if stays else [1])
    if stays:
        np.testing.assert_array_equal(warped["boxes_xyxy"][0], box_xyxy)  # not clipped


def test_one_pixel_image_without_objects():
    warped = placing.warp(placing.random_crop(example_of((1, 1), []), (64, 64)), (64, 64))
    assert warped["image"].shape == (64, 64, 3)
    assert warped["boxes_xyxy"].shape == (0, 4)
    assert warped["image_hw"].numpy().tolist() == [1, 1]


@pytest.mark.parametrize("place", [placing.letterbox, placing.random_crop, placing.random_shift_scale])
def test_eager_equals_dataset_map(place):
    def step(example):
        return placing.warp(placing.random_flip(place(example, INPUT_HW), INPUT_HW), INPUT_HW)

    example = example_of()
    mapped = next(iter(tf.data.Dataset.from_tensors(example).map(step)))
    for key, value in step(example).items():
        np.testing.assert_array_equal(mapped[key], value)


def test_half_of_the_images_are_zoomed_and_marked():
    marks, extents = [], []
    for seed in range(80):
        example = placing.zoom_half(example_of(seed=seed), INPUT_HW)
        _, extent = center_and_extent(example["image_to_input"].numpy(), INPUT_HW)
        whole = center_and_extent(geometry.letterbox((48, 64), INPUT_HW), INPUT_HW)[1]
        marks.append(bool(example["is_zoomed"]))
        extents.append(extent / whole)
    assert 25 < sum(marks) < 55
    np.testing.assert_allclose([e for e, mark in zip(extents, marks, strict=True) if not mark], 1)
    zoomed = [e for e, mark in zip(extents, marks, strict=True) if mark]
    assert 0.6 - 1e-9 <= min(zoomed) < 0.8
    assert 1.2 < max(zoomed) <= 1.4 + 1e-9


def test_turned_images_turn_their_keypoints_and_leave_their_boxes():
    fields = {"keypoints_xyv": FieldSpec("float32", (2, 3))}
    turned = 0
    for seed in range(12):
        placed = placing.letterbox(example_of(seed=seed), INPUT_HW)
        placed["keypoints_xyv"] = tf.constant([[[10.0, 12, 2], [20, 30, 1]]])
        upright = placing.warp(placed, INPUT_HW, fields, [1, 0])
        example = placing.random_rotation(placed, INPUT_HW, 20.0)
        warped = placing.warp(example, INPUT_HW, fields, [1, 0])
        np.testing.assert_allclose(warped["boxes_xyxy"], upright["boxes_xyxy"])
        expected = geometry.transform_points([[10, 12], [20, 30]], example["image_to_input"].numpy())
        np.testing.assert_allclose(warped["keypoints_xyv"][0, :, :2], expected, atol=1e-3)  # no mirror: same order
        middle = geometry.transform_points([[32.0, 24.0]], example["image_to_input"].numpy())
        np.testing.assert_allclose(middle, [[64, 48]], atol=1e-9)
        assert "boxes_to_input" not in warped
        turned += bool(example["is_rotated"])
    assert 0 < turned < 12


def test_fields_move_as_their_names_say():
    fields = {
        "tips_xy": FieldSpec("float32", (2,)),
        "velocities_dxy": FieldSpec("float32", (2,)),
        "parts_xyxy": FieldSpec("float32", (4,)),
        "keypoints_xyv": FieldSpec("float32", (2, 3)),
        "embeddings": FieldSpec("float32", (4,)),
        "focus_xy": FieldSpec("float32", (2,), of_image=True),
    }
    example = example_of((64, 64), [(8, 8, 20, 20), (-9, -9, -5, -5)]) | {
        "tips_xy": tf.constant([[10.0, 11], [0, 0]]),
        "velocities_dxy": tf.constant([[1.0, 3], [0, 0]]),
        "parts_xyxy": tf.constant([[8.0, 9, 12, 14], [0, 0, 1, 1]]),
        "keypoints_xyv": tf.constant([[[10.0, 11, 2], [20, 21, 1]], [[0, 0, 0], [0, 0, 0]]]),
        "embeddings": tf.constant([[1.0, 2, 3, 4], [0, 0, 0, 0]]),
        "focus_xy": tf.constant([30.0, 31]),
        "image_to_input": tf.constant([[-2.0, 0, 128], [0, 2, 1]], tf.float64),  # mirrored, zoom 2, one pixel down
    }
    for resample in (None, in_graph.resample):
        warped = placing.warp(example, (128, 128), fields, [1, 0], resample)
        np.testing.assert_allclose(warped["tips_xy"], [[108, 23]])
        np.testing.assert_allclose(warped["velocities_dxy"], [[-2, 6]])
        np.testing.assert_allclose(warped["parts_xyxy"], [[104, 19, 112, 29]])
        np.testing.assert_allclose(warped["keypoints_xyv"], [[[88, 43, 1], [108, 23, 2]]])  # left and right exchanged
        np.testing.assert_allclose(warped["embeddings"], [[1, 2, 3, 4]])
        np.testing.assert_allclose(warped["focus_xy"], [68, 63])
