"""Random values in random places of a JSON file: it is read, or refused in one line that names it."""

import copy
import json
import random
import warnings

import pytest

from keras_centernet.data.formats.opening import read_source
from keras_centernet.errors import DataWarning, UserError

JUNK = (
    *(None, True, False, 0, -1, 1.5, 1e300, float("nan"), float("-inf"), 2**70, 10**400),
    *("", "a", "1", "\0", "a\nb", "../x", "é" * 300, "\ud800", "a/" * 2000),
    *([], {}, [1], {"x": 1}, [[]], [1, 2, 3, 4], [[1, 2], [3, 4]], [None] * 4),
)
SIZE = {"height": 48, "width": 64}
POINTS = {"keypoints": [1, 2, 2, 30, 40, 1]}
OF_ONE = {"image_id": 1, "category_id": 1}
COCO = {
    "images": [{"id": 1, "file_name": "a.jpg", **SIZE}, {"id": "2", "file_name": "b.jpg", **SIZE}],
    "annotations": [
        {**OF_ONE, "id": 1, "bbox": [1, 2, 30, 20], "area": 5, "iscrowd": 0, **POINTS},
        {**OF_ONE, "id": 2, "segmentation": [[1, 2, 30, 4, 20, 30]], **POINTS},
        {**OF_ONE, "id": 3, "segmentation": {"size": [48, 64], "counts": [10, 20, 3042]}, "iscrowd": 1},
        {**OF_ONE, "id": 4, **POINTS},
    ],
    "categories": [
        {
            "id": 1,
            "name": "x",
            "keypoints": ["l_a", "r_a"],
            "skeleton": [[1, 2]],
            "flip_pairs": [[0, 1]],
            "sigmas": [1, 2],
        }
    ],
}
CREATEML = [
    {"image": "a.jpg", "annotations": [{"label": "x", "coordinates": {"x": 10, "y": 10, "width": 5, "height": 6}}]},
    {"image": "b.jpg", "annotations": []},
]
LABELME = {
    "version": "5.0.1",
    "flags": {},
    "shapes": [
        {"label": "x", "points": [[1, 2], [30, 20]], "shape_type": "rectangle", "group_id": 1, "difficult": False},
        {"label": "p", "points": [[5, 5]], "shape_type": "point", "group_id": 1},
        {"label": "y", "points": [[9, 5], [10, 10]], "shape_type": "circle", "group_id": None},
    ],
    "imagePath": "a.jpg",
    "imageData": None,
    "imageHeight": 48,
    "imageWidth": 64,
}
# {key of `FORMATS`: (path of the file, content, fields that are asked for)}
FILES = {
    "coco": ("annotations/instances_train.json", COCO, ("keypoints_xyv",)),
    "createml": ("_annotations.createml.json", CREATEML, ()),
    "labelme": ("a.json", LABELME, ("keypoints_xyv",)),
}


def places_in(value, place=()):
    yield place
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in entries:
        yield from places_in(inner, (*place, key))


def damaged(content, choose):
    """Returns the content with one entry replaced or removed."""
    content = copy.deepcopy(content)
    *above, key = choose.choice([place for place in places_in(content) if place])
    inner = content
    for step in above:
        inner = inner[step]
    if choose.random() < 0.15:
        del inner[key]
    else:
        inner[key] = choose.choice(JUNK)
    return content


@pytest.mark.parametrize("format", FILES)
def test_a_randomly_damaged_file_is_read_or_refused_in_one_line(format, tmp_path, write_image):
    place, content, fields = FILES[format]
    path, choose = tmp_path / place, random.Random(5)
    path.parent.mkdir(parents=True, exist_ok=True)
    for name in ("a.jpg", "b.jpg"):
        write_image(tmp_path / name)
    for _ in range(250):
        path.write_text(json.dumps(damaged(content, choose)))
        line = problem_of(tmp_path, format, choose.choice([(), fields]))
        assert line is None or ("\n" not in line and str(tmp_path) in line)


def problem_of(folder, format, fields):
    """Returns the line that says why a data set is refused, or None."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        try:
            source = read_source(folder, "all", format, fields)
        except UserError as error:
            return str(error)
    json.dumps([source.category_ids, list((source.own_image_ids or {}).values())])
    return None
