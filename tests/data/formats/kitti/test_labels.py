"""KITTI's text files: reading, writing, and errors in a line."""

import re

import numpy as np
import pytest

from keras_centernet import UserError
from keras_centernet.data.formats.kitti.labels import (
    KittiObjects,
    is_kitti_line,
    read_kitti_file,
    types_in,
    write_kitti_file,
)

CAR = "Car 0.10 1 -1.50 100.00 50.00 160.00 90.00 1.50 1.60 3.90 -2.00 1.60 12.00 -1.60"


def write(tmp_path, *lines, encoding="utf-8"):
    path = tmp_path / "000001.txt"
    path.write_bytes("\n".join(lines).encode(encoding))
    return path


def test_a_line_is_an_object(tmp_path):
    objects = read_kitti_file(write(tmp_path, CAR, "", CAR.replace("Car", "hard hat"), ""))
    assert objects.types == ("Car", "hard hat")
    assert objects.scores is None
    np.testing.assert_array_equal(objects.boxes_xyxy[0], [100, 50, 160, 90])
    np.testing.assert_array_equal(objects.dimensions_hwl[0], [1.5, 1.6, 3.9])
    np.testing.assert_array_equal(objects.locations_xyz[0], [-2, 1.6, 12])
    assert (objects.alphas[0], objects.rotations_y[0], objects.truncations[0]) == (-1.5, -1.6, 0.1)
    assert objects.occlusions.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("line", "kind"),
    [(CAR, "Car"), (f"{CAR} 0.5", "Car"), (CAR.replace("Car", "hard hat"), "hard hat"), (CAR.replace("Car", "7"), "7")],
    ids=["label", "result", "a space in the type", "a number as type"],
)
def test_types(tmp_path, line, kind):
    assert read_kitti_file(write(tmp_path, line)).types == (kind,)
    assert types_in(write(tmp_path, line, "", line)) == {kind}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (CAR, True),
        (f"{CAR} 0.5", True),
        ("0 .5 .5 .2 .2", False),
        ("0" + " .5" * 14, False),
        ("", False),
        ("car", False),
    ],
    ids=["KITTI", "result", "YOLO", "YOLO's polygon of 15 columns", "empty", "a name"],
)
def test_lines_of_other_formats_are_told_apart(line, expected):
    assert is_kitti_line(line) == expected


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_byte_order_marks_are_dropped(tmp_path, encoding):
    assert read_kitti_file(write(tmp_path, CAR, encoding=encoding)).types == ("Car",)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([CAR, "Car 0 0 1"], "line 2: expected 15 columns (or 16 with scores, in every line), got 4: Car 0 0 1."),
        ([CAR.replace("12.00", "far")], "line 1: expected numbers after the type, got 'far'"),
        (["", CAR.replace("12.00", "nan")], "line 2: expected numbers of at most 1e+06 in size, got nan"),
        ([CAR.replace("-1.50", "-inf")], "line 1: expected numbers of at most 1e+06 in size, got -inf"),
        ([CAR.replace("160.00", "1e300")], "line 1: expected numbers of at most 1e+06 in size, got 1e300"),
        ([CAR.replace("160.00", "²")], "line 1: expected numbers after the type, got '²'"),
        ([f"{CAR} 0.5", CAR], "expected scores in every line or in none, got them in some"),
    ],
)
def test_bad_lines_are_named(tmp_path, lines, message):
    with pytest.raises(UserError, match=re.escape(message)) as caught:
        read_kitti_file(write(tmp_path, *lines))
    assert "000001.txt" in str(caught.value)


def test_result_files_hold_two_decimals(tmp_path, rng):
    objects = KittiObjects(
        types=("Car", "Cyclist"),
        boxes_xyxy=rng.uniform(0, 900, (2, 4)),
        alphas=rng.uniform(-3, 3, 2),
        dimensions_hwl=rng.uniform(1, 4, (2, 3)),
        locations_xyz=rng.uniform(-9, 40, (2, 3)),
        rotations_y=rng.uniform(-3, 3, 2),
        truncations=np.zeros(2),
        occlusions=np.zeros(2, int),
        scores=np.array([0.9, 0.25]),
    )
    write_kitti_file(tmp_path / "000003.txt", objects)
    first = (tmp_path / "000003.txt").read_text().split("\n")[0].split()
    assert first[:3] == ["Car", "0.0", "0"]
    assert all(len(word.partition(".")[2]) == 2 for word in first[3:])
    again = read_kitti_file(tmp_path / "000003.txt")
    assert again.types == objects.types
    for name in ("boxes_xyxy", "alphas", "dimensions_hwl", "locations_xyz", "rotations_y", "scores"):
        np.testing.assert_allclose(getattr(again, name), getattr(objects, name), atol=0.0051)
