"""What must stay the same when a run is resumed."""

import pytest

from keras_centernet import UserError
from keras_centernet.runs.folder import RunFolder
from keras_centernet.runs.resuming.checks import check_same_classes, check_same_run
from keras_centernet.runs.settings import TrainSettings

OF_OLDER_RUNS = {"backend": "tensorflow", "deformable_rate": 1}  # whose config lacks them


@pytest.fixture
def folder(tmp_path):
    folder = RunFolder(tmp_path)
    folder.begin({"data": "photos", "classes": ["dog", "hen"], "seed": 3, "epochs": 7})
    return folder


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (("dog", "hen", "cat"), "expected the run's classes, class 'cat' is new. Pass them as --classes, or start in"),
        (("hen",), "expected the run's classes, class 'dog' is gone"),
        (("hen", "dog"), r"expected the run's classes in their order, \[dog, hen\], got \[hen, dog\]"),
    ],
)
def test_other_classes_are_refused(folder, classes, message):
    check_same_classes(folder, ("dog", "hen"))
    with pytest.raises(UserError, match=f"--resume: {message}"):
        check_same_classes(folder, classes)


def test_options_that_may_change(folder):
    check_same_run(folder, TrainSettings("photos", seed=3, epochs=9, patience=4, **OF_OLDER_RUNS))
    with pytest.raises(
        UserError, match=r"--resume: expected seed 3 as in .*config.json, got 0\. Give the same options"
    ):
        check_same_run(folder, TrainSettings("photos", **OF_OLDER_RUNS))
