"""Finding and reading the files that a user names: local, and remote (in memory)."""

import os
import pathlib

import pytest

from keras_centernet import UserError
from keras_centernet.files.paths import expand, join, list_names, map_files, open_bytes, size_bytes, to_path
from keras_centernet.files.remote_path import RemotePath


@pytest.fixture(params=["here", "remote"])
def folder(request, tmp_path, to_ram):
    local = tmp_path / "tree"
    for name in ("a.jpg", "b.jpg", "c.txt", "d/e.jpg", "d/f.txt"):
        (local / name).parent.mkdir(parents=True, exist_ok=True)
        (local / name).write_text(name)
    return to_path(local if request.param == "here" else to_ram(local))


def test_files_are_found(folder):
    assert sorted(list_names(folder)) == ["a.jpg", "b.jpg", "c.txt", "d"]
    assert expand(f"{folder}/*.jpg") == [folder / "a.jpg", folder / "b.jpg"]
    assert expand(f"{folder}/*/e.*") == [folder / "d/e.jpg"]
    assert expand(f"{folder}/c.txt") == [folder / "c.txt"]
    assert expand(f"{folder}/none.txt") == expand(f"{folder}/none/*") == []
    assert size_bytes(folder) == sum(map(len, ("a.jpg", "b.jpg", "c.txt", "d/e.jpg", "d/f.txt")))
    assert size_bytes(folder / "d/f.txt") == 7


def test_files_are_read(folder):
    paths = [folder / name for name in ("b.jpg", "a.jpg", "d/e.jpg")]
    assert list(map_files(lambda path: path.read_text(), paths)) == ["b.jpg", "a.jpg", "d/e.jpg"]
    with open_bytes(folder / "d/e.jpg") as file:
        assert file.read(2) == b"d/"
        file.seek(-3, os.SEEK_END)
        assert file.read() == b"jpg"


def test_a_name_in_a_file_is_relative_absolute_or_remote():
    for folder in (pathlib.Path("/data"), RemotePath("gs://bucket/data")):
        assert join(folder, "a/b.jpg") == folder / "a/b.jpg"
        assert join(folder, "/else/b.jpg") == pathlib.Path("/else/b.jpg")
        assert join(folder, "s3://else/b.jpg") == RemotePath("s3://else/b.jpg")


def test_two_stars_work_only_on_local_paths(tmp_path):
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/c.jpg").touch()
    assert expand(f"{tmp_path}/**/*.jpg") == [tmp_path / "a/b/c.jpg"]
    with pytest.raises(UserError, match=r"gs://x/\*\*/a: expected a pattern without \*\*, .* name a folder"):
        expand("gs://x/**/a")
