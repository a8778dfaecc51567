"""YOLO data sets of any layout, and functions that read them."""

import json

import numpy as np
import pytest

from keras_centernet.data.formats.opening import read_source
from keras_centernet.data.formats.table import find_format


@pytest.fixture
def write_files(tmp_path, write_image):
    """write_files({path: text, bytes, JSON or None}) writes files below a folder; None writes an image of 48 x 64."""

    def write(files, name="set"):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        for path, content in files.items():
            place = folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            if content is None:
                write_image(place)
            elif isinstance(content, bytes):
                place.write_bytes(content)
            else:
                place.write_text(content if isinstance(content, str) else json.dumps(content))
        return folder

    return write


@pytest.fixture
def boxes_of():
    """boxes_of(source) -> {name of the image file: [(class name, x1, y1, x2, y2)]}, read through its examples."""

    def read(source):
        names = [name.rpartition("/")[2] for name in source.image_names]
        return {
            name: [
                (source.classes[index], *np.round(box, 3).tolist())
                for index, box in zip(example["classes"], example["boxes_xyxy"], strict=True)
            ]
            for name, example in zip(names, source.examples().as_numpy_iterator(), strict=True)
        }

    return read


@pytest.fixture
def read():
    """read(folder, split) -> source of the data, whose format must be recognised as YOLO."""

    def read(data, split="all", **options):
        assert find_format(data) == "yolo"
        return read_source(data, split, **{"val_share": 0} | options)

    return read
