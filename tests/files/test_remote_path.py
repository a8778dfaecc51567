"""A remote path behaves like a local one; pathlib is the reference."""

import pathlib

import pytest

from keras_centernet import UserError
from keras_centernet.files.remote_path import RemoteError, RemotePath

NAMES = ["name", "stem", "suffix"]


@pytest.mark.parametrize("text", ["", "a", "a/b.txt", "a.b/c.tar.gz", "a/.hidden"])
def test_names_are_those_of_pathlib(text):
    remote, local = RemotePath(f"gs://bucket/{text}"), pathlib.PurePosixPath("/bucket") / text
    if text:
        assert [getattr(remote, name) for name in NAMES] == [getattr(local, name) for name in NAMES]
        assert str(remote.with_suffix(".x")) == f"gs:/{local.with_suffix('.x')}"
        assert str(remote.with_stem("x")) == f"gs:/{local.with_stem('x')}"
        assert str(remote.with_name("x.y")) == f"gs:/{local.with_name('x.y')}"
        assert str(remote.parent) == f"gs:/{local.parent}"
    assert str(remote) == f"gs:/{local}"
    assert str(remote / "c/d.e") == f"gs:/{local / 'c/d.e'}"
    assert remote.parts == ("gs://bucket", *local.parts[2:])
    assert (remote / "x" / "y").relative_to(remote) == pathlib.PurePosixPath("x/y")
    assert RemotePath(*remote.parts) == remote


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gs://bucket", "gs://bucket"),
        ("gs://bucket/", "gs://bucket"),
        ("gs://bucket/a//b/", "gs://bucket/a/b"),
        ("gs://bucket/a/../b/./c", "gs://bucket/b/c"),
        ("gs://bucket/../../c", "gs://bucket/c"),
        ("hdfs:///user/me", "hdfs:///user/me"),
        ("hdfs://host:80/user", "hdfs://host:80/user"),
    ],
)
def test_paths_are_normalised(text, expected):
    assert str(RemotePath(text)) == expected
    assert RemotePath(expected) == RemotePath(text)


def test_order_is_that_of_pathlib():
    names = ["b/a", "a.b", "a/b", "a-b/c", "a", "B"]
    ours = [str(path) for path in sorted(RemotePath("gs://x", name) for name in names)]
    assert ours == [f"gs:/{path}" for path in sorted(pathlib.PurePosixPath("/x", name) for name in names)]


@pytest.fixture
def trees(tmp_path, to_ram):
    """The same files here and in memory."""
    local = tmp_path / "tree"
    for name in ("top.txt", "a/one.jpg", "a/b/two.jpg", "a/b/three.txt", "v1.0/four.jpg", "[x]/five.jpg"):
        (local / name).parent.mkdir(parents=True, exist_ok=True)
        (local / name).write_bytes(b"first\r\nsecond " + name.encode())
    return local, RemotePath(to_ram(local))


def test_files_are_found_as_by_pathlib(trees):
    local, remote = trees
    for name in ("", "top.txt", "a", "a/one.jpg", "none", "top.txt/none", "[x]"):
        here, there = local / name, remote / name
        assert (there.exists(), there.is_file(), there.is_dir()) == (here.exists(), here.is_file(), here.is_dir())
    for pattern in ("*", "*.txt", "a/*", "*/*.jpg", "none/*", "none"):
        assert sorted(path.relative_to(remote) for path in remote.glob(pattern)) == sorted(
            path.relative_to(local) for path in local.glob(pattern)
        )
    assert [path.name for path in (remote / "[x]").glob("*")] == ["five.jpg"]
    assert [path.relative_to(remote) for path in sorted(remote.rglob("*.jpg"))] == [
        path.relative_to(local) for path in sorted(local.rglob("*.jpg"))
    ]
    assert sorted(path.name for path in remote.iterdir()) == sorted(path.name for path in local.iterdir())
    assert (remote / "top.txt").read_bytes() == (local / "top.txt").read_bytes()
    assert (remote / "top.txt").read_text() == (local / "top.txt").read_text()
    assert (remote / "top.txt").stat().st_size == (local / "top.txt").stat().st_size


@pytest.mark.parametrize("names", [["b/", "one.jpg", "odd"], ["b/"]], ids=["with files", "folders alone"])
def test_entries_that_a_bucket_marks_as_folders_are_not_queried(names, trees, monkeypatch):
    """Each such question is a request, and there may be a hundred thousand files."""
    listed = {RemotePath("gs://x/a"): names, RemotePath("gs://x/a/b"): ["two.jpg", "three.txt"]}
    monkeypatch.setattr(RemotePath, "listdir", lambda self: listed[self])
    monkeypatch.setattr(RemotePath, "is_dir", lambda self: pytest.fail(f"asked for {self}"))
    found = [str(path) for path in RemotePath("gs://x/a").rglob("*")]
    assert found == ["gs://x/a/b/two.jpg", "gs://x/a/b/three.txt", "gs://x/a/one.jpg", "gs://x/a/odd"][: 1 + len(names)]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("ram://none/a.txt", "No such file or directory"),
        ("nosuch://a/b.txt", "File system scheme 'nosuch' not implemented (file: 'nosuch://a/b.txt')"),
    ],
)
def test_an_error_is_an_os_error_and_a_user_error(path, reason):
    with pytest.raises(RemoteError) as caught:
        RemotePath(path).read_bytes()
    assert isinstance(caught.value, OSError)
    assert isinstance(caught.value, UserError)
    assert caught.value.strerror == reason
    assert str(caught.value) == (
        f"{path}: expected a file or folder that can be reached, got: {reason}. Check its name, your rights and the "
        "network."
    )


@pytest.mark.parametrize("ask", ["exists", "is_file", "is_dir", "mkdir", "unlink", "stat"])
def test_a_path_that_cannot_be_reached_is_not_an_empty_folder(ask):
    with pytest.raises(RemoteError, match="'nosuch' not implemented"):
        getattr(RemotePath("nosuch://a/b"), ask)()
