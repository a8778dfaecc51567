"""`predict --shard I/N`: N commands together find what one finds, even if some are killed and restarted."""

import errno
import itertools
import json
import os
import pathlib
import random
import subprocess
import sys

import cv2
import keras
import numpy as np
import pytest

from keras_centernet.cli import main
from keras_centernet.cli.shards import Shard, list_parts
from keras_centernet.cli.shards.folder import ShardFolder
from keras_centernet.files.temporary import MARK
from keras_centernet.weights import load as loading

ROOT = pathlib.Path(__file__).parents[2]
# Kills itself with SIGKILL while it writes the given .jsonl file (1 is the first), half of which is then on the disk.
KILLED = """
import os, signal, sys
from keras_centernet.cli import main
from tests.helpers.tiny_backbone import add_tiny_backbone
add_tiny_backbone()
flushed, flush = [], os.fsync
def dying_flush(descriptor):
    path = os.readlink(f"/proc/self/fd/{descriptor}")
    flushed.append(path)
    if sum(".jsonl" in path for path in flushed) == int(sys.argv[1]) and ".jsonl" in path:
        os.truncate(path, os.path.getsize(path) // 2)
        os.kill(os.getpid(), signal.SIGKILL)
    flush(descriptor)
os.fsync = dying_flush
main(sys.argv[2:])
"""


@pytest.fixture
def predict(photos, model_file, tmp_path):
    """predict(options...) -> exit code, for the ten photos and a model that finds something in each."""

    def run(*options, inputs=(), output=tmp_path / "found"):
        command = [*(inputs or [photos / "JPEGImages"]), "--model", model_file, "--output", output, *options]
        return main(["predict", "--threshold", "0.01", "--batch-size", "1", *map(str, command)])

    return run


@pytest.fixture
def write_film(tmp_path, rng):
    """write_film(name, frames) -> path."""

    def write(name, frames):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
        for _ in range(frames):
            writer.write(rng.integers(0, 256, (48, 64, 3), np.uint8))
        writer.release()
        return path

    return write


def read_lines(output, pattern="detections-*-of-*/part-*.jsonl"):
    return [json.loads(line) for path in sorted(output.glob(pattern)) for line in path.read_text().splitlines()]


def by_path(lines):
    return sorted(lines, key=lambda line: (line["path"], line.get("frame", 0)))


# -- which files a shard gets


@pytest.mark.parametrize("count", [1, 2, 3, 7, 40])
@pytest.mark.parametrize("size", [1, 4, 100])
def test_each_file_is_in_one_share_and_shares_differ_by_at_most_one_file(count, size):
    images = [pathlib.Path(f"photo{i}.jpg") for i in range(23)]
    videos = [f"film{i}.mp4" for i in range(5)]
    shares = [list_parts(Shard(index, count), images, videos, size) for index in range(count)]
    files = [[file for part in share for file in ([part] if isinstance(part, str) else part)] for share in shares]
    assert sorted(map(str, itertools.chain(*files))) == sorted(map(str, images + videos))
    assert max(map(len, files)) - min(map(len, files)) <= 1
    for share in shares:
        assert all(isinstance(part, str) or 1 <= len(part) <= size for part in share)


def test_a_share_depends_only_on_the_sorted_names():
    images, videos = [pathlib.Path(name) for name in "fbdace"], ["z.mp4", "y.mp4"]
    expected = [[pathlib.Path("b"), pathlib.Path("d")], [pathlib.Path("f")], "z.mp4"]
    for seed in range(5):
        source = random.Random(seed)
        source.shuffle(images)
        source.shuffle(videos)
        assert list_parts(Shard(1, 2), images, videos, 2) == expected


@pytest.mark.parametrize("text", ["3/3", "4/3", "-1/3", "0/0", "1", "1/", "/3", "a/b", "1.0/3", "1/3/5", " 1/3", "²/3"])
def test_a_malformed_shard_is_one_line(text, predict, capsys):
    assert predict(f"--shard={text}") == 2
    line = (
        f"--shard: expected I/N with 0 <= I < N, such as 0/16 for the first and 15/16 for the last of 16; got {text!r}."
    )
    assert capsys.readouterr().err.splitlines() == [f"keras-centernet: {line}"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--part-size", "5"), "--part-size: expected together with --shard I/N only"),
        (("--shard", "0/2", "--part-size", "0"), "--part-size: expected a whole number of at least 1, got 0"),
        (("--shard", "0/2", "--webcam"), "--shard: expected files, which all shards can list, got webcam 7"),
        (("--shard", "0/2", "--model", "no.keras"), "no.keras: expected a .keras file, but it does not exist"),
        (("--shard", "0/2", "--calibration", "no.txt"), "no.txt: expected a calibration file"),
    ],
    ids=["part size alone", "no part size", "webcam", "no model", "no calibration"],
)
def test_a_users_mistake_is_one_line(options, message, predict, capsys):
    inputs = ["7"] if "--webcam" in options else ()
    assert predict(*[option for option in options if option != "--webcam"], inputs=inputs) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("keras-centernet")]
    assert message in line


# -- what is found


def test_all_shards_find_what_one_command_finds(predict, tmp_path, capsys):
    assert predict(output=tmp_path / "whole") == 0
    for index in (2, 0, 1):
        assert predict("--shard", f"{index}/3", "--part-size", "2") == 0
    assert "detections-00001-of-00003" in capsys.readouterr().out
    folders = sorted(path.name for path in (tmp_path / "found").iterdir())
    assert folders == [f"detections-0000{i}-of-00003" for i in range(3)]
    first = tmp_path / "found" / folders[0]
    assert sorted(path.name for path in first.iterdir()) == [
        "drawings",
        "part-00000.jsonl",
        "part-00001.jsonl",
        "shard.json",
    ]
    assert json.loads((first / "shard.json").read_text())["parts"] == 2
    lines, expected = read_lines(tmp_path / "found"), json.loads((tmp_path / "whole" / "detections.json").read_text())
    assert by_path(lines) == expected
    drawn = {path.name.split("-", 2)[2]: path.read_bytes() for path in (tmp_path / "found").rglob("*.jpg")}
    assert drawn == {f"photo{i}.jpg": (tmp_path / "whole" / f"photo{i}.jpg").read_bytes() for i in range(10)}


def test_more_shards_than_files(predict, photos, tmp_path):
    image = photos / "JPEGImages/photo0.jpg"
    assert [predict("--no-draw", "--shard", f"{i}/2", inputs=[image]) for i in range(2)] == [0, 0]
    assert [line["path"] for line in read_lines(tmp_path / "found")] == [str(image)]
    nothing = tmp_path / "found" / "detections-00001-of-00002"
    assert [path.name for path in nothing.iterdir()] == ["shard.json"]
    assert json.loads((nothing / "shard.json").read_text())["parts"] == 0


def test_an_unreadable_file_is_a_line_with_its_error(predict, photos, tmp_path, capsys):
    inputs = [tmp_path / "broken.jpg", photos / "JPEGImages/photo0.jpg", tmp_path / "broken.mp4", tmp_path / "gone.png"]
    for path in (inputs[0], inputs[2]):
        path.write_bytes(b"nothing")
    inputs[3].symlink_to(tmp_path / "nowhere.png")
    with pytest.warns(
        UserWarning, match=r"^3 files could not be read, each is a line with an error; first: image .*broken\.jpg"
    ):
        assert predict("--shard", "0/1", inputs=[*inputs[:3], tmp_path]) == 0
    assert "1 images, " in capsys.readouterr().out
    lines = {pathlib.Path(line["path"]).name: line for line in read_lines(tmp_path / "found")}
    assert lines.keys() == {path.name for path in inputs}
    assert "detections" in lines.pop("photo0.jpg")
    for line in lines.values():
        assert line.keys() == {"path", "error"}
        assert line["path"] in line["error"]


def test_equal_names_get_drawings_of_their_own(predict, photos, tmp_path):
    image = (photos / "JPEGImages/photo0.jpg").read_bytes()
    for folder in "abc":
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "same.jpg").write_bytes(image)
    assert predict("--shard", "0/1", "--part-size", "2", inputs=[tmp_path / folder for folder in "abc"]) == 0
    drawings = sorted(path.name for path in (tmp_path / "found").rglob("*.jpg"))
    assert drawings == ["part-00000-same.jpg", "part-00000-same_2.jpg", "part-00001-same.jpg"]


def test_a_video_is_one_part(predict, write_film, tmp_path):
    films = [write_film("a/film.avi", 3), write_film("b/film.avi", 5)]
    for index in range(2):
        assert predict("--shard", f"{index}/2", "--frames", "4", inputs=films) == 0
    lines = by_path(read_lines(tmp_path / "found"))
    assert [(line["path"], line["frame"]) for line in lines] == [
        (str(film), frame) for film, frames in zip(films, (3, 4), strict=True) for frame in range(frames)
    ]
    drawn = sorted((tmp_path / "found").rglob("drawings/part-00000-film.mp4"))
    assert [int(cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FRAME_COUNT)) for path in drawn] == [3, 4]


# -- resuming


@pytest.mark.slow
def test_a_killed_shard_resumes_where_it_stopped(predict, photos, model_file, tmp_path):
    """The command detects in nine images, two per part. It is killed in its third part, then in its fourth."""
    inputs = [photos / "JPEGImages" / f"photo{i}.jpg" for i in range(9)]
    options = ["--shard", "0/1", "--part-size", "2", "--no-draw"]
    command = ["predict", *map(str, inputs), "--model", str(model_file), "--output", str(tmp_path / "found"), *options]
    command += ["--threshold", "0.01", "--batch-size", "1"]
    folder, ages = tmp_path / "found" / "detections-00000-of-00001", {}
    for written, parts in ((3, 2), (2, 3)):
        killed = subprocess.run([sys.executable, "-c", KILLED, str(written), *command], cwd=ROOT, capture_output=True)
        assert killed.returncode == -9, killed.stderr
        assert sorted(path.name for path in folder.glob("part-*")) == [f"part-{i:05d}.jsonl" for i in range(parts)]
        assert len(read_lines(tmp_path / "found")) == 2 * parts
        assert {path: path.stat().st_mtime_ns for path in ages} == ages
        ages = {path: path.stat().st_mtime_ns for path in folder.glob("part-*")}
    assert len(list(folder.glob(f"{MARK}*"))) == 1  # the second process removed the first one's temporary file
    assert predict(*options, inputs=inputs) == 0
    assert {path: path.stat().st_mtime_ns for path in ages} == ages
    assert [line["path"] for line in read_lines(tmp_path / "found")] == list(map(str, inputs))
    assert not list(folder.glob(f"{MARK}*"))


def test_finished_parts_are_not_repeated(predict, monkeypatch, capsys):
    assert predict("--shard", "1/2", "--no-draw") == 0
    monkeypatch.setattr(loading.keras.saving, "load_model", None)
    assert predict("--shard", "1/2", "--no-draw") == 0
    assert "shard 1/2: 1 parts, 0 to do: " in capsys.readouterr().out


def test_a_part_that_was_removed_is_made_again(predict, tmp_path):
    assert predict("--shard", "0/1", "--no-draw", "--part-size", "4") == 0
    lines = read_lines(tmp_path / "found")
    (tmp_path / "found/detections-00000-of-00001/part-00001.jsonl").unlink()
    assert predict("--shard", "0/1", "--no-draw", "--part-size", "4") == 0
    assert read_lines(tmp_path / "found") == lines


def test_two_processes_of_one_shard_do_not_disturb_each_other(predict, tmp_path, monkeypatch):
    """A second one starts and ends while the first writes its first part."""
    write, calls = ShardFolder.write, []

    def writing(lines):
        assert predict("--shard", "0/1", "--no-draw", "--part-size", "6") == 0
        yield from lines

    def write_slowly(folder, number, lines):
        calls.append(number)
        write(folder, number, writing(lines) if len(calls) == 1 else lines)

    monkeypatch.setattr(ShardFolder, "write", write_slowly)
    assert predict("--shard", "0/1", "--no-draw", "--part-size", "6") == 0
    assert sorted(calls) == [0, 0, 1, 1]
    assert len(read_lines(tmp_path / "found")) == 10
    folder = tmp_path / "found" / "detections-00000-of-00001"
    assert {path.name for path in folder.iterdir()} == {"shard.json", "part-00000.jsonl", "part-00001.jsonl"}


def test_a_part_that_cannot_be_written_ends_the_command(predict, tmp_path, monkeypatch, capsys):
    def full_disk(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    assert predict("--shard", "0/1", "--no-draw") == 2
    assert "could not be written (No space left on device)" in capsys.readouterr().err
    assert not list((tmp_path / "found").rglob("part*"))


def another_model(path, model_file):
    model = keras.saving.load_model(model_file)
    model.network.get_layer("center_heatmap").bias.assign_add([0.1, 0.0])
    model.save(path)
    return path


@pytest.mark.parametrize("shard", ["0/2", "1/2"], ids=["itself", "another"])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--threshold", "0.5"], "expected --threshold of the parts that are there, 0.01, got 0.5; name another"),
        (["--part-size", "3"], "expected --part-size of the parts that are there, 256, got 3; name another"),
        (["--frames", "3"], "expected --frames of the parts that are there, None, got 3; name another"),
        (["--calibration", "x"], "expected --calibration of the parts that are there, None, got 'x'; name another"),
        ([], "expected the list of inputs of the parts that are there, '10 files (sha256 "),
        (["--model"], "expected the file of --model of the parts that are there, 'sha256 "),
        (["--draw"], "expected drawings (False: --no-draw) of the parts that are there, False, got True; name"),
    ],
    ids=["threshold", "part size", "frames", "calibration", "inputs", "model", "drawings"],
)
def test_parts_of_other_options_are_refused(shard, options, message, predict, photos, model_file, tmp_path, capsys):
    images = photos / "JPEGImages"
    assert predict("--shard", "0/2", "--no-draw") == 0
    inputs = [images / f"photo{i}.jpg" for i in range(9)] if not options else [images]
    draw = [] if options == ["--draw"] else ["--no-draw"]
    if options == ["--model"]:
        options = ["--model", another_model(tmp_path / "other.keras", model_file)]
    capsys.readouterr()
    assert predict("--shard", shard, *draw, *[option for option in options if option != "--draw"], inputs=inputs) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"keras-centernet: {tmp_path / 'found' / 'detections-00000-of-00002'}: {message}")


def test_options_that_change_no_result_may_change(predict, model_file, tmp_path):
    """The batch size does not change the results, and a model is identified by its file's content."""
    copy = tmp_path / "copy.keras"
    copy.write_bytes(model_file.read_bytes())
    assert predict("--shard", "0/2", "--no-draw") == 0
    assert predict("--shard", "1/2", "--no-draw", "--batch-size", "4", "--model", copy) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: folder.rename(folder.with_name("detections-00000-of-00003")), "expected one number of shards"),
        (lambda folder: (folder / "shard.json").unlink(), "expected shard.json beside the parts, got parts alone"),
        (lambda folder: (folder / "shard.json").write_text("{"), "shard.json: expected JSON, got a file"),
        (lambda folder: (folder / "shard.json").write_text("[]"), "shard.json: expected an object as its content"),
    ],
    ids=["another number", "no description", "half a description", "another description"],
)
def test_a_folder_that_is_not_ours_is_refused(change, message, predict, tmp_path, capsys):
    assert predict("--shard", "0/2", "--no-draw") == 0
    change(tmp_path / "found" / "detections-00000-of-00002")
    assert predict("--shard", "0/2", "--no-draw") == 2
    assert message in capsys.readouterr().err
