"""Boxes as label files state them -> pixels of the upright image, even if file and labels disagree about its size.

Label files can state the size of the image on which the boxes were drawn. If that is the stored size of a photo that
its EXIF orientation rotates, the boxes are rotated, too. If both sides differ from the file's by the same factor, boxes
are scaled by it. Mirroring and a rotation by 180 degrees do not change the size. Boxes of such photos are taken as
those of the upright image, unless every photo of the split whose size tells the two apart was labelled as stored.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from keras_centernet import geometry
from keras_centernet.data.annotations import Annotations, has_extent
from keras_centernet.data.counting import warn_counted
from keras_centernet.data.fields import move, moving
from keras_centernet.data.images import ImageHeader
from keras_centernet.errors import UserError

_ROUNDING = 1  # pixels by which two statements of the same size can differ
# EXIF orientation -> rows of the matrix that maps (x, y, 1) of the stored image to the upright image; "w" and "h" stand
# for the stored width and height.
_UPRIGHT = {
    1: ((1, 0, 0), (0, 1, 0)),
    2: ((-1, 0, "w"), (0, 1, 0)),
    3: ((-1, 0, "w"), (0, -1, "h")),
    4: ((1, 0, 0), (0, -1, "h")),
    5: ((0, 1, 0), (1, 0, 0)),
    6: ((0, -1, "h"), (1, 0, 0)),
    7: ((0, -1, "h"), (-1, 0, "w")),
    8: ((0, 1, 0), (-1, 0, "w")),
}


def to_upright_pixels(
    annotations: Annotations, headers: Sequence[ImageHeader], is_relative: bool, strict: bool
) -> tuple[Annotations, int]:
    """Returns (annotations in pixels of the upright images, number of images whose stated size contradicts the file).

    Args:
        annotations: annotations whose `image_hw` is the size that the label files state, or zeros.
        headers: headers of the image files.
        is_relative: whether boxes, areas and moving fields are fractions of the upright image.
        strict: whether a size that contradicts the file is an error.

    Raises:
        UserError: `strict` is set and a stated size contradicts the file.
    """
    upright_hw = np.array([header.hw for header in headers], np.int64).reshape(-1, 2)
    if is_relative:  # fractions are the same in an image of another size
        return _to_pixels(annotations, upright_hw), 0
    stated_hw = np.asarray(annotations.image_hw, np.int64)
    differs = np.all(stated_hw > 0, axis=1) & (np.abs(stated_hw - upright_hw).max(axis=1, initial=0) > _ROUNDING)
    matrices = _matrices(stated_hw, headers, differs)
    shown = {i: _show(annotations.image_names[i], stated_hw[i], headers[i]) for i in matrices}
    if strict and differs.any():
        problem = shown[np.flatnonzero(differs)[0]]
        raise UserError(f"{problem}: expected one size; correct the label file, or read it without `strict`.")
    lost = [i for i, matrix in matrices.items() if matrix is None]
    converted = {i: matrix for i, matrix in matrices.items() if matrix is not None}
    warn_counted([shown[i] for i in converted], "image(s) of another size than their labels state, boxes are converted")
    warn_counted([shown[i] for i in lost], "image(s) skipped, the size that their labels state has other proportions")
    moved = dataclasses.replace(_move(annotations, converted), image_hw=upright_hw.astype(np.int32))
    keep = np.ones(len(headers), bool)
    keep[lost] = False
    return moved.keep_images(keep), int(differs.sum())


def _matrices(
    stated_hw: np.ndarray, headers: Sequence[ImageHeader], differs: np.ndarray
) -> dict[int, np.ndarray | None]:
    """Returns {image: (2, 3) matrix from stated to upright pixels, None if none fits} of images whose boxes move."""
    is_turned = np.array([header.orientation > 1 for header in headers], bool) & np.all(stated_hw > 0, axis=1)
    upright = {i: _zoom(stated_hw[i], headers[i].hw) for i in np.flatnonzero(differs | is_turned)}
    turned = {i: _turn(stated_hw[i], headers[i]) for i in np.flatnonzero(is_turned)}
    telling = [(upright[i] is None, matrix is None) for i, matrix in turned.items()]
    as_stored = (True, False) in telling and (False, True) not in telling
    matrices = {}
    for i, matrix in upright.items():
        if turned.get(i) is not None and (matrix is None or as_stored):
            matrices[i] = turned[i]
        elif differs[i]:
            matrices[i] = matrix
    return matrices


def _zoom(stated_hw: np.ndarray, hw: tuple[int, int]) -> np.ndarray | None:
    """Returns the (2, 3) matrix that scales from one size to another; None if the sides need different factors."""
    zoom_hw = np.array(hw) / stated_hw
    # The factors are the same if each side follows from the other up to rounding to whole pixels.
    if np.any(np.abs(stated_hw * zoom_hw[::-1] - hw) > np.maximum(zoom_hw, _ROUNDING)):
        return None
    return np.array([[zoom_hw[1], 0, 0], [0, zoom_hw[0], 0]])


def _turn(stated_hw: np.ndarray, header: ImageHeader) -> np.ndarray | None:
    """Returns the (2, 3) matrix from labels drawn on the stored image to the upright image; None if none fits."""
    zoom = _zoom(stated_hw, header.stored_hw)
    sides = dict(zip("hw", header.stored_hw, strict=True))
    turn = np.array([[sides.get(value, value) for value in row] for row in _UPRIGHT[header.orientation]], float)
    return None if zoom is None else turn @ np.vstack([zoom, [0, 0, 1]])


def _show(name: str, stated_hw: np.ndarray, header: ImageHeader) -> str:
    turned = f" with EXIF orientation {header.orientation}" if header.orientation > 1 else ""
    return f"{name}: {_size(stated_hw)} stated, {_size(header.stored_hw)}{turned} in the file"


def _move(annotations: Annotations, matrices: dict[int, np.ndarray]) -> Annotations:
    """Returns the annotations with boxes, areas and moving fields transformed by the matrices of their images."""
    boxes_xyxy, areas = annotations.boxes_xyxy.copy(), annotations.areas.copy()
    fields = {key: np.array(annotations.fields[key]) for key in moving(annotations.fields)}
    splits = annotations.row_splits
    for i, matrix in matrices.items():
        rows = slice(splits[i], splits[i + 1])
        # Transforming would sort the corners of an inverted box. Boxes without extent stay, to be counted and dropped.
        is_box = has_extent(boxes_xyxy[rows])[:, None]
        boxes_xyxy[rows] = np.where(is_box, geometry.transform_boxes(boxes_xyxy[rows], matrix), boxes_xyxy[rows])
        areas[rows] *= abs(np.linalg.det(matrix[:, :2]))
        for key, values in fields.items():
            values[rows] = move(key, values[rows], matrix)
    return dataclasses.replace(annotations, boxes_xyxy=boxes_xyxy, areas=areas, fields=annotations.fields | fields)


def _to_pixels(annotations: Annotations, image_hw: np.ndarray) -> Annotations:
    """Returns the annotations with boxes, areas and moving fields converted from fractions of the images to pixels."""
    scale_wh = image_hw[annotations.image_index][:, ::-1].astype(np.float64)
    fields = {key: np.array(annotations.fields[key]) for key in moving(annotations.fields)}
    splits = annotations.row_splits
    for i, (height, width) in enumerate(image_hw if fields else ()):
        rows, matrix = slice(splits[i], splits[i + 1]), np.array([[width, 0, 0], [0, height, 0]], float)
        for key, values in fields.items():
            values[rows] = move(key, values[rows], matrix)
    return dataclasses.replace(
        annotations,
        image_hw=image_hw.astype(np.int32),
        boxes_xyxy=annotations.boxes_xyxy * np.tile(scale_wh, 2),
        areas=annotations.areas * scale_wh.prod(axis=1),
        fields=annotations.fields | fields,
    )


def _size(hw: Sequence[int]) -> str:
    return f"{hw[1]} x {hw[0]}"
