"""JSON files of this package and of other programs, valid and hostile."""

import json
import re

import pytest

from keras_centernet import UserError
from keras_centernet.files.json_file import MOST_DEPTH, JsonFormat, read_json

LATER = JsonFormat({"classes": [str], "rate?": object}, advice="remove it", mark="a kind", version=3)
PLAIN = JsonFormat({str: {"?": object}}, advice="remove it")


@pytest.fixture
def write(tmp_path):
    def write(content):
        path = tmp_path / "file.json"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def nested(levels):
    return "[" * levels + "]" * levels


def test_what_is_written_is_read(write):
    text = LATER.to_text({"classes": ["a", "ü"], "rate": 0.5})
    assert json.loads(text) == {"format": "a kind", "version": 3, "classes": ["a", "ü"], "rate": 0.5}
    assert LATER.read(write(text))["classes"] == ["a", "ü"]
    assert json.loads(PLAIN.to_text({}))["version"] == 1


@pytest.mark.parametrize("version", ["", '"version": 1, ', '"version": 2, '])
def test_files_of_older_versions_and_without_one_are_read(write, version):
    assert LATER.read(write(f'{{"format": "a kind", {version}"classes": []}}'))["classes"] == []


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf", "utf-16"])
def test_byte_order_marks(write, mark):
    text = '{"format": "a kind", "classes": ["é"]}'
    content = text.encode(mark) if isinstance(mark, str) else mark + text.encode()
    assert LATER.read(write(content))["classes"] == ["é"]


HEAD = '{"format": "a kind", "classes": []'
HOSTILE = [
    ("", "expected JSON, got a file that is none (Expecting value"),
    ("{", "expected JSON, got a file that is none (Expecting"),
    (HEAD, "expected JSON, got a file that is none (Expecting"),
    (HEAD + "} x", "expected JSON, got a file that is none (Extra data"),
    (b'{"a": "\xff"}', "line 1: expected text in UTF-8, got other bytes"),
    ("[" * 100_000, "expected JSON, got one that is nested too deeply; remove it."),
    (HEAD + f', "rate": {nested(MOST_DEPTH)}}}', "expected JSON, got one that is nested too deeply; remove it."),
    (HEAD + f', "rate": {nested(900)}}}', "expected JSON, got one that is nested too deeply; remove it."),
    (HEAD + ', "rate": NaN}', "expected JSON, got a file that is none (NaN is no number of JSON); remove it."),
    (HEAD + ', "rate": -Infinity}', "(-Infinity is no number of JSON)"),
    (HEAD + f', "rate": {"9" * 5000}}}', "expected JSON, got a file that is none (Exceeds the limit"),
    (HEAD + ', "classes": ["a"]}', "(the key 'classes' is there twice); remove it."),
    (HEAD + ', "rate": {"a": 1, "b": 2, "a": 3}}', "(the key 'a' is there twice)"),
    (
        HEAD + ', "version": 4}',
        "expected a version from 1 to 3, got 4 (update keras_centernet if that is newer)",
    ),
    (HEAD + ', "version": 0}', "expected a version from 1 to 3, got 0"),
    (HEAD + ', "version": 1e400}', "expected a version from 1 to 3, got inf"),
    (HEAD + ', "version": true}', "expected a version from 1 to 3, got True"),
    (HEAD + ', "version": "2"}', "expected a version from 1 to 3, got '2'"),
    (HEAD + ', "more": 1}', "expected no key but classes, rate as its content, got ['classes', 'more']; remove it."),
    ('{"format": "other", "classes": []}', "expected format 'a kind', got 'other'; remove it."),
    ('{"format": "a kind"}', "expected the key 'classes' as its content, got []; remove it."),
    ('{"format": "a kind", "classes": "ab"}', "expected a list as classes, got 'ab'; remove it."),
    ('{"format": "a kind", "classes": ["a", null]}', "expected a text as classes.1, got None; remove it."),
    ("[]", "expected an object as its content, got []; remove it."),
    ("null", "expected an object as its content, got None; remove it."),
]


@pytest.mark.parametrize(("content", "message"), HOSTILE)
def test_hostile_files_are_one_line(write, content, message):
    path = write(content)
    with pytest.raises(UserError, match=re.escape(message)) as caught:
        LATER.read(path)
    line = str(caught.value)
    assert line.startswith(str(path))
    assert "\n" not in line
    assert len(line) < len(str(path)) + 240


def test_missing_files_folders_and_devices(tmp_path):
    for path, found in ((tmp_path / "nowhere.json", "none"), (tmp_path, "a folder")):
        with pytest.raises(UserError, match=f"expected a file, got {found}"):
            LATER.read(path)
    with pytest.raises(UserError, match="expected a file, got a device or pipe"):
        read_json(type(tmp_path)("/dev/zero"))


def test_a_file_of_many_bytes_is_not_read(tmp_path):
    path = tmp_path / "large.json"
    with open(path, "wb") as file:
        file.truncate(2**40)  # a sparse file takes no space
    with pytest.raises(UserError, match=f"large.json: expected a file of at most 268435456 bytes, got {2**40}"):
        LATER.read(path)


def test_a_content_with_any_keys_has_no_version(write):
    assert PLAIN.read(write('{"format": {}, "a": {"b": [1]}}')) == {"format": {}, "a": {"b": [1]}}
    with pytest.raises(UserError, match="expected an object as version, got 7; remove it"):
        PLAIN.read(write('{"version": 7}'))


def test_files_of_other_programs_may_repeat_a_key(write):
    assert read_json(write('{"a": 1, "a": NaN}'))["a"] != 1
    with pytest.raises(UserError, match="expected JSON, got one that is nested too deeply"):
        read_json(write(nested(5000)))
