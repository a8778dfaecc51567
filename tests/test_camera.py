"""Between pixels and metres: the published arrays, round trips, and what is wrong with a calibration."""

import re

import numpy as np
import pytest

from keras_centernet import UserError, camera

P2 = np.array([[720.0, 0, 610, 45], [0, 720, 173, 0.2], [0, 0, 1, 0.003]])


def test_equals_the_published_functions(fixture):
    arrays = fixture("ddd_utils")
    calibration, points_xy, depths = arrays["calib"], arrays["pt2d"], arrays["depth"]
    np.testing.assert_allclose(camera.unproject_points(points_xy, depths, calibration), arrays["unproject"], rtol=1e-5)
    turned = camera.alpha_to_rotation_y(arrays["alpha"], points_xy[:, 0], calibration)
    np.testing.assert_allclose(turned, arrays["alpha2rot_y"], atol=1e-5)
    back = camera.rotation_y_to_alpha(arrays["rot_y"], points_xy[:, 0], calibration)
    np.testing.assert_allclose(back, arrays["rot_y2alpha"], atol=1e-5)
    locations, rotations_y = camera.locate(points_xy, depths, arrays["dim_hwl"], arrays["alpha"], calibration)
    np.testing.assert_allclose(locations, arrays["locrot_location"], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(rotations_y, arrays["locrot_rot_y"], atol=1e-5)
    corners = camera.box_corners(arrays["dim_hwl"], arrays["location"], arrays["rot_y"])
    np.testing.assert_allclose(corners, arrays["box_3d"], atol=1e-4)
    np.testing.assert_allclose(camera.project_points(corners, calibration), arrays["box_2d"], rtol=1e-4, atol=1e-2)


def test_projecting_undoes_unprojecting(rng):
    points_xy, depths = rng.uniform(0, 900, (9, 2)), rng.uniform(3, 60, 9)
    points_xyz = camera.unproject_points(points_xy, depths, P2)
    np.testing.assert_allclose(camera.project_points(points_xyz, P2), points_xy, rtol=1e-9)
    angles, columns = rng.uniform(-3, 3, 9), rng.uniform(0, 900, 9)
    alphas = camera.rotation_y_to_alpha(angles, columns, P2)
    np.testing.assert_allclose(camera.alpha_to_rotation_y(alphas, columns, P2), angles, atol=1e-9)


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
        ("P2: 1 2 3\n", "000001.txt, line 1: expected 12 numbers (3x4), got 3: 1 2 3."),
        ("\nP2: 1 0 0 0 0 1 0 0 0 0 one 0\n", "000001.txt, line 2: expected 12 numbers (3x4), got 12"),
        ("P2: 0 0 0 0 0 1 0 0 0 0 1 0\n", "line 1: expected positive focal lengths, got 0 and 1."),
        ("P2: nan 0 0 0 0 1 0 0 0 0 1 0\n", "line 1: expected finite numbers, got NaN or infinity."),
    ],
)
def test_bad_files_are_named_with_their_line(tmp_path, text, message):
    (tmp_path / "000001.txt").write_text(text)
    with pytest.raises(UserError, match=re.escape(message)):
        camera.read_calibration(tmp_path / "000001.txt")


def test_matrices_of_a_user():
    np.testing.assert_array_equal(camera.check_calibration(P2[:, :3].tolist())[:, 3], 0)  # intrinsics alone
    with pytest.raises(UserError, match=r"expected a \(3, 4\) projection or \(3, 3\) intrinsics, got shape \(4, 4\)"):
        camera.check_calibration(np.eye(4))
    with pytest.raises(UserError, match="cannot be read"):
        camera.read_calibration("nowhere/000001.txt")
