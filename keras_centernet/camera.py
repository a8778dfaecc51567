"""One calibrated camera: conversion between pixels and metres.

The camera's frame is KITTI's: x to the right, y down, z along the optical axis, in metres; angles are
about y, in radians. A calibration is the (3, 4) matrix P that projects (x, y, z, 1) to homogeneous pixels.
"""

import os
import warnings

import keras
import numpy as np

from keras_centernet.errors import DataWarning, UserError, shown
from keras_centernet.files.paths import to_path
from keras_centernet.files.remote_path import is_remote

# The published fallback: KITTI's usual camera.
DEFAULT_CALIBRATION = np.array(
    [[707.0493, 0.0, 604.0814, 45.75831], [0.0, 707.0493, 180.5066, -0.3454157], [0.0, 0.0, 1.0, 0.004981016]]
)


def project_points(points_xyz: np.ndarray, calibration: np.ndarray) -> np.ndarray:
    """Returns (..., 2) pixels of points (..., 3) in the camera's frame."""
    points, matrix = np.asarray(points_xyz, np.float64), np.asarray(calibration, np.float64)
    projected = points @ matrix[:, :3].T + matrix[:, 3]
    return projected[..., :2] / projected[..., 2:]


def locate(points_xy, depths, dimensions_hwl, alphas, calibration) -> tuple:
    """Returns (locations (N, 3), rotations_y (N,)) of boxes whose middles are seen at `points_xy` (N, 2).

    A location is the centre of the bottom face, half a height below the middle, as in KITTI. Alphas are relative to the
    ray through the middle. Arrays of one image are computed by NumPy in their own precision, tensors (B, N, ...) by
    Keras' operations with a calibration (B, 3, 4).

    Source: `ddd2locrot` and `unproject_2d_to_3d` of the published code, which takes the depth as the third homogeneous
        coordinate: z = depth - P[2, 3].
    """
    ops = np if isinstance(depths, np.ndarray) else keras.ops
    focal_x, middle_x, shift_x = (calibration[..., 0, i, None] for i in (0, 2, 3))
    focal_y, middle_y, shift_y = (calibration[..., 1, i, None] for i in (1, 2, 3))
    z = depths - calibration[..., 2, 3, None]
    x = (points_xy[..., 0] * depths - shift_x - middle_x * z) / focal_x
    y = (points_xy[..., 1] * depths - shift_y - middle_y * z) / focal_y
    rotations_y = alphas + ops.arctan2(points_xy[..., 0] - middle_x, focal_x)
    # As published: one turn is taken away or added where an angle is beyond half a turn.
    rotations_y = ops.where(rotations_y > np.pi, rotations_y - 2 * np.pi, rotations_y)
    rotations_y = ops.where(rotations_y < -np.pi, rotations_y + 2 * np.pi, rotations_y)
    return ops.stack([x, y + dimensions_hwl[..., 0] / 2, z], axis=-1), rotations_y


def box_corners(dimensions_hwl: np.ndarray, locations_xyz: np.ndarray, rotations_y: np.ndarray) -> np.ndarray:
    """Returns (N, 8, 3) corners: the bottom face, then the top face in the same order, front left first.

    Source: `compute_box_3d` of the published code.
    """
    height, width, length = np.moveaxis(np.asarray(dimensions_hwl, np.float64).reshape(-1, 3), 1, 0)
    signs_x, signs_z = np.array([1, 1, -1, -1] * 2), np.array([1, -1, -1, 1] * 2)
    is_top = np.repeat([0.0, 1.0], 4)
    with np.errstate(invalid="ignore", over="ignore"):  # infinite sizes and angles give NaN corners without a warning
        x, y, z = length[:, None] / 2 * signs_x, -height[:, None] * is_top, width[:, None] / 2 * signs_z
        cosine, sine = (f(np.asarray(rotations_y, np.float64))[:, None] for f in (np.cos, np.sin))
        corners = np.stack([cosine * x + sine * z, y, -sine * x + cosine * z], axis=-1)
        return corners + np.asarray(locations_xyz, np.float64).reshape(-1, 1, 3)


def read_calibration(path: str | os.PathLike, key: str = "P2") -> np.ndarray:
    """Returns the (3, 4) matrix of one camera from a KITTI calibration file; P2 is the left colour camera.

    Raises:
        UserError: the file cannot be read, has no line of that camera, or the line does not hold 12 numbers.
    """
    path = to_path(path)
    try:
        is_special = not is_remote(path) and path.exists() and not (path.is_file() or path.is_dir())
        if is_special:  # opening a pipe would wait for its writer
            raise OSError(None, "it is a device or a pipe")
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UserError(f"{path}: expected a calibration file, it cannot be read: {reason}.") from None
    for number, line in enumerate(lines, start=1):
        if line.startswith(f"{key}:"):
            return check_calibration(_numbers(path, number, line.partition(":")[2].split()), f"{path}, line {number}")
    raise UserError(f"{path}: expected a line '{key}: ...' of 12 numbers, got none; add the camera's projection.")


def check_calibration(calibration: np.ndarray, where: str = "calibration") -> np.ndarray:
    """Returns a (3, 4) float64 projection, made from a (3, 4) projection or from (3, 3) intrinsics.

    Raises:
        UserError: another shape, numbers that are not finite, or a focal length that is not positive.
    """
    advice = "Pass the camera's 3x4 projection matrix, in pixels."
    try:
        matrix = np.asarray(calibration, np.float64)
    except (TypeError, ValueError):
        raise UserError(f"{where}: expected a matrix of numbers, got {str(calibration)[:60]!r}. {advice}") from None
    if matrix.shape == (3, 3):
        matrix = np.concatenate([matrix, np.zeros((3, 1))], axis=1)
    expected = None
    if matrix.shape != (3, 4):
        expected = f"a (3, 4) projection or (3, 3) intrinsics, got shape {matrix.shape}"
    elif not np.all(np.isfinite(matrix)):
        expected = "finite numbers, got NaN or infinity"
    elif matrix[0, 0] <= 0 or matrix[1, 1] <= 0:
        expected = f"positive focal lengths, got {matrix[0, 0]:g} and {matrix[1, 1]:g}"
    if expected:
        raise UserError(f"{where}: expected {expected}. {advice}")
    return matrix


def calibration_or_default(calibration: np.ndarray | None) -> np.ndarray:
    """Returns a checked (3, 4) float64 calibration; for None the published default (KITTI's), with a warning.

    Raises:
        UserError: it is not a valid calibration, see `check_calibration`.
    """
    if calibration is not None:
        return check_calibration(calibration)
    warnings.warn(
        "3D boxes without a calibration: KITTI's usual camera is assumed, locations are wrong for any other. Pass "
        "calibration=P, the 3x4 projection matrix of the image.",
        DataWarning,
        stacklevel=3,
    )
    return DEFAULT_CALIBRATION


def _numbers(path, number: int, words: list[str]) -> np.ndarray:
    where, advice = f"{path}, line {number}: expected 12 numbers (3x4)", "Copy the line from the data set's own file."
    if len(words) != 12:
        raise UserError(f"{where}, got {len(words)}: {' '.join(words)[:60]}. {advice}")
    values = []
    for word in words:
        try:
            values.append(float(word))
        except ValueError:
            raise UserError(f"{where}, got the word {shown(word)}. {advice}") from None
    return np.reshape(values, (3, 4))
