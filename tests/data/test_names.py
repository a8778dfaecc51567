"""Names of splits."""

import pytest

from keras_centernet.data.names import is_usual_split, match_split, split_folders, split_names
from keras_centernet.errors import UserError


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        ("train", ("train", "training")),
        ("valid", ("valid", "val", "validation")),
        ("Val", ("Val", "valid", "validation")),
        ("x", ("x",)),
    ],
)
def test_the_names_that_a_split_may_have(split, expected):
    assert split_names(split) == expected


@pytest.mark.parametrize(
    ("split", "known", "expected"),
    [
        ("train", ("train", "val"), "train"),
        ("train", ("training",), "training"),
        ("val", ("train2017", "val2017"), "val2017"),
        ("val", ("val", "val2017"), "val"),
        ("test", ("test-1",), "test-1"),
        ("val", ("valuable",), None),
        ("val", ("train",), None),
        ("val", (), None),
        ("train", ("Train", "Test"), "Train"),
        ("Train", ("train",), "train"),
        ("validation", ("Valid_2",), "Valid_2"),
        ("mine", ("Mine",), "Mine"),
        ("train", ("Train", "train"), "train"),
    ],
)
def test_which_split_is_meant(split, known, expected):
    assert match_split(split, known) == expected


@pytest.mark.parametrize("known", [("val2014", "val2017"), ("VAL", "Val")])
def test_several_equally_good_matches_are_refused(known):
    with pytest.raises(UserError, match=f"split: expected one of {', '.join(sorted(known))}, got 'val'"):
        match_split("val", known)


@pytest.mark.parametrize(
    "name", ["train", "Training", "val", "VALID", "validation", "test", "testing", "test2017", "val_1"]
)
def test_usual_names(name):
    assert is_usual_split(name)


@pytest.mark.parametrize("name", ["trainval", "images", "latest", "train-images", "", "2017"])
def test_other_names(name):
    assert not is_usual_split(name)


def test_split_folders(tmp_path):
    for name in ("Train", "valid", "images"):
        (tmp_path / name).mkdir()
    (tmp_path / "test").touch()
    assert split_folders(tmp_path) == {"Train": tmp_path / "Train", "valid": tmp_path / "valid"}
    assert split_folders(tmp_path / "test") == split_folders(tmp_path / "none") == {}
