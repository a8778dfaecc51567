"""Records made by hand with the Object Detection API's keys."""

import cv2
import numpy as np
import pytest

HEIGHT, WIDTH = 48, 64


@pytest.fixture
def record():
    """record([(class name, x1, y1, x2, y2)] in pixels, **{key: values}) -> what `write_records` takes."""

    def build(objects=(), value=90, **more):
        corners = np.array([row[1:] for row in objects], float).reshape(-1, 4) / [WIDTH, HEIGHT, WIDTH, HEIGHT]
        names = ("xmin", "ymin", "xmax", "ymax")
        png = cv2.imencode(".png", np.full((HEIGHT, WIDTH, 3), value, np.uint8))[1].tobytes()
        return {
            "image/encoded": [png],
            **{f"image/object/bbox/{name}": column.tolist() for name, column in zip(names, corners.T, strict=True)},
            "image/object/class/text": [row[0] for row in objects],
            **more,
        }

    return build
