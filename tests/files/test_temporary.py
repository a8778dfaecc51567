"""Only files that this package was writing, and that nobody writes any more, are ever removed."""

import multiprocessing
import os
import time

import pytest

from keras_centernet.files.paths import to_path
from keras_centernet.files.temporary import MARK, final_name, is_running, machine_id, remove_temporaries, temporary_name

DAY_S = 24 * 3600


@pytest.fixture(params=["here", "remote"])
def folder(request, tmp_path):
    """A folder here or in memory."""
    path = to_path(tmp_path / "folder" if request.param == "here" else f"ram://{tmp_path.name}/folder")
    path.mkdir(parents=True)
    return path


@pytest.fixture(scope="module")
def dead_process():
    """The number of a process that has ended."""
    process = multiprocessing.get_context("fork").Process(target=int)
    process.start()
    process.join()
    return process.pid


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_name_is_new_keeps_the_suffix_and_fits_every_disk(tmp_path):
    one, other = temporary_name("best.keras"), temporary_name("best.keras")
    assert one != other
    assert final_name(one) == "best.keras"
    assert temporary_name("字" * 200 + ".jpg").endswith("字.jpg")
    (tmp_path / temporary_name("😀" * 60 + ".jpg")).touch()
    assert final_name("part.best.keras") is None


def test_files_and_folders_of_killed_processes_are_removed(folder, dead_process):
    (folder / f"{MARK}{machine_id()}-{dead_process}-01234567.best.keras").write_text("half")
    left = folder / f"{MARK}{machine_id()}-{dead_process}-89abcdef"
    left.mkdir()
    (left / "detector.tflite").write_text("half")
    assert len(remove_temporaries(folder)) == 2
    assert names(folder) == []


@pytest.mark.parametrize(
    "name",
    [
        "part.mine.txt",
        ".part-1.txt",
        f"{MARK}notes.txt",
        f"{MARK}0123-1-89abcdef.mine",
        f"{MARK}lock-last.keras",
        ".keras_centernet",
    ],
)
def test_a_users_file_stays_whatever_its_name_and_age(name, folder):
    (folder / name).write_text("mine")
    if isinstance(folder, os.PathLike) and os.path.isdir(folder):
        os.utime(folder / name, (0, 0))
    assert remove_temporaries(folder) == []
    assert names(folder) == [name]


def test_files_that_are_being_written_stay(folder):
    mine = folder / temporary_name("best.keras")
    mine.write_text("half")
    other = folder / f"{MARK}{machine_id()}-{os.getppid()}-01234567.best.keras"
    other.write_text("half")
    assert remove_temporaries(folder) == []
    assert names(folder) == sorted([mine.name, other.name])


def test_files_of_a_dead_process_with_this_ones_number_are_removed(folder):
    """This happens after the restart of a container, whose process is always number 1."""
    (folder / f"{MARK}{machine_id()}-{os.getpid()}-01234567.best.keras").write_text("half")
    assert len(remove_temporaries(folder)) == 1


def test_writers_on_other_machines_are_judged_by_age(tmp_path):
    for age, process in ((DAY_S + 60, 1), (DAY_S - 60, 2)):
        path = tmp_path / f"{MARK}{'0' * 8}-{process}-01234567.best.keras"
        path.write_text("half")
        os.utime(path, (time.time() - age,) * 2)
    (removed,) = remove_temporaries(tmp_path)
    assert "-1-" in removed


def test_running_processes_are_told_from_dead_ones(dead_process):
    assert is_running(os.getpid())
    assert not is_running(dead_process)
    assert not is_running(10**30)
