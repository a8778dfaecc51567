"""A user's own files are never changed or removed, whichever output path a command gets."""

import json
import pathlib
import shutil
import subprocess
import sys

import pytest

from keras_centernet.cli import main
from keras_centernet.files.lock import one_writer
from tests.helpers.commands import COMMANDS, MINE, arguments, damages, make_film, places_of, put_own_files

KILL, TERMINATE, INTERRUPT = 9, 15, 2
FEW = ("make-tfrecords", "predict")  # commands that write many files of different kinds
ROOT = pathlib.Path(__file__).parents[2]
MAIN = "import sys; from keras_centernet.cli import main; sys.exit(main(sys.argv[1:]))"


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """A film of four frames."""
    path = tmp_path_factory.mktemp("film") / "street.avi"
    make_film(path)
    return path


@pytest.fixture
def places(photos, film, model_file, tmp_path):
    """The paths that replace PHOTOS, FILM, MODEL and OUT in `COMMANDS`."""
    return places_of(photos, film, model_file, tmp_path / "out")


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("overwrite", [[], ["--overwrite"]], ids=["", "overwrite"])
@pytest.mark.parametrize(
    "inputs", [["."], ["photo0.jpg"], ["../here/photo0.jpg"]], ids=["folder", "file", "other name"]
)
def test_drawings_do_not_replace_the_photos(inputs, overwrite, photos, model_file, tmp_path, monkeypatch, capsys):
    here = tmp_path / "here"
    shutil.copytree(photos / "JPEGImages", here)
    monkeypatch.chdir(here)
    before = contents(here)
    assert main(["predict", *inputs, "--model", str(model_file), "--output", ".", *overwrite]) == 2
    assert "photo0.jpg" in capsys.readouterr().err
    assert contents(here) == before


@pytest.mark.parametrize("command", ["train --data shapes", "predict x.jpg --model m.keras", "export --model m.keras"])
@pytest.mark.parametrize("empty", [["--output", ""], ["--output="], ["--output", "a\0b"]])
def test_an_empty_output_does_not_mean_the_current_folder(command, empty, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([*command.split(), *empty]) == 2
    assert "expected no empty value" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_parts_of_a_shard_are_never_replaced(capsys):
    assert main(["predict", "x.jpg", "--model", "m.keras", "--shard", "0/1", "--overwrite"]) == 2
    assert "--shard and --overwrite: expected one of them" in capsys.readouterr().err


def test_an_annotation_file_is_no_place_for_metrics(photos, model_file, tmp_path, capsys):
    labels = tmp_path / "labels.json"
    labels.write_text('{"images": [], "annotations": [], "categories": []}')
    data = ["--data", str(photos), "--annotations", str(labels)]
    assert main(["evaluate", "--model", str(model_file), *data, "--output", str(labels), "--overwrite"]) == 2
    assert "labels.json: expected a place for results, got a file that is read" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--results", "--report"])
@pytest.mark.parametrize("results", ["ap.json", ".", "sub/.."])
def test_result_files_have_a_folder_of_their_own(option, results, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    command = ["evaluate", "--model", "m.keras", "--data", "shapes", "--output", "ap.json", option, results]
    assert main(command) == 2
    assert "expected a folder of its own" in capsys.readouterr().err


def test_records_do_not_go_into_the_folder_that_is_read(photos, capsys):
    assert main(["make-tfrecords", "--data", str(photos), "--output", f"{photos}/../{photos.name}"]) == 2
    assert "expected another folder than that of --data, got the same" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["dataset.json", "label_map.pbtxt", "train-00000-of-00001.tfrecord"])
def test_records_replace_no_other_file_of_the_same_name(name, photos, tmp_path, capsys):
    (tmp_path / name).write_text("[]")
    assert main(["make-tfrecords", "--data", str(photos), "--output", str(tmp_path)]) == 2
    assert f"{name}: expected no file there yet" in capsys.readouterr().err
    assert contents(tmp_path) == {name: b"[]"}


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in ("train", "export", "predict --shard")])
def test_results_are_replaced_only_when_asked(name, places, capsys):
    put_own_files(places["OUT"])
    assert main(arguments(name, places)) == 0
    before = contents(places["OUT"])
    assert main(arguments(name, places)) == 2
    assert "overwrite" in capsys.readouterr().err.splitlines()[-1]
    assert contents(places["OUT"]) == before
    assert main([*arguments(name, places), "--overwrite"]) == 0
    assert damages(places["OUT"]) == []
    assert contents(places["OUT"]).keys() == before.keys()


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "predict --shard"])
def test_a_place_that_another_process_writes_to_is_refused_before_any_work(name, places, capsys, monkeypatch):
    first = {"inspect": "page.html", "evaluate": "ap.json", "predict": "detections.json", "train": "last.keras"}
    first |= {"make-tfrecords": "dataset.json", "export": "detector_float32.tflite"}
    monkeypatch.setattr("keras_centernet.data.records.writing.MERGE_S", 0)  # no wait for writers of other splits
    put_own_files(places["OUT"])
    with one_writer(places["OUT"] / first[name]):
        assert main(arguments(name, places)) == 2
    assert "expected no other process that writes it" in capsys.readouterr().err
    assert {name: content for name, content in contents(places["OUT"]).items() if "lock" not in name} == MINE


@pytest.mark.slow
def test_two_splits_are_written_at_the_same_time(photos, tmp_path):
    command = [sys.executable, "-c", MAIN, "make-tfrecords", "--data", str(photos)]
    command += ["--output", str(tmp_path), "--split"]
    both = [subprocess.Popen([*command, split], cwd=ROOT) for split in ("train", "val")]
    assert [process.wait() for process in both] == [0, 0]
    assert set(json.loads((tmp_path / "dataset.json").read_text())["splits"]) == {"train", "val"}


def test_defaults_never_meet_old_results(photos, model_file, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert main(["predict", str(photos / "JPEGImages" / "photo0.jpg"), "--model", str(model_file)]) == 0
        assert main(["inspect", "--data", str(photos), "--split", "val"]) == 0
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["predict", "predict-2"]
    assert {"inspection.html", "inspection-2.html"} <= {path.name for path in tmp_path.iterdir()}


def test_metrics_are_printed_even_if_they_cannot_be_written(photos, model_file, tmp_path, monkeypatch, capsys):
    def refuse(path, text):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("keras_centernet.evaluation.report.write_text", refuse)
    command = ["evaluate", "--model", str(model_file), "--data", str(photos), "--output", str(tmp_path / "ap.json")]
    assert main(command) == 2
    told = capsys.readouterr()
    assert "AP50" in told.out
    assert "No space left on device" in told.err


def _tried(module, places, tmp_path, *numbers, names, wrapper=()):
    paths = [str(places[name]) for name in ("PHOTOS", "FILM", "MODEL")]
    command = [*wrapper, sys.executable, "-m", f"tests.helpers.{module}", *paths, str(tmp_path / module)]
    run = subprocess.run([*command, *map(str, numbers), *names], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
    return json.loads(run.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("commands", "how", "moments"),
    [
        pytest.param(FEW, KILL, 1, id="few"),
        pytest.param(COMMANDS, KILL, 4, id="KILL", marks=pytest.mark.exhaustive),
        pytest.param(COMMANDS, TERMINATE, 2, id="TERMINATE", marks=pytest.mark.exhaustive),
        pytest.param(COMMANDS, INTERRUPT, 2, id="INTERRUPT", marks=pytest.mark.exhaustive),
    ],
)
def test_commands_that_are_killed_lose_nothing_and_can_be_run_again(commands, how, moments, places, tmp_path):
    found = _tried("killed_commands", places, tmp_path, moments, how, names=commands)
    assert found["wrong"] == []
    assert all(tried == moments for tried, _ in found["tried"].values())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("commands", "sizes", "full"),
    [pytest.param(FEW, 2, 1, id="few"), pytest.param(COMMANDS, 5, 3, id="all", marks=pytest.mark.exhaustive)],
)
def test_a_full_disk_is_one_line_and_leaves_no_half_file(commands, sizes, full, places, tmp_path):
    wrapper = ["unshare", "--user", "--map-root-user", "--mount"]
    if shutil.which("unshare") is None or subprocess.run([*wrapper, "true"], capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a file system")
    found = _tried("full_disks", places, tmp_path, sizes, names=commands, wrapper=wrapper)
    assert found["wrong"] == []
    assert all(of_command["full"] >= full for of_command in found["tried"].values())
    assert all(of_command["full"] < of_command["sizes"] for of_command in found["tried"].values())
