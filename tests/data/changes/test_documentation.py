"""The examples of docs/augmentation.md run as they stand."""

import pathlib
import re
import sys
import types

import pytest

from keras_centernet.data import source_of

PAGE = pathlib.Path(__file__).parents[3] / "docs" / "augmentation.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


class Compose:
    """Stands in for Albumentations' Compose: takes and returns the same, but only drops the first object."""

    def __init__(self, transforms, bbox_params):
        self.names = bbox_params.label_fields

    def __call__(self, image, bboxes, **labels):
        assert list(labels) == self.names
        return {"image": image, "bboxes": [list(box) for box in bboxes[1:]], **{k: v[1:] for k, v in labels.items()}}


@pytest.fixture
def photos(write_voc, tmp_path, monkeypatch):
    """A folder photos/ in the current folder, and a stand-in module for albumentations."""
    boxes = [("cat", 5, 6, 25, 30), ("dog", 20, 10, 60, 40)]
    write_voc({f"photo{i}": boxes for i in range(16)}).rename(tmp_path / "photos")
    monkeypatch.chdir(tmp_path)
    parts = {"Compose": Compose, "RandomScale": object, "GaussNoise": object}
    stand_in = types.SimpleNamespace(**parts, BboxParams=lambda **options: types.SimpleNamespace(**options))
    monkeypatch.setitem(sys.modules, "albumentations", stand_in)


@pytest.mark.parametrize("block", BLOCKS, ids=["tensorflow", "keras", "albumentations"])
def test_examples(block, photos):
    names = {}
    exec(compile(block, PAGE.name, "exec", dont_inherit=True), names)
    ((images, objects),) = names["train"].take(1)
    assert images.shape == (16, 512, 512, 3)
    dropped = "albumentations" in block
    assert objects["classes"].numpy()[objects["mask"]].min() == (1 if dropped else 0)
    assert source_of(names["train"]).size == 16
