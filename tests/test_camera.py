"""Between pixels and metres: the published arrays, round trips, and errors in a calibration."""

import os

import keras
import numpy as np
import pytest

from keras_centernet import UserError, camera

COPY = "Copy the line from the data set's own file."
PASS = "Pass the camera's 3x4 projection matrix, in pixels."
P2 = np.array([[720.0, 0, 610, 45], [0, 720, 173, 0.2], [0, 0, 1, 0.003]])


def test_equals_the_published_functions(fixture):
    arrays = fixture("ddd_utils")
    calibration, points_xy, depths = arrays["calib"], arrays["pt2d"], arrays["depth"]
    points_xyz, turned = camera.locate(points_xy, depths, np.zeros((len(depths), 3)), arrays["alpha"], calibration)
    np.testing.assert_allclose(points_xyz, arrays["unproject"], rtol=1e-5)
    np.testing.assert_allclose(turned, arrays["alpha2rot_y"], atol=1e-5)
    locations, rotations_y = camera.locate(points_xy, depths, arrays["dim_hwl"], arrays["alpha"], calibration)
    np.testing.assert_allclose(locations, arrays["locrot_location"], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(rotations_y, arrays["locrot_rot_y"], atol=1e-5)
    corners = camera.box_corners(arrays["dim_hwl"], arrays["location"], arrays["rot_y"])
    np.testing.assert_allclose(corners, arrays["box_3d"], atol=1e-4)
    np.testing.assert_allclose(camera.project_points(corners, calibration), arrays["box_2d"], rtol=1e-4, atol=1e-2)


def test_projecting_undoes_unprojecting(rng):
    points_xy, depths = rng.uniform(0, 900, (9, 2)), rng.uniform(3, 60, 9)
    points_xyz, _ = camera.locate(points_xy, depths, np.zeros((9, 3)), np.zeros(9), P2)
    np.testing.assert_allclose(camera.project_points(points_xyz, P2), points_xy, rtol=1e-9)


def test_the_graph_places_boxes_where_numpy_does(rng):
    """One camera per image, with angles beyond half a turn in both directions."""
    points_xy, depths = rng.uniform(0, 400, (2, 20, 2)), rng.uniform(2, 60, (2, 20))
    dimensions, alphas = rng.uniform(1, 4, (2, 20, 3)), np.tile(np.linspace(-4, 4, 20), (2, 1))
    other = camera.DEFAULT_CALIBRATION * np.array([[0.7], [0.8], [1.0]])
    calibrations = np.stack([camera.DEFAULT_CALIBRATION, other])
    readings = [np.float32(values) for values in (points_xy, depths, dimensions, alphas, calibrations)]
    locations, rotations_y = camera.locate(*map(keras.ops.convert_to_tensor, readings))
    for i in range(2):
        expected = camera.locate(*(values[i] for values in readings))
        np.testing.assert_allclose(locations[i], expected[0], rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(rotations_y[i], expected[1], atol=1e-5)


def test_files_hold_one_matrix_per_camera(tmp_path):
    path = tmp_path / "000001.txt"
    numbers = " ".join(f"{value:.12e}" for value in P2.ravel())
    path.write_text(f"P0: 1 0 0 0 0 1 0 0 0 0 1 0\nP2: {numbers}\n")
    np.testing.assert_allclose(camera.read_calibration(path), P2)
    np.testing.assert_allclose(camera.read_calibration(path, "P0"), np.eye(3, 4))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("P0: 1 2\n", "000001.txt: expected a line 'P2: ...' of 12 numbers, got none; add the camera's projection."),
        ("", "000001.txt: expected a line 'P2: ...' of 12 numbers, got none; add the camera's projection."),
        ("P2: 1 2 3\n", f"000001.txt, line 1: expected 12 numbers (3x4), got 3: 1 2 3. {COPY}"),
        (
            "\nP2: 1 0 0 0 0 1 0 0 0 0 one 0\n",
            f"000001.txt, line 2: expected 12 numbers (3x4), got the word 'one'. {COPY}",
        ),
        (
            "P2: 0 0 0 0 0 1 0 0 0 0 1 0\n",
            f"000001.txt, line 1: expected positive focal lengths, got 0 and 1. {PASS}",
        ),
        (
            "P2: nan 0 0 0 0 1 0 0 0 0 1 0\n",
            f"000001.txt, line 1: expected finite numbers, got NaN or infinity. {PASS}",
        ),
    ],
)
def test_bad_files_are_named_with_their_line(tmp_path, text, message):
    (tmp_path / "000001.txt").write_text(text)
    with pytest.raises(UserError) as error:
        camera.read_calibration(tmp_path / "000001.txt")
    assert str(error.value) == f"{tmp_path}/{message}"


@pytest.mark.parametrize(
    ("calibration", "received"),
    [
        (np.eye(4), f"expected a (3, 4) projection or (3, 3) intrinsics, got shape (4, 4). {PASS}"),
        (None, f"expected a (3, 4) projection or (3, 3) intrinsics, got shape (). {PASS}"),
        ("abc", f"expected a matrix of numbers, got 'abc'. {PASS}"),
        ([[1, 2], [3]], f"expected a matrix of numbers, got '[[1, 2], [3]]'. {PASS}"),
        (P2 * [[1], [1], [np.nan]], f"expected finite numbers, got NaN or infinity. {PASS}"),
        (P2 * [[-1], [1], [1]], f"expected positive focal lengths, got -720 and 720. {PASS}"),
    ],
)
def test_invalid_calibrations(calibration, received):
    with pytest.raises(UserError) as error:
        camera.check_calibration(calibration)
    assert str(error.value) == f"calibration: {received}"


def test_matrices_of_a_user():
    np.testing.assert_array_equal(camera.check_calibration(P2.astype(np.float32)).dtype, np.float64)
    padded = camera.check_calibration(P2[:, :3].tolist())  # only the intrinsics
    np.testing.assert_array_equal(padded, np.concatenate([P2[:, :3], np.zeros((3, 1))], axis=1))


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(
        UserError, match=r"pipe: expected a calibration file, it cannot be read: it is a device or a pipe"
    ):
        camera.read_calibration(tmp_path / "pipe")


@pytest.mark.parametrize(
    ("path", "reason"), [("none.txt", "No such file or directory"), (".", "Is a directory")], ids=["none", "folder"]
)
def test_files_that_cannot_be_read(tmp_path, path, reason):
    with pytest.raises(UserError) as error:
        camera.read_calibration(tmp_path / path)
    assert str(error.value) == f"{tmp_path / path}: expected a calibration file, it cannot be read: {reason}."


def test_the_published_default():
    """An example that was computed by the published code with its fallback calibration."""
    location, rotation_y = camera.locate(
        *map(np.array, ([[761.565, 225.46]], [20.0], [[1.5, 1.6, 3.9]], [-0.2])), camera.DEFAULT_CALIBRATION
    )
    np.testing.assert_allclose(location, [[4.394208, 2.023337, 19.99502]], atol=2e-6)
    np.testing.assert_allclose(rotation_y, [0.0191561], atol=1e-7)


def test_angles_stay_within_half_a_turn():
    columns = np.array([P2[0, 2] + P2[0, 0], P2[0, 2] - P2[0, 0]])  # rays at 45 degrees to the right and left
    points_xy = np.stack([columns, np.zeros(2)], axis=1)
    _, turned = camera.locate(points_xy, np.ones(2), np.zeros((2, 3)), np.array([3.0, -3.0]), P2)
    np.testing.assert_allclose(turned, [3.0 + np.pi / 4 - 2 * np.pi, -3.0 - np.pi / 4 + 2 * np.pi])


def test_corners_of_a_box_by_hand():
    # h 2, w 4, l 6, driving to the right: the first corner, front left, is on the right, far away, at the bottom.
    corners = camera.box_corners([[2.0, 4.0, 6.0]], [[10.0, 1.0, 20.0]], [0.0])[0]
    bottom = [[13, 1, 22], [13, 1, 18], [7, 1, 18], [7, 1, 22]]
    np.testing.assert_allclose(corners, bottom + [[x, -1, z] for x, _, z in bottom])


def test_no_objects_have_no_corners_and_no_locations():
    assert camera.box_corners(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0)).shape == (0, 8, 3)
    nothing = np.zeros((0, 2)), np.zeros(0), np.zeros((0, 3)), np.zeros(0)
    assert [values.shape for values in camera.locate(*nothing, P2)] == [(0, 3), (0,)]
    assert camera.project_points(np.zeros((0, 3)), P2).shape == (0, 2)
