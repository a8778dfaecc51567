"""Frames of reference: agreement with the published transforms, and the laws of letterbox and flip."""

import numpy as np
import pytest

from keras_centernet import geometry


def test_affine_equals_the_published_transform(fixture):
    arrays = fixture("affine")
    for row, expected, inverse in zip(arrays["params"], arrays["trans"], arrays["trans_inv"], strict=True):
        cx, cy, sx, sy, rotation, width, height = row
        matrix = geometry.affine((cx, cy), (sx, sy), rotation, (width, height))
        scale = np.abs(expected).max()
        np.testing.assert_allclose(matrix, expected, atol=2e-5 * scale)
        np.testing.assert_allclose(geometry.invert_affine(matrix), inverse, atol=2e-5 * np.abs(inverse).max())


def test_transformed_points_equal_the_published_ones(fixture):
    arrays = fixture("affine")
    points = geometry.transform_points(arrays["pts"], arrays["trans"])
    np.testing.assert_allclose(points, arrays["pts_affine"], rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize(
    ("name", "image_hw", "input_hw", "expected"),
    [
        ("landscape into a square", (480, 640), (512, 512), [[0.8, 0, 0], [0, 0.8, 64]]),
        ("portrait into a square", (640, 480), (512, 512), [[0.8, 0, 64], [0, 0.8, 0]]),
        ("already the right size", (64, 64), (64, 64), [[1, 0, 0], [0, 1, 0]]),
        ("one pixel", (1, 1), (64, 64), [[64, 0, 0], [0, 64, 0]]),
        ("tall image into a wide input loses nothing", (200, 100), (100, 400), [[0.5, 0, 175], [0, 0.5, 0]]),
    ],
)
def test_letterbox_by_hand(name, image_hw, input_hw, expected):
    np.testing.assert_allclose(geometry.letterbox(image_hw, input_hw), expected, atol=1e-12)


def test_letterbox_of_a_square_input_is_the_published_fixed_resolution(fixture):
    meta = fixture("affine")["pre_fix_s1_meta"]
    cx, cy, scale = meta[:3]
    expected = geometry.affine((cx, cy), scale, 0, (64, 64))
    np.testing.assert_allclose(geometry.letterbox((70, 101), (64, 64)), expected, atol=1e-12)


def test_keep_resolution_equals_the_published_table(fixture):
    for height, width, scale, pad, in_h, in_w, cx, cy in fixture("affine")["keep_res_table"]:
        view = geometry.keep_resolution((int(height), int(width)), int(pad) + 1, scale)
        assert view.input_hw == (in_h, in_w)
        assert view.resized_hw == (int(height * scale), int(width * scale))
        np.testing.assert_allclose(view.resized_to_input, [[1, 0, in_w / 2 - cx], [0, 1, in_h / 2 - cy]])


VIEWS = {
    "fix_s1": geometry.fixed_resolution((70, 101), (64, 64)),
    "fix_s075": geometry.fixed_resolution((70, 101), (64, 64), 0.75),
    "keep_s1": geometry.keep_resolution((70, 101)),
    "keep_s1_pad127": geometry.keep_resolution((70, 101), 128),
    "keep_s15": geometry.keep_resolution((70, 101), 32, 0.5),  # the name is the fixture's, the scale is 0.5
}


@pytest.mark.parametrize("name", VIEWS)
def test_views_are_placed_as_by_the_published_preprocessing(fixture, name):
    cx, cy, sx, _, _, _, in_h, in_w = fixture("affine")[f"pre_{name}_meta"]
    assert VIEWS[name].input_hw == (in_h, in_w)
    expected = geometry.affine((cx, cy), sx, 0, (in_w, in_h))
    np.testing.assert_allclose(VIEWS[name].resized_to_input, expected, atol=1e-12)


# Resizing and then warping rounds twice, which depends on OpenCV's version; one level is 1 / 255.
@pytest.mark.parametrize(
    ("name", "largest", "share_beyond_one"),
    [("fix_s1", 1.01, 0), ("fix_s075", 4.01, 0.01), ("keep_s1", 0.01, 0), ("keep_s15", 1.01, 0)],
)
def test_views_show_the_published_pixels(fixture, name, largest, share_beyond_one):
    arrays = fixture("affine")
    shown = geometry.view(arrays["img"], VIEWS[name])
    expected = arrays[f"pre_{name}_images"].transpose(0, 2, 3, 1) * arrays["std"] + arrays["mean"]
    levels = np.abs(shown / 255 - expected[0]) * 255
    assert levels.max() <= largest
    assert np.mean(levels > 1.01) <= share_beyond_one
    if len(expected) == 2:  # the second image is that of the flip test
        np.testing.assert_array_equal(expected[1], expected[0][:, ::-1])


@pytest.mark.parametrize("scale", [0.5, 1.0, 1.5])
def test_points_go_to_the_input_by_the_nominal_scale(scale):
    for view in (
        geometry.fixed_resolution((50, 75), (64, 96), scale),
        geometry.keep_resolution((50, 75), 32, scale),
    ):
        resized_xy = np.float64([[10, 20]]) * scale
        there = geometry.transform_points([[10, 20]], view.image_to_input)
        np.testing.assert_allclose(there, geometry.transform_points(resized_xy, view.resized_to_input))


def flip_affine(width):
    """The left-right mirror x' = width - 1 - x of a frame with the given width."""
    return np.array([[-1.0, 0.0, width - 1.0], [0.0, 1.0, 0.0]])


def test_flip_twice_is_the_identity(rng):
    boxes = np.sort(rng.uniform(0, 99, (5, 2, 2)), axis=1).reshape(5, 4)
    flip = flip_affine(100)
    np.testing.assert_allclose(geometry.transform_boxes(geometry.transform_boxes(boxes, flip), flip), boxes)


def test_flipped_boxes_stay_ordered():
    flipped = geometry.transform_boxes([[10, 5, 30, 9]], flip_affine(100))
    np.testing.assert_array_equal(flipped, [[69, 5, 89, 9]])


def test_flipping_an_image_moves_its_pixels_as_it_moves_points(rng):
    image = rng.integers(0, 256, (6, 9, 3), np.uint8)
    np.testing.assert_array_equal(geometry.warp(image, flip_affine(9), (6, 9)), image[:, ::-1])


def test_inverse_undoes_and_composition_chains(rng):
    first, second = rng.normal(size=(2, 2, 3))
    points = rng.normal(size=(7, 2))
    there = geometry.transform_points(points, first)
    np.testing.assert_allclose(geometry.transform_points(there, geometry.invert_affine(first)), points)
    chained = geometry.transform_points(points, geometry.compose_affine(second, first))
    np.testing.assert_allclose(chained, geometry.transform_points(there, second))


def test_box_orders():
    np.testing.assert_array_equal(geometry.xywh_to_xyxy([[1, 2, 3, 4]]), [[1, 2, 4, 6]])
    np.testing.assert_array_equal(geometry.xyxy_to_xywh([[1, 2, 4, 6]]), [[1, 2, 3, 4]])


BOX = (10.0, 20, 14, 22)  # of area 8


@pytest.mark.parametrize(
    ("name", "box", "other", "expected"),
    [
        ("the same", BOX, BOX, 1),
        ("the right half", BOX, (12, 20, 14, 22), 4 / 8),
        ("a corner", BOX, (13, 21, 17, 23), 1 / 15),
        ("side by side: no pixel is counted twice", BOX, (14, 20, 18, 22), 0),
        ("diagonal, so that both sides are negative", BOX, (20, 30, 24, 32), 0),
        ("without extent", BOX, (11, 21, 11, 21), 0),
        ("both without extent", (5, 5, 5, 5), (5, 5, 5, 5), 0),
        ("swapped corners", (14, 22, 10, 20), (14, 22, 10, 20), 0),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_overlap_by_hand(name, box, other, expected, dtype):
    found = geometry.box_iou(np.array([box], dtype), np.array([other], dtype))
    assert (found.shape, found.dtype) == ((1, 1), dtype)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_overlaps_are_computed_for_every_pair_of_boxes(rng):
    boxes, others = (np.sort(rng.uniform(0, 9, (count, 2, 2)), axis=1).reshape(count, 4) for count in (3, 5))
    found = geometry.box_iou(boxes, others)
    for i, j in np.ndindex(3, 5):
        np.testing.assert_array_equal(found[i, j], geometry.box_iou(boxes[i : i + 1], others[j : j + 1])[0, 0])
    np.testing.assert_array_equal(found.T, geometry.box_iou(others, boxes))
    assert geometry.box_iou(boxes[:0], others).shape == (0, 5)


def test_boxes_are_clipped_to_an_image_by_hand():
    boxes = np.array([[-5, 2, 7, 30], [8, 20, 20, 25], [3, 4, 3, 9], [1, 1, 2, 2]], np.float32)
    clipped, has_area = geometry.clip_to_size(boxes, (20, 10))
    assert clipped.tolist() == [[0, 2, 7, 20], [8, 20, 10, 20], [3, 4, 3, 9], [1, 1, 2, 2]]
    assert has_area.tolist() == [True, False, False, True]


def test_vectors_are_scaled_and_rotated_but_not_shifted():
    image_to_input = np.array([[0.0, 2.0, 30.0], [-2.0, 0.0, 50.0]])
    found = {"boxes_xyxy": np.float64([[0, 0, 8, 4]]), "velocities_dxy": np.float64([[1, 0]]), "tracks": np.array([7])}
    in_input = geometry.to_input_frame(found)
    np.testing.assert_array_equal(in_input["velocities_dxy"], [[4, 0]])
    in_image = geometry.to_image_frame(in_input, image_to_input)
    np.testing.assert_allclose(in_image["velocities_dxy"], [[0, 2]])
    np.testing.assert_array_equal(in_image["tracks"], [7])
