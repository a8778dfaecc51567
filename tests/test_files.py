"""Files are whole or not there: after an error, Ctrl-C, a full disk; here and behind a scheme."""

import errno
import resource
import zipfile

import pytest
import tensorflow as tf

from keras_centernet import UserError
from keras_centernet.files import local_copy, write_whole


@pytest.fixture
def tiny_disk():
    """No file may grow beyond 4096 bytes, as on a disk with no more room."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_file_appears_under_its_name_when_it_is_whole(tmp_path):
    path = tmp_path / "some.txt"
    path.write_text("old")

    def write(beside):
        beside.write_text("new")
        assert path.read_text() == "old"

    assert write_whole(path, write) == path
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError], ids=["Ctrl-C", "a mistake in the code"])
def test_what_is_no_matter_of_the_disk_is_passed_on(error, tmp_path):
    def write(beside):
        beside.write_text("half")
        raise error

    with pytest.raises(error):
        write_whole(tmp_path / "some.txt", write)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_file_of_before(tmp_path, tiny_disk):
    path = tmp_path / "some.bin"
    path.write_bytes(b"old")
    with pytest.raises(UserError, match=r"some.bin: could not be written \(File too large\); the previous file"):
        write_whole(path, lambda beside: beside.write_bytes(bytes(9000)))
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_archive_that_cannot_be_closed_on_a_full_disk_is_a_full_disk_too(tmp_path, tiny_disk):
    def write(beside):
        with zipfile.ZipFile(beside, "w") as archive, archive.open("member", "w") as member:
            member.write(bytes(9000))

    with pytest.raises(UserError, match="File too large"):
        write_whole(tmp_path / "some.zip", write)


def test_no_room_at_all(tmp_path):
    def write(beside):
        with open("/dev/full", "w") as file:
            file.write("x")

    with pytest.raises(UserError, match=r"could not be written \(No space left on device\)"):
        write_whole(tmp_path / "some.txt", write)


def test_behind_a_scheme(tmp_path):
    """ram:// is TensorFlow's file system in memory; gs:// goes the same way."""
    tf.io.gfile.makedirs("ram://files")
    for text in ("old", "new"):
        path = write_whole("ram://files/some.txt", lambda path, text=text: path.write_text(text))
        assert str(path) == "ram://files/some.txt"
    assert tf.io.gfile.listdir("ram://files") == ["some.txt"]
    with local_copy("ram://files/some.txt") as path:
        assert (path.name, path.read_text()) == ("some.txt", "new")
    assert not path.exists()


def test_behind_a_scheme_that_cannot_be_written(tmp_path):
    with pytest.raises(UserError, match=r"nosuch://files/some.txt: could not be written .*nosuch.* not implemented"):
        write_whole("nosuch://files/some.txt", lambda path: path.write_text("x"))


def test_the_error_of_the_system_is_named_without_a_number(tmp_path):
    def write(beside):
        raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(UserError, match=r"\(Input/output error\)"):
        write_whole(tmp_path / "x", write)
