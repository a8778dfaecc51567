"""The law: a new task with its own heads, a new network, data format and metric are one table row each.

The rows that are registered here are used everywhere: train, evaluate, predict, records, and every export.
"""

import dataclasses
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from keras_centernet import CenterNet, UserError, load_dataset, load_model
from keras_centernet.cli import main
from keras_centernet.data.annotations import build_annotations
from keras_centernet.data.formats.table import FORMATS, Format
from keras_centernet.data.source import source_from_annotations
from keras_centernet.evaluation.metrics.metric import Accumulator, Metric
from keras_centernet.evaluation.metrics.table import METRICS
from keras_centernet.exporting import TFLiteDetector
from keras_centernet.geometry import STRIDE, letterbox
from keras_centernet.method.losses import masked_l1
from keras_centernet.method.specs import FieldSpec, HeadSpec
from keras_centernet.networks.keras_applications import NESTED_NAME, Application
from keras_centernet.networks.table import BACKBONES, Backbone
from keras_centernet.tasks import TASKS, TaskRow, detection
from tests.helpers.tiny_backbone import TINY

SIDE, IMAGES = 64, 8
NETWORK, TASK, FORMAT, METRIC = "mobilenet_v1_quarter", "tracking", "tracks", "velocity_score"
EMBEDDING = 3
FIELDS = {
    "velocities_dxy": FieldSpec("float32", (2,)),  # pixels per frame
    "embeddings": FieldSpec("float32", (EMBEDDING,)),
    "track_ids": FieldSpec("int32", ()),
}
OWN_FIELDS = {
    "lanes": FieldSpec("int32", (), record_key="image/object/road/lane")
}  # a field of the format that no task needs


def build_tracking(classes, radius="published"):
    """Detection with two more heads: velocity, and an embedding by which an object is known again."""
    base = detection.build_detection(classes, radius)

    def encode_velocity(placed):
        return ops.cast(placed["velocities_dxy"], "float32") / STRIDE

    def encode_embedding(placed):
        return ops.cast(placed["embeddings"], "float32")

    def to_boxes(readings):
        more = {"velocities_dxy": readings["velocity"], "embeddings": readings["embedding"]}
        return base.to_boxes(readings) | {key: ops.cast(value, "float32") for key, value in more.items()}

    def postprocess(rows, calibration=None):
        return {key: rows[key] for key in ("velocities_dxy", "embeddings")}

    heads = (
        *base.heads,
        HeadSpec("velocity", 2, "centers", encode_velocity, masked_l1),
        HeadSpec("embedding", EMBEDDING, "centers", encode_embedding, masked_l1, flip=lambda mirrored: mirrored),
    )
    return dataclasses.replace(base, name=TASK, heads=heads, to_boxes=to_boxes, postprocess=postprocess)


def read_tracks(request):
    """A made-up format: a file of one number, from which images and tracks are drawn."""
    rng = np.random.default_rng([int(request.path.read_text()), request.split == "val"])
    corners = rng.uniform(4, 24, (IMAGES, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(24, 36, (IMAGES, 2))], axis=1)
    images = rng.integers(60, 120, (IMAGES, 72, 96, 3), np.uint8)
    for image, (x1, y1, x2, y2) in zip(images, boxes.astype(int), strict=True):
        image[y1:y2, x1:x2] = 230
    fields = {
        "velocities_dxy": rng.uniform(-8, 8, (IMAGES, 2)).astype("float32"),
        "embeddings": rng.normal(size=(IMAGES, EMBEDDING)).astype("float32"),
        "track_ids": np.arange(IMAGES, dtype="int32"),
        "lanes": rng.integers(0, 5, IMAGES, np.int32),
    }
    table = build_annotations(
        [f"frame {i}" for i in range(IMAGES)],
        [(i, *box, 0, False, False, None) for i, box in enumerate(boxes)],
        image_hw=[(72, 96)] * IMAGES,
        fields=fields,
    )
    return source_from_annotations(request.name, ("car",), table, lambda i: images[i])


class VelocityScore(Accumulator):
    """1 for exact velocities of the best detections, less the more they differ from the first object's."""

    def __init__(self, detector, classes):
        super().__init__(detector, classes)
        self.scores = []

    def add(self, objects, found, annotations):
        self.scores += (1 / (1 + np.abs(objects["velocities_dxy"][:1] - found["velocities_dxy"][:1]).mean(1))).tolist()

    def compute(self, ground_truth, detections, change=list):
        return {METRIC: float(np.mean(self.scores))}


@pytest.fixture
def rows(monkeypatch):
    """Adds one row to each of the four tables."""
    taps = ("conv_pw_13_relu", "conv_pw_11_relu", "conv_pw_5_relu", "conv_pw_3_relu")
    application = Application("MobileNet", taps, options={"alpha": 0.25})
    row = Backbone(application.build, normalization="minus_one_to_one", head_channels=8, backbone_layers=(NESTED_NAME,))
    monkeypatch.setitem(BACKBONES, NETWORK, row)
    monkeypatch.setitem(TASKS, TASK, TaskRow(build_tracking, ("car",), fields=FIELDS))
    own = {"needs_objects": ("velocities_dxy",), "needs_found": ("velocities_dxy",)}
    monkeypatch.setitem(METRICS, METRIC, Metric(VelocityScore, (METRIC,), logged=(METRIC,), main=METRIC, **own))
    files = (read_tracks, lambda path: path.suffix == ".tracks", "a .tracks file")
    monkeypatch.setitem(FORMATS, FORMAT, Format(*files, fields=tuple(FIELDS), own_fields=OWN_FIELDS))


@pytest.fixture
def tracks(tmp_path):
    path = tmp_path / "city.tracks"
    path.write_text("5")
    return path


def batches_of(data, split="val"):
    return next(iter(load_dataset(data, split, task=TASK, input_size=SIDE, batch_size=IMAGES, training=False)))


@pytest.mark.slow
def test_the_new_rows_work_in_every_command(rows, tracks, tmp_path, capsys):
    run = tmp_path / "run"
    options = f"--task {TASK} --input-size {SIDE} --epochs 1 --batch-size 4".split()
    assert main(["train", "--data", str(tracks), "--backbone", NETWORK, *options, "--output", str(run)]) == 0
    history = (run / "history.csv").read_text().splitlines()[0]
    assert {"velocity_loss", "embedding_loss", f"val_{METRIC}"} <= {*history.split(",")}
    assert f"{METRIC} " in capsys.readouterr().out  # in the table of the best weights
    metrics = tmp_path / "metrics.json"
    assert main(["evaluate", "--model", str(run / "best.keras"), "--data", str(tracks), "--output", str(metrics)]) == 0
    measured = json.loads(metrics.read_text())
    assert measured["images"] == IMAGES
    assert measured[METRIC] == pytest.approx(json.loads((run / "metrics.json").read_text())[METRIC])
    photos = tmp_path / "photos"
    photos.mkdir()
    keras.utils.save_img(photos / "a.png", np.full((72, 96, 3), 90, "uint8"))
    found = tmp_path / "found"
    assert main(f"predict {photos} --model {run / 'best.keras'} --output {found} --threshold 0".split()) == 0
    (image,) = json.loads((found / "detections.json").read_text())
    assert np.shape([row["embeddings"] for row in image["detections"]])[1:] == (EMBEDDING,)
    assert (found / "a.png").exists()
    records = tmp_path / "records"
    for split in ("train", "val"):
        command = ["make-tfrecords", "--data", str(tracks), "--split", split, "--task", TASK, "--output", str(records)]
        assert main(command) == 0
    assert main(["train", "--data", str(records), "--backbone", TINY, *options, "--output", str(tmp_path / "b")]) == 0


@pytest.mark.parametrize("is_described", [True, False])
def test_records_lose_no_field(is_described, rows, tracks, tmp_path):
    for split in ("train", "val"):
        command = f"make-tfrecords --data {tracks} --split {split} --task {TASK} --output {tmp_path / 'r'}"
        assert main(command.split()) == 0
    if not is_described:  # like records of other programs, which only the tables explain
        (tmp_path / "r" / "dataset.json").unlink()
    (_, objects), (_, read) = batches_of(tracks), batches_of(tmp_path / "r")
    for name, spec in (FIELDS | OWN_FIELDS).items():
        assert read[name].dtype == spec.dtype
        np.testing.assert_allclose(read[name], objects[name], rtol=1e-5, atol=1e-5, err_msg=name)


def test_vectors_move_with_the_image(rows, tracks):
    zoom = letterbox((72, 96), (SIDE, SIDE))[0, 0]
    source = read_tracks(type("Request", (), {"path": tracks, "split": "val", "name": "tracks"}))
    (example,) = source.examples(limit=1)
    _, objects = batches_of(tracks)
    np.testing.assert_allclose(objects["velocities_dxy"][0, 0], zoom * example["velocities_dxy"][0], rtol=1e-5)
    np.testing.assert_array_equal(objects["embeddings"][0, 0], example["embeddings"][0])


@pytest.fixture
def tracker(rows, tmp_path, rng):
    """An untrained model of the new network and task, whose maps differ from cell to cell."""
    keras.utils.set_random_seed(2)
    model = CenterNet(NETWORK, TASK, input_size=SIDE)
    learn = tf.function(lambda images: model(images, training=True))
    for _ in range(20):  # fills the batch statistics; without them the features are almost zero
        learn(tf.constant(rng.integers(0, 256, (4, SIDE, SIDE, 3), np.uint8)))
    for head in model.task.heads:
        kernel = model.network.get_layer(head.name).kernel
        kernel.assign(keras.random.normal(kernel.shape, stddev=0.3))
    model.save(tmp_path / "tracker.keras")
    return load_model(tmp_path / "tracker.keras")


def by_position(found):
    """Detections sorted by their clipped boxes, because scores are almost equal; without the end of the list."""
    found["boxes_xyxy"] = np.clip(found["boxes_xyxy"], 0, SIDE)
    kept = np.flatnonzero(found["scores"] > found["scores"].min() + 1e-4)
    order = kept[np.lexsort(np.round(found["boxes_xyxy"][kept].T, 1))]
    return {key: values[order] for key, values in found.items()}


@pytest.mark.slow
def test_a_new_network_and_a_new_task_are_exported_in_every_format(tracker, tracks, tmp_path, rng):
    image = rng.integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    ours = by_position({key: np.asarray(value)[0] for key, value in tracker.detect_batch(image[None], 20).items()})
    formats = [("detector.tflite", {}), ("raw.tflite", {"raw_heads": True})]
    for name, options in formats:
        path = tracker.export(tmp_path / name, **(options or {"top_k": 20}))
        theirs = by_position(TFLiteDetector(path, top_k=20)(image))
        assert len(ours["scores"]) > 5
        for key, value in ours.items():
            np.testing.assert_allclose(theirs[key], value, rtol=1e-3, atol=1e-2, err_msg=f"{name} {key}")
    pytest.importorskip("tf2onnx")
    command = f"export --model {tmp_path / 'tracker.keras'} --output {tmp_path / 'exported'}"
    assert main([*command.split(), "--format", "saved_model", "--format", "onnx"]) == 0
    report = json.loads((tmp_path / "exported" / "report.json").read_text())
    for entry in report.values():
        assert {"velocities_dxy", "embeddings"} <= set(entry["agreement"])


def test_help_and_errors_list_the_rows(rows, tracks, tmp_path, capsys):
    assert main(["networks", NETWORK]) == 0
    assert NETWORK in capsys.readouterr().out
    assert main(["train", "--data", str(tracks), "--task", "poetry", "--output", str(tmp_path / "no")]) == 2
    assert TASK in capsys.readouterr().err
    with pytest.raises(UserError, match=r"expected labels of tfrecord, .*, tracks; got"):
        load_dataset(tmp_path)
    with pytest.raises(SystemExit, match="0"):
        main(["train", "--backbone", "help"])
    assert NETWORK in capsys.readouterr().out.split()
