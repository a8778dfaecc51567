"""Which images belong to a split: the data set's own split, a made one, or all images."""

import re

import pytest

from keras_centernet.data.formats.request import DataRequest
from keras_centernet.data.reading.found import Found
from keras_centernet.data.reading.parts import evaluation_split, image_names, read_parts
from keras_centernet.errors import DataWarning, UserError

NAMES = ("ape", "bee", "cat", "dog", "eel", "fox", "gnu", "hen", "ibis", "jay")


@pytest.fixture
def reader(tmp_path, write_image):
    """reader({split or None: {image: class names}}) -> function (split, options) that reads a source."""

    def make(splits, declared=None):
        def read(request):
            found = Found(request.name, classes=declared)
            for name, classes in splits[request.split].items():
                index = found.add_image(write(tmp_path / f"{name}.jpg"), tmp_path / f"{name}.txt")
                for number, class_name in enumerate(classes, start=1):
                    found.add_object(index, class_name, (number, 0, 20, 20), number)
            return found

        def write(path):
            if not path.exists():
                write_image(path)
            return path

        return lambda split, **options: read_parts(
            read, [name for name in splits if name is not None], DataRequest(tmp_path, split, **options)
        )

    return make


def names_of(source):
    return [name.rpartition("/")[2].removesuffix(".jpg") for name in source.image_names]


POOL = {None: {name: ["animal"] for name in NAMES}}
MADE = {"train": ("ape.jpg", "bee.jpg", "cat.jpg"), "val": ("dog.jpg",)}
OWN = {"train": {name: ["animal"] for name in NAMES[:6]}, "val2017": {name: ["bird"] for name in NAMES[6:]}}


# -- splits of the data set


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        ("train", NAMES[:6]),
        ("training", NAMES[:6]),
        ("val", NAMES[6:]),
        ("valid", NAMES[6:]),
        ("val2017", NAMES[6:]),
        ("all", NAMES),
    ],
)
def test_own_splits(reader, split, expected):
    source = reader(OWN)(split)
    assert names_of(source) == list(expected)
    assert source.made_split is None
    assert source.classes == ("animal", "bird")  # classes of all splits, so indices agree


def test_all_has_each_image_once(reader):
    splits = {**OWN, "trainval": OWN["train"] | OWN["val2017"]}
    assert names_of(reader(splits)("all")) == list(NAMES)


def test_an_unknown_split(reader):
    with pytest.raises(UserError, match=r"expected a split of train, val2017, or all, got 'test'\.$"):
        reader(OWN)("test")
    message = "expected a split of train, or all, got 'val'. Pass holds_out='train' to hold a part of it out."
    with pytest.raises(UserError, match=re.escape(message)):
        reader({"train": OWN["train"]})("val")


# -- made splits


def test_a_pool_is_split(reader):
    read = reader(POOL)
    train, val = read("train"), read("val")
    assert (train.size, val.size) == (8, 2)
    assert sorted(names_of(train) + names_of(val)) == list(NAMES)
    assert train.made_split == val.made_split == {"train": train.made_split["train"], "val": ("ape.jpg", "gnu.jpg")}
    assert names_of(read("all")) == list(NAMES)
    assert read("validation").image_names == val.image_names
    assert "made by image names, val is 2 of 10 images" in val.name


def test_the_share_of_val_may_be_given(reader):
    read = reader(POOL)
    assert [read(split, val_share=0.5).size for split in ("train", "val")] == [5, 5]
    assert [read(split, val_share=0).size for split in ("train", "val", "all")] == [10, 10, 10]


def test_one_split_without_a_usual_name_is_a_pool(reader):
    read = reader({"default": POOL[None]})
    assert [read(split).size for split in ("train", "val", "all", "default")] == [8, 2, 10, 10]


def test_val_is_held_out_of_a_split(reader):
    read = reader({"train": POOL[None], "test": {"owl": ["animal"]}})
    train, val = read("train", holds_out="train"), read("val", holds_out="train")
    assert (train.size, val.size) == (8, 2)
    assert "2 of 10 images of train" in val.name
    assert names_of(read("test", holds_out="train")) == ["owl"]
    assert read("train", holds_out="all").size + read("val", holds_out="all").size == 11
    with pytest.raises(UserError, match="expected a split of train, test to hold images out of, got 'more'"):
        read("train", holds_out="more")


def test_one_image_is_all_for_training(reader):
    read = reader({None: {"ape": ["animal"]}})
    assert names_of(read("train")) == ["ape"]
    with pytest.raises(UserError, match="expected at least two images to hold one out for 'val', got 1; add images"):
        read("val")


@pytest.mark.parametrize("made_split", [None, MADE])
def test_no_image(reader, made_split):
    with pytest.raises(UserError, match="expected at least one image, got an empty split"):
        reader({None: {}})("train", made_split=made_split)


@pytest.mark.parametrize("name", [["cat"], {}, None, 7])
def test_names_of_classes_are_texts(reader, name):
    with pytest.raises(UserError, match=r"ape\.txt, object 1: expected the name of a class, got"):
        reader({None: {"ape": [name]}})("train")


def test_an_unknown_split_of_a_pool_is_all_of_it(reader):
    assert reader(POOL)("test").size == 10


def test_a_split_that_was_made_before_is_used_again(reader):
    read = reader({None: {name: ["animal"] for name in NAMES[:4]}})
    assert names_of(read("train", made_split=MADE)) == ["ape", "bee", "cat"]
    assert names_of(read("val", made_split=MADE)) == ["dog"]
    assert read("val", made_split=MADE).made_split == MADE


def test_images_added_or_lost_since_the_split_was_made_are_counted(reader):
    read = reader({None: {name: ["animal"] for name in ("ape", "cat", "dog", "eel", "fox")}})
    with pytest.warns(DataWarning) as caught:
        assert names_of(read("train", made_split=MADE)) == ["ape", "cat"]
    assert [str(warning.message) for warning in caught] == [
        "2 image(s) left out, they are not in the split that was made before; first: eel.jpg",
        "1 image(s) of the split that was made before are not there any more; first: bee.jpg",
    ]


def test_a_split_made_of_other_data_is_refused(reader):
    message = r"expected images of the split that was made before, such as 'x\.jpg', got others, such as 'ape\.jpg'"
    with pytest.raises(UserError, match=message):
        reader(POOL)("train", made_split={"train": ("x.jpg",), "val": ("y.jpg",)})


def test_classes_of_both_parts_are_those_of_the_whole(reader):
    splits = {None: {name: [name] for name in NAMES}}
    assert reader(splits)("val").classes == reader(splits)("train").classes == NAMES
    assert reader(splits, declared=("owl", *NAMES))("val").classes == ("owl", *NAMES)


# -- names of images, which decide their split


@pytest.mark.parametrize("place", ["here", "there/below"])
@pytest.mark.parametrize("data", ["data", "data/labels.json"])
def test_names_are_the_same_wherever_the_data_lie(tmp_path, monkeypatch, place, data):
    root = tmp_path / place
    (root / "data").mkdir(parents=True)
    (root / "data" / "labels.json").touch()
    paths = ("data/a.jpg", "data/x/a.jpg", "photos/b.jpg", "photos/y/b.jpg", "data/a.jpg")
    expected = ["a.jpg", "x/a.jpg", "b.jpg", "y/b.jpg", "a.jpg#1"]
    monkeypatch.chdir(root)
    for base in (f"{root}/", "", "./"):
        found = Found("data", images=[f"{base}{path}" for path in paths])
        assert image_names(found, DataRequest(f"{base}{data}")) == expected


def test_names_in_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert image_names(Found("data", images=["a.jpg", "x/a.jpg"]), DataRequest(".")) == ["a.jpg", "x/a.jpg"]


def test_names_in_buckets(to_ram, tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "a.jpg").touch()
    root = to_ram(tmp_path / "set")
    found = Found("data", images=[f"{root}/a.jpg", f"{root}/x/a.jpg", "ram://other/photos/a.jpg"])
    assert image_names(found, DataRequest(root)) == ["a.jpg", "x/a.jpg", "a.jpg#1"]


def test_the_split_that_a_model_is_measured_on():
    assert evaluation_split(("train", "valid")) == "val"
    assert evaluation_split(("test",)) == "all"
