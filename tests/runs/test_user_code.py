"""A user's own modules and objects."""

import pytest

from keras_centernet import UserError
from keras_centernet.runs.user_code import import_module, resolve


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Makes a folder with modules, some of them broken, the current one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_good_code.py").write_text("VALUE = 3\n")
    (tmp_path / "my_half_code.py").write_text("VALUE = (\n")
    (tmp_path / "my_bad_code.py").write_text("raise RuntimeError('first line\\nsecond line')\n")


def test_an_object_of_a_module_in_the_current_folder():
    assert resolve("my_good_code:VALUE", "--backbone") == 3
    assert import_module("my_good_code").VALUE == 3


def test_a_name_without_a_colon_is_the_key_of_a_table():
    assert resolve("mobilenet_v2", "--backbone") == "mobilenet_v2"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "my_good_code:OTHER",
            "--task my_good_code:OTHER: expected an object of module my_good_code, it has no 'OTHER'",
        ),
        ("no_such_code:VALUE", "--task no_such_code: .* got ModuleNotFoundError: No module named 'no_such_code'"),
        ("my_half_code:VALUE", "--task my_half_code: expected a module that can be imported .* got SyntaxError"),
        ("my_bad_code:VALUE", "--task my_bad_code: .* got RuntimeError: first line"),
        (":VALUE", "--task : expected a module that can be imported"),
    ],
)
def test_mistakes_are_one_line(name, message):
    with pytest.raises(UserError, match=message) as caught:
        resolve(name, "--task")
    assert "\n" not in str(caught.value)
