"""A folder of labelled photos and a model for the tests of commands."""

import cv2
import numpy as np
import pytest

OBJECT = (
    """<object><name>{}</name><bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"""
)


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """A Pascal VOC folder of ten images: light boxes of two classes on a dark background."""
    root = tmp_path_factory.mktemp("photos")
    for name in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (root / name).mkdir(parents=True)
    rng = np.random.default_rng(1)
    names = [f"photo{i}" for i in range(10)]
    for i, name in enumerate(names):
        image = rng.integers(0, 60, (48, 72, 3), np.uint8)
        x, y = (int(v) for v in rng.integers(2, 20, 2))
        image[y : y + 20, x : x + 24] = (0, 200, 250) if i % 2 else (250, 100, 0)
        cv2.imwrite(str(root / "JPEGImages" / f"{name}.jpg"), image)
        one = OBJECT.format(("cat", "dog")[i % 2], x, y, x + 24, y + 20)
        (root / "Annotations" / f"{name}.xml").write_text(
            f"<annotation><filename>{name}.jpg</filename>{one}</annotation>"
        )
    (root / "ImageSets/Main/train.txt").write_text("\n".join(names[:6]))
    (root / "ImageSets/Main/val.txt").write_text("\n".join(names[6:]))
    return root


@pytest.fixture(scope="session")
def model_file(tiny_model, tmp_path_factory):
    """A saved, untrained detector of cats and dogs."""
    path = tmp_path_factory.mktemp("model") / "best.keras"
    tiny_model().save(path)
    return path
