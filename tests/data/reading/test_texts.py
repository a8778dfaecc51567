"""Label files as text, JSON and XML: encodings, byte order marks, and invalid files."""

import os
import re

import pytest

from keras_centernet.data.reading.texts import read_lines, read_xml
from keras_centernet.errors import UserError
from keras_centernet.files.json_file import read_json
from keras_centernet.files.texts import read_beginning, read_content, read_text

READERS = (read_content, read_text, read_lines, read_json, read_xml)


def write(tmp_path, content):
    path = tmp_path / "labels"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_byte_order_marks_are_dropped(tmp_path, encoding):
    path = write(tmp_path, "grün\r\n a b \n".encode(encoding))
    assert read_text(path).startswith("grün")
    assert read_lines(path) == ["grün", "a b"]
    assert read_json(write(tmp_path, '{"a": "ü"}'.encode(encoding))) == {"a": "ü"}


def test_the_line_of_other_bytes_is_named(tmp_path):
    with pytest.raises(UserError, match=r"labels, line 2: expected text in UTF-8, got other bytes; save it as UTF-8\."):
        read_text(write(tmp_path, "a\ngrün".encode("latin-1")))


@pytest.mark.parametrize(
    ("declared", "encoding"),
    [
        ("utf-8", "utf-8"),
        ("utf-8", "utf-8-sig"),
        ("UTF-8", "utf-8"),
        ("utf-16", "utf-16"),
        ("iso-8859-1", "latin-1"),
        ("windows-1252", "cp1252"),
        ("gb2312", "gb2312"),
        ("shift_jis", "shift_jis"),
        ("utf-16", "utf-8"),
        ("Unicode", "utf-8"),
        ("latin-1", "utf-8-sig"),
        ("utf-8", "utf-16"),
    ],
)
def test_encodings_that_xml_declares(tmp_path, declared, encoding):
    text = "名前" if encoding in ("gb2312", "shift_jis") else "grün"
    content = f'<?xml version="1.0" encoding="{declared}"?><a><b>{text}</b></a>'
    assert read_xml(write(tmp_path, content.encode(encoding))).findtext("b") == text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("<?xml version='1.0' encoding='foo'?><a/>", "expected an encoding that Python knows, got 'foo'"),
        ("<a>", "expected XML, got a file that cannot be read as such"),
        ("", "expected XML, got a file that cannot be read as such"),
        (b"<a>gr\xfcn</a>", "expected XML, got a file that cannot be read as such"),
        (b"\x89PNG\r\n\x1a\n", "expected XML, got a file that cannot be read as such"),
        ("<?xml version='1.0' encoding='ascii'?><a>ü</a>", "expected XML, got a file that cannot be read as such"),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&d;</a>", "expected XML, got a file that cannot be read as such"),
    ],
)
def test_damaged_xml(tmp_path, content, message):
    with pytest.raises(UserError, match=re.escape(f"labels: {message}")):
        read_xml(write(tmp_path, content))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "expected JSON, got a file that is none"),
        ('{"a": ', "expected JSON, got a file that is none"),
        ("[" * 100_000, "expected JSON, got one that is nested too deeply"),
        (b"\xff", "expected text in UTF-8"),
    ],
)
def test_damaged_json(tmp_path, content, message):
    with pytest.raises(UserError, match=re.escape(message)):
        read_json(write(tmp_path, content))


def test_xml_may_be_deeply_nested(tmp_path):
    depth = 10_000
    assert read_xml(write(tmp_path, "<a>" * depth + "</a>" * depth)).tag == "a"


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda path: path.mkdir(), "a folder"),
        (os.mkfifo, "a device or pipe"),
        (lambda path: path.symlink_to("/dev/zero"), "a device or pipe"),
        (lambda path: path.symlink_to("nowhere"), "none"),
        (lambda path: path.symlink_to(path.name), "none"),
        (lambda path: None, "none"),
    ],
    ids=["folder", "pipe", "device", "broken link", "circle of links", "missing"],
)
def test_only_regular_files_are_opened(tmp_path, read, make, found):
    path = tmp_path / "x"
    make(path)
    with pytest.raises(UserError, match=rf"x: expected a file, got {found}\."):
        read(path)
    assert read_beginning(path, 9) == b""


def test_the_beginning_of_a_file(tmp_path):
    assert read_beginning(write(tmp_path, "abcdef"), 3) == b"abc"
