"""The names of the classes that a user gives."""

import pytest

from keras_centernet.errors import UserError
from keras_centernet.tasks.classes import class_names


def test_one_string_is_not_taken_for_the_names_of_its_characters():
    with pytest.raises(UserError) as error:
        class_names("cat", None, ("0",))
    assert str(error.value) == "classes: expected a list of names, such as [\"cat\"], got 'cat'; pass a list."
    assert class_names(["cat"], None, ("0",)) == ("cat",)
    assert class_names(("cat", "dog"), 2, ("0",)) == ("cat", "dog")
