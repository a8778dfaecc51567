"""Which classes are used: chosen, renamed, merged, with or without regard to case."""

import re

import pytest

from keras_centernet.data.formats.request import DataRequest
from keras_centernet.data.reading.classes import choose_classes, new_name
from keras_centernet.errors import DataWarning, UserError

OBJECTS = ("dog", "cat", "dog", "Dog")


@pytest.mark.parametrize(
    ("declared", "options", "classes", "indices"),
    [
        (None, {}, ("Dog", "cat", "dog"), {"dog": 2, "cat": 1, "Dog": 0}),
        (("dog", "owl"), {}, ("dog", "owl", "Dog", "cat"), {"dog": 0, "owl": 1, "Dog": 2, "cat": 3}),
        (None, {"classes": ("dog", "cat", "owl", "Dog")}, ("dog", "cat", "owl", "Dog"), {"dog": 0, "cat": 1, "Dog": 3}),
        (None, {"class_map": {"dog": "pet", "cat": "pet"}}, ("Dog", "pet"), {"dog": 1, "cat": 1, "Dog": 0}),
        (None, {"ignore_case": True}, ("Dog", "cat"), {"dog": 0, "cat": 1, "Dog": 0}),
        (("dog",), {"ignore_case": True}, ("dog", "cat"), {"dog": 0, "cat": 1, "Dog": 0}),
        (None, {"ignore_case": True, "classes": ("CAT", "DOG")}, ("CAT", "DOG"), {"dog": 1, "cat": 0, "Dog": 1}),
        (
            None,
            {"ignore_case": True, "class_map": {"DOG": "pet", "cat": "Pet"}},
            ("pet",),
            {"dog": 0, "cat": 0, "Dog": 0},
        ),
    ],
    ids=[
        "sorted",
        "declared",
        "chosen",
        "merged",
        "any case",
        "first spelling",
        "chosen in any case",
        "merged in any case",
    ],
)
def test_names_and_their_indices(declared, options, classes, indices):
    found_classes, found = choose_classes(declared, OBJECTS, DataRequest("data", **options))
    assert found_classes == classes
    assert {name: index for name, index in found.items() if name in indices} == indices


def test_objects_that_were_not_asked_for_are_counted():
    message = (
        r"3 object\(s\) of data \(train\) left out, .* none of \[cat\].* dog \(2\), Dog \(1\)|Dog \(1\), dog \(2\)"
    )
    with pytest.warns(DataWarning, match=message):
        _, indices = choose_classes(None, OBJECTS, DataRequest("data", classes=("cat",)))
    assert indices == {"Dog": -1, "dog": -1, "cat": 0}


@pytest.mark.parametrize(("wanted", "advice"), [("DOG", "pass ignore_case"), ("owl", "class_map renames them")])
def test_classes_without_any_object_are_refused_with_advice(wanted, advice):
    message = f"data (train): expected objects of the classes [{wanted}], got only others"
    with pytest.raises(UserError, match=re.escape(message)) as caught:
        choose_classes(None, OBJECTS, DataRequest("data", classes=(wanted,)))
    assert advice in str(caught.value)


def test_a_class_map_name_that_is_no_class_is_reported():
    message = r"1 name\(s\) of class_map are not classes of data, which has .*; first: bird"
    with pytest.warns(DataWarning, match=message):
        choose_classes(None, OBJECTS, DataRequest("data", class_map={"bird": "pet"}))


def test_names_asked_for_twice():
    with pytest.raises(UserError, match=r"classes: expected different names, got \[dog, dog\]"):
        choose_classes(None, OBJECTS, DataRequest("data", classes=("dog", "dog")))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "dog"),
        ({"classes": ("cat",)}, None),
        ({"class_map": {"dog": "pet"}}, "pet"),
        ({"class_map": {"dog": "pet"}, "classes": ("dog",)}, None),
        ({"class_map": {"DOG": "pet"}, "classes": ("PET",), "ignore_case": True}, "pet"),
    ],
)
def test_the_new_name_of_one_class(options, expected):
    assert new_name("dog", DataRequest("data", **options)) == expected
