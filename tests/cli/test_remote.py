"""Every path of every command can be remote, and the written files are those that local paths get."""

import json

import cv2
import numpy as np
import pytest
import tensorflow as tf

from keras_centernet import load_dataset, load_model
from keras_centernet.cli import main
from keras_centernet.exporting import TFLiteDetector
from keras_centernet.files.remote_path import RemotePath
from tests.helpers.tiny_backbone import TINY

TRAIN = f"--backbone {TINY} --input-size 64 --batch-size 3 --epochs 1 --verbose 0"


@pytest.fixture(autouse=True)
def nothing_here(tmp_path, monkeypatch):
    """Checks that a test leaves nothing in the current folder, such as a folder called "ram:"."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    yield
    assert list(folder.iterdir()) == []


@pytest.fixture(scope="module")
def paths(photos, model_file, to_ram):
    """The data set and the model, in memory."""
    return {"photos": to_ram(photos), "model": to_ram(model_file)}


@pytest.fixture
def output(to_ram, tmp_path):
    """A folder in memory that does not exist yet."""
    return RemotePath(f"ram://{tmp_path.name}/out")


def run(command, **paths):
    return main(command.format(**paths).split())


def read_json(path):
    return json.loads(path.read_text())


def names_in(folder):
    return {name.rstrip("/") for name in folder.listdir()}


def test_evaluate(paths, photos, model_file, output, tmp_path, capsys):
    command = "evaluate --model {model} --data {photos} --output {out}/deep/metrics.json --results {out}/results"
    assert run(command, out=output, **paths) == 0
    assert f"{output}/deep/metrics.json, {output}/deep/metrics_precision_recall.png" in capsys.readouterr().out
    assert run(command, out=tmp_path, photos=photos, model=model_file) == 0
    here, there = (read_json(folder / "deep" / "metrics.json") for folder in (tmp_path, output))
    assert there["data"] == paths["photos"]
    same = [name for name in here if name.startswith(("AP", "AR", "VOC")) or name in ("images", "objects", "per_class")]
    assert len(same) > 10
    assert {name: there[name] for name in same} == {name: here[name] for name in same}
    image = (output / "deep" / "metrics_precision_recall.png").read_bytes()
    assert cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR).std() > 1
    assert read_json(output / "results" / "detections.json") == read_json(tmp_path / "results" / "detections.json")


def test_predict(paths, photos, output, to_ram, tmp_path):
    film = tmp_path / "film.avi"
    writer = cv2.VideoWriter(str(film), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    for _ in range(3):
        writer.write(np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8))
    writer.release()
    film = to_ram(film)
    images = f"{paths['photos']}/JPEGImages"
    command = "predict --model {model} {images} {images}/photo1*.jpg {images}/photo2.jpg {film} --output {out}"
    assert run(f"{command} --threshold 0.01", images=images, film=film, out=output, **paths) == 0
    results = read_json(output / "detections.json")
    assert [result["path"] for result in results] == [f"{images}/photo{i}.jpg" for i in range(10)] + [film] * 3
    assert results[0]["detections"]
    drawn = {f"photo{i}.jpg" for i in range(10)}
    assert names_in(output) == {"detections.json", "film_detections.mp4"} | drawn
    image = cv2.imdecode(np.frombuffer((output / "photo0.jpg").read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == cv2.imread(str(photos / "JPEGImages" / "photo0.jpg")).shape
    (output / "film_detections.mp4").copy(tmp_path / "drawn.mp4")
    assert int(cv2.VideoCapture(str(tmp_path / "drawn.mp4")).get(cv2.CAP_PROP_FRAME_COUNT)) == 3


def test_predict_in_shards(paths, output):
    images = f"{paths['photos']}/JPEGImages"
    command = "predict --model {model} {images} --output {out} --threshold 0.01 --part-size 2 --shard"
    for index in (0, 1, 0):
        assert run(f"{command} {index}/2", images=images, out=output, **paths) == 0
    assert names_in(output) == {"detections-00000-of-00002", "detections-00001-of-00002"}
    parts = {f"part-0000{i}.jsonl" for i in range(3)}
    found = []
    for folder in map(output.joinpath, sorted(names_in(output))):
        assert names_in(folder) == {"shard.json", "drawings"} | parts
        for part in sorted(parts):
            found += [json.loads(line) for line in (folder / part).read_text().splitlines()]
    assert sorted(line["path"] for line in found) == [f"{images}/photo{i}.jpg" for i in range(10)]
    assert names_in(output / "detections-00001-of-00002" / "drawings") == {
        *("part-00000-photo1.jpg", "part-00000-photo3.jpg", "part-00001-photo5.jpg"),
        *("part-00001-photo7.jpg", "part-00002-photo9.jpg"),
    }
    assert run(f"{command} 0/3", images=images, out=output, **paths) == 2


@pytest.mark.slow
def test_export(paths, output, capsys):
    command = "export --model {model} --output {out} --format tflite --format saved_model --images {photos} --top-k 7"
    assert run(command, out=output, **paths) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"{output}/report.json"
    assert names_in(output) == {"detector_float32.tflite", "detector_saved_model", "report.json"}
    report = read_json(output / "report.json")
    assert report["detector_float32.tflite"]["size_bytes"] == (output / "detector_float32.tflite").stat().st_size
    detector = TFLiteDetector(output / "detector_float32.tflite")
    found = detector(np.zeros((64, 64, 3), np.uint8))
    assert len(found["scores"]) == 7
    served = tf.saved_model.load(str(output / "detector_saved_model")).signatures["inputs"]
    scores = served(images=tf.zeros((1, 64, 64, 3), tf.uint8))["scores"].numpy()[0]
    np.testing.assert_allclose(scores, found["scores"], atol=1e-4)

    assert run(command, out=output, **paths) == 2
    assert f"{output}/detector_float32.tflite and 1 more: expected no file there yet" in capsys.readouterr().err
    exported = {"model": output / "detector_float32.tflite", "photos": paths["photos"], "out": output}
    assert run("evaluate --model {model} --data {photos} --output {out}/m.json", **exported) == 0
    assert read_json(output / "m.json")["images"] == 4


def test_make_tfrecords(paths, output):
    command = "make-tfrecords --data {photos} --output {out} --shards 2 --split {split}"
    assert [run(command, out=output, split=split, **paths) for split in ("train", "val")] == [0, 0]
    sizes = [load_dataset(str(output), split, input_size=64, batch_size=2).source.size for split in ("train", "val")]
    assert sizes == [6, 4]


@pytest.mark.slow
def test_train(paths, output, tmp_path, to_ram):
    """The recipe, data, weights and output folder are all remote."""
    recipe = tmp_path / "mine.toml"
    recipe.write_text('[train]\nval_split = "val"\nlearning_rate = 1e-4\n')
    command = "train --recipe {recipe} --data {photos} --weights {model} --output {out}"
    assert run(f"{command} {TRAIN}", recipe=to_ram(recipe), out=output, **paths) == 0
    assert {"best.keras", "last.keras", "metrics.json", "curves.png"} <= names_in(output)
    assert read_json(output / "config.json")["recipe"] == "mine"
    assert load_model(str(output / "best.keras")).classes == ("cat", "dog")


@pytest.mark.parametrize(
    ("name", "command", "message"),
    [
        ("no data", "evaluate --model {model} --data ram://no/data --output {out}/m.json", "which does not exist"),
        ("no model", "evaluate --model ram://no/m.keras --data {photos} --output {out}/m.json", "does not exist"),
        ("no file", "evaluate --model ram://no/m.tflite --data {photos} --output {out}/m.json", "No such file or"),
        ("no images", "predict --model {model} ram://no/*.jpg --output {out}", "ram://no/*.jpg: expected an image"),
        ("no image", "predict --model {model} ram://no/a.jpg --output {out}", "ram://no/a.jpg: expected an image"),
        (
            "a camera",
            "predict --model {model} rtsp://cam/1 --output {out}",
            "rtsp://cam/1: expected a video that OpenCV can open; check the file or the number.",
        ),
        ("no images", "export --model {model} --images ram://no/x --output {out}", "expected a folder of images"),
        ("no recipe", "train --recipe ram://no/r.toml --data {photos} --output {out}", "No such file or"),
        ("no weights", "train --weights ram://no/w.keras --data {photos} --output {out}", "does not exist"),
        (
            "no backbone",
            "train --backbone resnet18 --backbone-weights ram://no/w.pth --data {photos} --output {out}",
            "does not exist",
        ),
        ("evaluate to", "evaluate --model {model} --data {photos} --output nosuch://x/m.json", "'nosuch' not impl"),
        ("predict to", "predict --model {model} {photos}/JPEGImages --output nosuch://x/m", "'nosuch' not implemented"),
        ("export to", "export --model {model} --output nosuch://x/m", "'nosuch' not implemented"),
        ("records to", "make-tfrecords --data {photos} --output nosuch://x/m", "'nosuch' not implemented"),
    ],
)
def test_a_users_mistake_is_one_line_and_exit_code_2(name, command, message, paths, output, capfd):
    command = command.replace("train ", f"train {TRAIN} ")
    assert run(command, out=output, **paths) == 2
    error = capfd.readouterr().err
    (line,) = [line for line in error.splitlines() if line.startswith("keras-centernet: ")]
    assert message in line
    assert "Traceback" not in error
