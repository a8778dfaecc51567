"""Checks before any work: whether results can be written, and whether they would replace something."""

import os

import pytest

from keras_centernet import UserError
from keras_centernet.files.marker import MARKER, mark
from keras_centernet.files.outputs import check_empty, check_outputs, claimed, first_free, open_folder, same_folder
from keras_centernet.files.paths import to_path


@pytest.fixture(params=["here", "remote"])
def folder(request, tmp_path):
    """A folder here or in memory."""
    path = to_path(tmp_path / "folder" if request.param == "here" else f"ram://{tmp_path.name}/folder")
    path.mkdir(parents=True)
    return path


def test_nothing_is_replaced_unless_asked(folder):
    check_outputs([folder / "a.jpg", folder / "b.jpg", folder / "sub" / "c.jpg"])
    (folder / "a.jpg").write_text("mine")
    (folder / "b.jpg").write_text("mine")
    with pytest.raises(UserError, match=r"a\.jpg and 1 more: expected no file there yet, got one\. .*overwrite"):
        check_outputs([folder / "a.jpg", folder / "b.jpg", folder / "c.jpg"])
    check_outputs([folder / "a.jpg", folder / "b.jpg"], overwrite=True)


def test_a_file_that_is_read_is_never_replaced(folder):
    (folder / "a.jpg").write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(UserError, match=r"a\.jpg: expected a place for results, got a file that is read"):
            check_outputs([folder / "b.jpg", folder / "a.jpg"], overwrite, inputs=[folder / "a.jpg", folder / "none"])


def test_a_file_that_is_read_is_known_under_all_its_names(tmp_path, monkeypatch):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.jpg").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    os.link(tmp_path / "real" / "a.jpg", tmp_path / "hard.jpg")
    monkeypatch.chdir(tmp_path)
    names = ("real/a.jpg", "link/a.jpg", "real/../real/a.jpg", "hard.jpg", os.path.abspath("real/a.jpg"))
    for name in names:
        with pytest.raises(UserError, match="a file that is read"):
            check_outputs([to_path(name)], overwrite=True, inputs=[tmp_path / "real" / "a.jpg"])


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_pipe_or_device_is_never_replaced(overwrite, tmp_path):
    os.mkfifo(tmp_path / "pipe.json")
    for path in (tmp_path / "pipe.json", to_path("/dev/null")):
        with pytest.raises(UserError, match="got a device, pipe or socket"):
            check_outputs([path], overwrite)


def test_a_folder_is_replaced_only_if_it_is_marked_and_holds_nothing_else(folder):
    path = folder / "saved_model"
    path.mkdir()
    (path / "saved_model.pb").write_text("model")
    with pytest.raises(UserError, match=r"saved_model: expected results that may be replaced, got a folder with other"):
        check_outputs([path], overwrite=True)
    mark(path)
    check_outputs([path], overwrite=True)
    with pytest.raises(UserError, match="saved_model: expected no file there yet"):
        check_outputs([path])
    (path / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match=r"saved_model: expected results that may be replaced"):
        check_outputs([path], overwrite=True)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"names": 3}', "[" * 100_000, '{"format": "x", "names": []}'])
def test_a_damaged_marker_marks_nothing(content, folder):
    (folder / "saved_model").mkdir()
    (folder / "saved_model" / MARKER).write_text(content)
    with pytest.raises(UserError, match="saved_model: expected results that may be replaced"):
        check_outputs([folder / "saved_model"], overwrite=True)


def test_a_folder_for_results_whose_names_are_not_known_yet(folder):
    check_empty(folder, "--results")
    (folder / "000001.txt").write_text("mine")
    with pytest.raises(UserError, match=r"--results .*: expected an empty folder, got one with 000001\.txt in it"):
        check_empty(folder, "--results")
    check_empty(folder, "--results", overwrite=True, inputs=[folder.parent / "others"])
    for read in (folder, folder.parent, folder / "000001.txt"):
        with pytest.raises(UserError, match=r"expected an empty folder, or one outside of .*, which is read"):
            check_empty(folder, "--results", overwrite=True, inputs=[read])


def test_output_folders_are_made_and_locked(folder):
    path = folder / "deep" / "metrics.json"
    with claimed([path, folder / "curves.png"]):
        path.write_text("{}")
        with pytest.raises(UserError, match="expected no other process that writes it"), claimed([path], True):
            pass
    with pytest.raises(UserError, match="expected no file there yet"), claimed([path]):
        pass
    with claimed([path], overwrite=True):
        pass
    assert [one.name for one in path.parent.iterdir()] == ["metrics.json"]


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"--output .*file: expected a folder that can be written to: it is a file"):
        open_folder(tmp_path / "file")
    with pytest.raises(UserError, match=r"--results nosuch://x: expected a folder .*nosuch"):
        open_folder(to_path("nosuch://x"), "--results")


def test_a_default_name_never_meets_old_results(folder):
    for expected in ("metrics.json", "metrics-2.json", "metrics-3.json"):
        free = first_free(folder / "metrics.json")
        assert free.name == expected
        free.write_text("{}")


def test_same_folder(tmp_path, monkeypatch):
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path)
    assert same_folder("photos", f"{tmp_path}/photos/../photos/")
    assert not same_folder("photos", "records")
    assert not same_folder("coco/2017", "coco/2017")
