"""Images whose bright rectangles are their objects, so that boxes can be compared with pixels."""

import numpy as np
import pytest

from keras_centernet.data.annotations import build_annotations
from keras_centernet.data.source import source_from_annotations

HUES = ((255, 40, 40), (40, 255, 40), (40, 40, 255), (255, 255, 40))


@pytest.fixture
def bright_source():
    """bright_source(count, fields=...) -> source of that many images of different sizes with a dark background.

    Image i has one rectangle, whose colour and class are i % 4. Its box is exact.
    """

    def build(count=12, boxes=None, task_options=None, **fields):
        rng = np.random.default_rng(count)
        images, rows = [], []
        for i in range(count):
            height, width = rng.integers(60, 140, 2)
            image = np.full((height, width, 3), 30, np.uint8)
            x1, y1 = rng.integers(4, 20, 2)
            x2, y2 = x1 + rng.integers(14, width - x1 - 4), y1 + rng.integers(14, height - y1 - 4)
            image[y1 : y2 + 1, x1 : x2 + 1] = HUES[i % 4]
            images.append(image)
            box = (x1, y1, x2, y2) if boxes is None else boxes[i]
            rows.append((i, *box, i % 4, False, False, None))
        sizes = [image.shape[:2] for image in images]
        names = [f"{i}.png" for i in range(count)]
        of_images = {key: values for key, values in fields.items() if key == "calibration"}
        of_objects = {key: values for key, values in fields.items() if key != "calibration"}
        table = build_annotations(names, rows, image_hw=sizes, fields=of_objects, image_fields=of_images)
        return source_from_annotations("bright", ("r", "g", "b", "y"), table, lambda i: images[i], task_options)

    return build


@pytest.fixture
def found_boxes():
    """found_boxes(image, class) -> [box] of the connected regions that have the colour of a class."""
    import cv2

    def find(image, index, threshold=110):
        wanted = np.array(HUES[index]) > 100
        is_bright = np.where(wanted, image > threshold, image < threshold).all(axis=-1)
        count, _, stats, _ = cv2.connectedComponentsWithStats(is_bright.astype(np.uint8))
        return [(x, y, x + w - 1, y + h - 1) for x, y, w, h, area in stats[1:count] if area > 12]

    return find
