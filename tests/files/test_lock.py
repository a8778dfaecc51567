"""Only one process at a time writes a file, and a dead one does not keep the others out."""

import json
import multiprocessing
import os
import signal
import time

import pytest

from keras_centernet import UserError
from keras_centernet.files import lock
from keras_centernet.files.lock import DEAD_S, LOCK, one_writer
from keras_centernet.files.paths import to_path

processes = multiprocessing.get_context("fork")


@pytest.fixture(params=["here", "here, without locks of the system", "remote"])
def path(request, tmp_path, monkeypatch):
    """The path of a file to write: local, local without system locks, or remote."""
    if "without" in request.param:
        import fcntl

        def refuse(*_):
            raise OSError(95, "Operation not supported")

        monkeypatch.setattr(fcntl, "flock", refuse)
    folder = to_path(f"ram://{tmp_path.name}/folder" if request.param == "remote" else tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    return folder / "last.keras"


def write_lock(path, **holder):
    path.with_name(f"{LOCK}{path.name}").write_bytes(json.dumps(holder).encode())


def test_a_second_writer_is_refused_and_told_who_the_first_is(path):
    expected = rf"expected no other process .* process {os.getpid()} on"
    with one_writer(path), pytest.raises(UserError, match=expected), one_writer(path):
        pass
    with one_writer(path):
        pass
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("name", ["x" * 255, "猫" * 85, "x" * 161])
def test_a_name_may_be_as_long_as_file_systems_allow(name, path):
    path = path.with_name(name)
    with one_writer(path), pytest.raises(UserError, match="expected no other process"), one_writer(path):
        pass
    assert list(path.parent.iterdir()) == []


def test_other_files_of_the_folder_have_locks_of_their_own(path):
    with one_writer(path), one_writer(path.with_name("report.json")):
        pass


def test_the_lock_is_released_after_an_error(path):
    with pytest.raises(ZeroDivisionError), one_writer(path):
        raise ZeroDivisionError
    with one_writer(path):
        pass


def _hold(path, ready):
    with one_writer(path):
        ready.set()
        time.sleep(60)


def test_another_process_holds_the_lock_until_it_is_killed(tmp_path):
    path, ready = tmp_path / "last.keras", processes.Event()
    other = processes.Process(target=_hold, args=(path, ready))
    other.start()
    try:
        assert ready.wait(30)
        with pytest.raises(UserError, match=f"process {other.pid} on"), one_writer(path):
            pass
    finally:
        os.kill(other.pid, signal.SIGKILL)
        other.join()
    assert len(list(tmp_path.iterdir())) == 1
    with one_writer(path):
        pass


def _add_one(path):
    with one_writer(path, wait_s=60):
        number = int(path.read_text())
        time.sleep(0.002)
        path.write_text(str(number + 1))


def _add(path, times):
    for _ in range(times):
        _add_one(path)


def test_processes_that_wait_for_each_other_lose_nothing(tmp_path):
    path = tmp_path / "counter"
    path.write_text("0")
    others = [processes.Process(target=_add, args=(path, 10)) for _ in range(4)]
    for one in others:
        one.start()
    for one in others:
        one.join()
    assert path.read_text() == "40"


def test_a_dead_process_of_this_machine_holds_nothing(path):
    process = processes.Process(target=int)
    process.start()
    process.join()
    for number in (process.pid, os.getpid()):  # after a restart, a container's process has the same number again
        write_lock(path, host="here", machine=lock.machine_id(), pid=number)
        with one_writer(path):
            pass


def test_a_writer_on_another_machine_holds_the_lock_while_it_gives_signs_of_life(tmp_path):
    path = tmp_path / "last.keras"
    write_lock(path, host="node7", machine="f" * 8, pid=4)
    with pytest.raises(UserError, match="process 4 on node7"), one_writer(path):
        pass
    os.utime(tmp_path / f"{LOCK}last.keras", (time.time() - DEAD_S - 5,) * 2)
    with one_writer(path):
        pass


def test_a_writer_gives_signs_of_life(path, monkeypatch):
    monkeypatch.setattr(lock, "SIGN_OF_LIFE_S", 0.02)
    file = path.with_name(f"{LOCK}{path.name}")
    with one_writer(path):

        def sign():
            return json.loads(file.read_bytes()).get("seen"), file.stat().st_mtime

        before, deadline = sign(), time.monotonic() + 20
        while sign() == before and time.monotonic() < deadline:
            time.sleep(0.02)
        assert sign() != before


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"pid": "x"}', b'{"pid": 1, "seen": "x"}', b"[" * 100_000, b"\xff\x00"]
)
def test_a_damaged_lock_keeps_nobody_out(content, path):
    path.with_name(f"{LOCK}{path.name}").write_bytes(content)
    with one_writer(path):
        pass
