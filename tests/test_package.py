"""The public names, and the cost of importing the package."""

import subprocess
import sys

import pytest

import keras_centernet


@pytest.mark.parametrize("name", keras_centernet.__all__)
def test_public_names_exist_and_are_documented(name):
    thing = getattr(keras_centernet, name)
    assert thing is not None
    if callable(thing):
        assert thing.__doc__


def test_unknown_names_list_the_known_ones():
    with pytest.raises(AttributeError, match="has no attribute 'CentreNet'; public: AveragePrecision, BACKBONES"):
        keras_centernet.CentreNet  # noqa: B018


def test_import_brings_no_heavy_library():
    heavy = "('keras', 'cv2', 'matplotlib', 'pycocotools')"
    code = f"import keras_centernet, sys; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
