"""Packages that may be missing: the error for them, and the extras that install them."""

import configparser
import pathlib
import re
import sys

import pytest

from keras_centernet.errors import UserError
from keras_centernet.packages import EXTRAS, check_installed, import_package, is_installed

SETUP = pathlib.Path(__file__).parents[1] / "setup.cfg"


@pytest.mark.parametrize("package", EXTRAS)
def test_the_extra_of_each_package_installs_it(package):
    parser = configparser.ConfigParser()
    parser.read(SETUP)
    required = re.findall(r"^[\w-]+", parser["options.extras_require"][EXTRAS[package]], re.MULTILINE)
    assert package in [name.replace("-", "_") for name in required]


def test_an_installed_package_is_imported():
    assert import_package("reading", "json.decoder") is sys.modules["json.decoder"]
    assert is_installed("json")
    check_installed("reading", "json", "re")


@pytest.mark.parametrize("ask", [import_package, check_installed])
def test_a_missing_package_is_named_with_what_needs_it_and_its_extra(ask, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    line = 'a.pth: expected the package torch, which is not installed. Run `pip install "keras_centernet[torch]"`'
    with pytest.raises(UserError) as error:
        ask("a.pth", "torch")
    assert str(error.value) == f"{line}."
    with pytest.raises(UserError) as error:
        ask("a.pth", "torch", otherwise="use another file")
    assert str(error.value) == f"{line}, or use another file."


def test_several_missing_packages_are_one_line(monkeypatch):
    for name in ("onnx", "onnxruntime"):
        monkeypatch.setitem(sys.modules, name, None)
    message = (
        r'^ONNX: expected the packages onnx, onnxruntime, which are not installed\. .*"keras_centernet\[onnx\]"`\.$'
    )
    with pytest.raises(UserError, match=message):
        check_installed("ONNX", "json", "onnx", "onnxruntime")


def test_a_package_of_no_extra_came_with_this_one():
    with pytest.raises(UserError, match=r'the package no_such_package, .*`pip install "keras_centernet"`\.$'):
        check_installed("here", "no_such_package")


def test_a_folder_of_its_name_is_no_package(tmp_path, monkeypatch):
    (tmp_path / "runs_of_a_service").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    assert not is_installed("runs_of_a_service")


def test_a_package_that_is_broken_says_why(tmp_path, monkeypatch):
    (tmp_path / "broken_package.py").write_text("import what_it_needs")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(
        UserError, match=r"broken_package, which cannot be imported \(No module named 'what_it_needs'\)"
    ):
        import_package("here", "broken_package")
