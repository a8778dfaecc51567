"""One calibrated camera: between pixels and metres.

The camera's frame is KITTI's: x to the right, y down, z along the optical axis, in metres; angles are
about y, in radians. A calibration is the (3, 4) matrix P that projects (x, y, z, 1) to homogeneous
pixels. Everything here is NumPy, float64 and vectorised over objects, but for `locate_in_graph`.
"""

import os

import numpy as np

from keras_centernet.errors import UserError
from keras_centernet.files.paths import to_path

# The published fallback: KITTI's usual camera.
DEFAULT_CALIBRATION = np.array(
    [[707.0493, 0.0, 604.0814, 45.75831], [0.0, 707.0493, 180.5066, -0.3454157], [0.0, 0.0, 1.0, 0.004981016]]
)


def project_points(points_xyz: np.ndarray, calibration: np.ndarray) -> np.ndarray:
    """Returns (..., 2) pixels of points (..., 3) in the camera's frame."""
    points, matrix = np.asarray(points_xyz, np.float64), np.asarray(calibration, np.float64)
    projected = points @ matrix[:, :3].T + matrix[:, 3]
    return projected[..., :2] / projected[..., 2:]


def unproject_points(points_xy: np.ndarray, depths: np.ndarray, calibration: np.ndarray) -> np.ndarray:
    """Returns the (N, 3) points in the camera's frame that are seen at pixels (N, 2) in depths (N,).

    Source: `unproject_2d_to_3d` of the published code, which takes the depth as the third homogeneous
        coordinate: z = depth - P[2, 3].
    """
    points, matrix = np.asarray(points_xy, np.float64), np.asarray(calibration, np.float64)
    depths = np.asarray(depths, np.float64)
    z = depths - matrix[2, 3]
    x = (points[:, 0] * depths - matrix[0, 3] - matrix[0, 2] * z) / matrix[0, 0]
    y = (points[:, 1] * depths - matrix[1, 3] - matrix[1, 2] * z) / matrix[1, 1]
    return np.stack([x, y, z], axis=1)


def alpha_to_rotation_y(alphas: np.ndarray, points_x: np.ndarray, calibration: np.ndarray) -> np.ndarray:
    """Returns (N,) angles in the camera's frame from angles seen along the rays through columns (N,) of the image."""
    return _wrap_once(np.asarray(alphas, np.float64) + _ray_angles(points_x, calibration))


def rotation_y_to_alpha(rotations_y: np.ndarray, points_x: np.ndarray, calibration: np.ndarray) -> np.ndarray:
    """Returns the inverse of `alpha_to_rotation_y`."""
    return _wrap_once(np.asarray(rotations_y, np.float64) - _ray_angles(points_x, calibration))


def locate(
    points_xy: np.ndarray,
    depths: np.ndarray,
    dimensions_hwl: np.ndarray,
    alphas: np.ndarray,
    calibration: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns (locations (N, 3), rotations_y (N,)) of boxes whose middles are seen at `points_xy`.

    A location is the centre of the bottom face, half a height below the middle, as in KITTI.

    Source: `ddd2locrot` of the published code.
    """
    locations = unproject_points(points_xy, depths, calibration)
    locations[:, 1] += np.asarray(dimensions_hwl, np.float64)[:, 0] / 2
    points_x = np.asarray(points_xy, np.float64)[:, 0]
    return locations, alpha_to_rotation_y(alphas, points_x, calibration)


def locate_in_graph(points_xy, depths, dimensions_hwl, alphas, calibration) -> tuple:
    """Returns (locations (B, N, 3), rotations_y (B, N)) as `locate` does, as operations of Keras' backend.

    Args:
        points_xy: (B, N, 2) float32 original pixels.
        depths: (B, N) float32 metres.
        dimensions_hwl: (B, N, 3) float32 metres.
        alphas: (B, N) float32 radians.
        calibration: (B, 3, 4) float32, one camera per image.
    """
    from keras import ops

    focal_x, _, middle_x, moved_x = (calibration[:, 0, i, None] for i in range(4))
    focal_y, middle_y, moved_y = (calibration[:, 1, i, None] for i in range(1, 4))
    z = depths - calibration[:, 2, 3, None]
    x = (points_xy[..., 0] * depths - moved_x - middle_x * z) / focal_x
    y = (points_xy[..., 1] * depths - moved_y - middle_y * z) / focal_y
    angles = alphas + ops.arctan2(points_xy[..., 0] - middle_x, focal_x)
    angles = ops.where(angles > np.pi, angles - 2 * np.pi, angles)
    angles = ops.where(angles < -np.pi, angles + 2 * np.pi, angles)
    return ops.stack([x, y + dimensions_hwl[..., 0] / 2, z], axis=-1), angles


def box_corners(dimensions_hwl: np.ndarray, locations_xyz: np.ndarray, rotations_y: np.ndarray) -> np.ndarray:
    """Returns (N, 8, 3) corners: the bottom face, then the top face in the same order, front left first.

    Source: `compute_box_3d` of the published code.
    """
    height, width, length = np.moveaxis(np.asarray(dimensions_hwl, np.float64).reshape(-1, 3), 1, 0)
    signs_x, signs_z = np.array([1, 1, -1, -1] * 2), np.array([1, -1, -1, 1] * 2)
    is_top = np.repeat([0.0, 1.0], 4)
    with np.errstate(invalid="ignore", over="ignore"):  # infinite sizes and angles give corners of NaN, silently
        x, y, z = length[:, None] / 2 * signs_x, -height[:, None] * is_top, width[:, None] / 2 * signs_z
        cosine, sine = (f(np.asarray(rotations_y, np.float64))[:, None] for f in (np.cos, np.sin))
        corners = np.stack([cosine * x + sine * z, y, -sine * x + cosine * z], axis=-1)
        return corners + np.asarray(locations_xyz, np.float64).reshape(-1, 1, 3)


def read_calibration(path: str | os.PathLike, key: str = "P2") -> np.ndarray:
    """Returns the (3, 4) matrix of one camera from a KITTI calibration file; P2 is the left colour camera.

    Raises:
        UserError: the file cannot be read, has no such line, or not 12 numbers in it.
    """
    try:
        lines = to_path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UserError(f"{path}: expected a calibration file, it cannot be read: {reason}.") from None
    for number, line in enumerate(lines, start=1):
        if line.startswith(f"{key}:"):
            return check_calibration(_numbers(path, number, line.partition(":")[2].split()), f"{path}, line {number}")
    raise UserError(f"{path}: expected a line '{key}: ...' of 12 numbers, got none; add the camera's projection.")


def check_calibration(calibration: np.ndarray, where: str = "calibration") -> np.ndarray:
    """Returns a (3, 4) float64 projection from one, or from (3, 3) intrinsics.

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
    if matrix.shape != (3, 4):
        raise UserError(
            f"{where}: expected a (3, 4) projection or (3, 3) intrinsics, got shape {matrix.shape}. {advice}"
        )
    if not np.all(np.isfinite(matrix)):
        raise UserError(f"{where}: expected finite numbers, got NaN or infinity. {advice}")
    if matrix[0, 0] <= 0 or matrix[1, 1] <= 0:
        raise UserError(
            f"{where}: expected positive focal lengths, got {matrix[0, 0]:g} and {matrix[1, 1]:g}. {advice}"
        )
    return matrix


def _numbers(path, number: int, words: list[str]) -> np.ndarray:
    where, advice = f"{path}, line {number}: expected 12 numbers (3x4)", "Copy the line from the data set's own file."
    if len(words) != 12:
        raise UserError(f"{where}, got {len(words)}: {' '.join(words)[:60]}. {advice}")
    values = []
    for word in words:
        try:
            values.append(float(word))
        except ValueError:
            raise UserError(f"{where}, got the word {word!r}. {advice}") from None
    return np.reshape(values, (3, 4))


def _ray_angles(points_x, calibration) -> np.ndarray:
    matrix = np.asarray(calibration, np.float64)
    return np.arctan2(np.asarray(points_x, np.float64) - matrix[0, 2], matrix[0, 0])


def _wrap_once(angles: np.ndarray) -> np.ndarray:
    """As published: one turn is taken away or added where an angle is beyond half a turn."""
    angles = np.where(angles > np.pi, angles - 2 * np.pi, angles)
    return np.where(angles < -np.pi, angles + 2 * np.pi, angles)
