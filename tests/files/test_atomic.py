"""Files are whole or do not exist: after an error, Ctrl-C or a full disk; local and remote."""

import contextlib
import errno
import os
import zipfile

import pytest
import tensorflow as tf

from keras_centernet import UserError
from keras_centernet.files.atomic import (
    check_writable,
    folder_for,
    give_second_name,
    local_copy,
    local_output,
    move,
    temporary_folder,
    write_whole,
)
from keras_centernet.files.paths import to_path
from keras_centernet.files.remote_path import RemoteError, RemotePath
from keras_centernet.files.temporary import remove
from tests.helpers.small_files import no_file_beyond


def test_a_file_appears_under_its_name_when_it_is_whole(tmp_path):
    path = tmp_path / "some.txt"
    path.write_text("old")

    def write(temporary):
        temporary.write_text("new")
        assert path.read_text() == "old"

    assert write_whole(path, write) == path
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kind", ["local", "remote"])
def test_of_rivals_that_write_the_same_file_the_last_to_finish_wins(kind, tmp_path):
    folder = tmp_path if kind == "local" else RemotePath(f"ram://{tmp_path.name}/rivals")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "some.txt"

    def write(temporary):
        temporary.write_text("half")
        write_whole(path, lambda beside: beside.write_text("rival"))
        assert path.read_text() == "rival"
        temporary.write_text("whole")

    write_whole(path, write)
    assert path.read_text() == "whole"
    assert [file.name for file in folder.iterdir()] == ["some.txt"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError], ids=["Ctrl-C", "a mistake in the code"])
def test_errors_that_do_not_come_from_the_disk_are_passed_on(error, tmp_path):
    def write(temporary):
        temporary.write_text("half")
        raise error

    with pytest.raises(error):
        write_whole(tmp_path / "some.txt", write)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_previous_file(tmp_path):
    path = tmp_path / "some.bin"
    path.write_bytes(b"old")
    told = r"could not be written \(File too large\); what was there before is intact"
    with pytest.raises(UserError, match=told), no_file_beyond(4096):
        write_whole(path, lambda temporary: temporary.write_bytes(bytes(9000)))
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_archive_that_cannot_be_closed_reports_the_full_disk(tmp_path):
    def write(temporary):
        with zipfile.ZipFile(temporary, "w") as archive, archive.open("member", "w") as member:
            member.write(bytes(9000))

    with pytest.raises(UserError, match="File too large"), no_file_beyond(4096):
        write_whole(tmp_path / "some.zip", write)


def test_a_full_device_is_reported(tmp_path):
    def write(temporary):
        with open("/dev/full", "w") as file:
            file.write("x")

    with pytest.raises(UserError, match=r"could not be written \(No space left on device\)"):
        write_whole(tmp_path / "some.txt", write)


def test_a_remote_path(tmp_path):
    """ram:// is TensorFlow's file system in memory; gs:// takes the same path."""
    tf.io.gfile.makedirs("ram://files")
    for text in ("old", "new"):
        path = write_whole("ram://files/some.txt", lambda path, text=text: path.write_text(text))
        assert str(path) == "ram://files/some.txt"
    assert tf.io.gfile.listdir("ram://files") == ["some.txt"]
    with local_copy("ram://files/some.txt") as path:
        assert (path.name, path.read_text()) == ("some.txt", "new")
    assert not path.exists()


def test_a_remote_path_that_cannot_be_written(tmp_path):
    with pytest.raises(UserError, match=r"nosuch://files/some.txt: could not be written .*nosuch.* not implemented"):
        write_whole("nosuch://files/some.txt", lambda path: path.write_text("x"))


def test_the_error_of_the_system_is_named_without_a_number(tmp_path):
    def write(temporary):
        raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(UserError, match=r"\(Input/output error\)"):
        write_whole(tmp_path / "x", write)


@pytest.fixture(params=["here", "remote"])
def target(request, tmp_path):
    """A folder here or in memory."""
    folder = to_path(tmp_path / "target" if request.param == "here" else f"ram://{tmp_path.name}/target")
    folder.mkdir(parents=True)
    return folder


def test_a_file_that_a_library_writes_to_a_local_path_gets_its_final_path(target):
    with local_output(target / "film.txt") as path:
        path.write_text("whole")
    with contextlib.suppress(KeyboardInterrupt), local_output(target / "cut.txt") as path:
        path.write_text("half")
        raise KeyboardInterrupt
    with local_output(target / "none.txt"):
        pass
    with contextlib.suppress(UserError), local_output(target / "full.txt") as path:
        path.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert {path.name: path.read_text() for path in target.iterdir()} == {"film.txt": "whole", "cut.txt": "half"}


def test_of_a_moved_folder_the_file_that_makes_it_valid_comes_last(target, monkeypatch):
    uploaded = []
    upload = RemotePath.upload
    monkeypatch.setattr(RemotePath, "upload", lambda self, file: (uploaded.append(file.name), upload(self, file)))
    with folder_for(target) as temporary:
        (temporary / "new" / "variables").mkdir(parents=True)
        (temporary / "new" / "saved_model.pb").write_text("model")
        (temporary / "new" / "variables" / "v.data").write_text("values")
        move(temporary / "new", target / "served")
        (temporary / "report.json").write_text("{}")
        move(temporary / "report.json", target / "report.json")
    assert sorted(path.name for path in target.iterdir()) == ["report.json", "served"]
    assert (target / "served" / "saved_model.pb").read_text() == "model"
    assert (target / "served" / "variables" / "v.data").read_text() == "values"
    assert uploaded in ([], ["v.data", "saved_model.pb", "report.json"])
    remove(target / "served")
    assert [path.name for path in target.iterdir()] == ["report.json"]


def test_files_are_moved_from_a_folder_that_vanishes(target):
    with temporary_folder(target) as temporary:
        for name in ("a.txt", "b.txt"):
            (temporary / name).write_text(name)
        (temporary / "a.txt").replace(target / "a.txt")
    with contextlib.suppress(ZeroDivisionError), temporary_folder(target) as temporary:
        (temporary / "c.txt").write_text("c")
        raise ZeroDivisionError
    assert [path.name for path in target.iterdir()] == ["a.txt"]


def test_whether_a_folder_can_be_written_to(target, tmp_path):
    check_writable(target / "deep" / "deeper")
    assert list((target / "deep" / "deeper").iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        check_writable(tmp_path / "file" / "folder")
    with pytest.raises(RemoteError, match="'nosuch' not implemented"):
        check_writable(RemotePath("nosuch://x"))


@pytest.mark.parametrize("links", [True, False])
def test_a_second_name_keeps_its_file_when_the_first_gets_another(target, links, monkeypatch):
    def refuse(*paths):
        raise PermissionError

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    write_whole(target / "last", lambda path: path.write_text("old"))
    write_whole(target / "earlier", lambda path: path.write_text("older"))
    give_second_name(target / "last", target / "earlier")
    write_whole(target / "last", lambda path: path.write_text("new"))
    assert [(target / name).read_text() for name in ("earlier", "last")] == ["old", "new"]
