"""Lists of image names, and the label files that belong to them."""

import pytest

from keras_centernet.data.reading.lists import find_label_files, read_list, without_suffix


def test_lines_of_a_list(tmp_path):
    path = tmp_path / "train.txt"
    path.write_bytes("\ufeffa\n\n 'my photo 1' \r\n\"b.jpg\"\nx\\c.jpg\n".encode())
    assert read_list(path) == ["a", "my photo 1", "b.jpg", "x/c.jpg"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a", "a"),
        ("a.jpg", "a"),
        ("x/a.b.JPEG", "x/a.b"),
        ("a.b", "a.b"),
        ("a.xml", "a"),
        ("a.txt", "a"),
        ("1.5", "1.5"),
    ],
)
def test_only_known_suffixes_are_suffixes(name, expected):
    assert without_suffix(name) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a", "a.xml"),
        ("a.jpg", "a.xml"),
        ("images/a.jpg", "a.xml"),
        ("/home/me/images/a.jpg", "a.xml"),
        ("./../a", "a.xml"),
        ("x/b", "x/b.xml"),
        ("images/x/b.png", "x/b.xml"),
        ("b", None),  # two files match
        ("c", "y/c.xml"),
        ("a.v1", "a.v1.xml"),
        ("a.v1.jpg", "a.v1.xml"),
        ("d", None),
        ("", None),
        ("e", None),  # ._e.xml is a hidden file
    ],
)
def test_the_label_file_of_a_name(tmp_path, name, expected):
    for path in ("a.xml", "x/b.xml", "y/b.xml", "y/c.xml", "a.v1.xml", "d.txt", "._e.xml"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).touch()
    assert find_label_files([name], tmp_path, ".xml") == [None if expected is None else tmp_path / expected]
