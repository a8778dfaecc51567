"""The SavedModel, also in a process without this package, compared with `model.detect`."""

import base64
import dataclasses
import json
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
import tensorflow as tf

from keras_centernet import UserError
from keras_centernet.exporting import FORMATS, agreement, export_saved_model, verify
from tests.helpers.step_cases import DEFORMABLE, add_two_stacks

TOP_K = 12
FOUND = {"boxes_xyxy", "scores", "classes", "class_names"}
MORE = {
    "detection": set(),
    "detection_3d": {"points_xy", "depths", "dimensions_hwl", "alphas"},
    "pose": {"keypoints_xy", "keypoint_scores"},
}
CALIBRATED = {"locations", "dimensions", "rotation_y", "alpha"}
CALIBRATION = np.array([[90, 0, 60, 4], [0, 80, 30, 0.3], [0, 0, 1, 0.005]], "float32")
# A client's program: without Keras, and with an import hook that blocks this package.
CLIENT = """
import importlib.abc, sys

class Wall(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "keras_centernet":
            raise ImportError("this package is not here")

sys.meta_path.insert(0, Wall())
try:
    import keras_centernet
except ImportError:
    pass
else:
    sys.exit("the wall does not hold")
import numpy as np
import tensorflow as tf

folder, image, answer = sys.argv[1:]
serve = tf.saved_model.load(folder).signatures["serving_default"]
with open(image, "rb") as file:
    data = file.read()
found = serve(image_bytes=tf.constant([data, data[:200], b""]))
if found["status"].numpy().tolist() != [0, 1, 1]:
    sys.exit(f"status {found['status'].numpy()}")
arrays = {key: value.numpy() for key, value in found.items()}
arrays["class_names"] = arrays["class_names"].astype("S")
np.savez(answer, **arrays)
"""


@pytest.fixture(scope="module")
def exported(model_of_task, tmp_path_factory):
    """(model, folder, the folder's signatures)."""
    folder = export_saved_model(model_of_task, tmp_path_factory.mktemp("saved") / "model", top_k=TOP_K)
    return model_of_task, folder, tf.saved_model.load(str(folder)).signatures


@pytest.fixture(scope="module", params=[DEFORMABLE, pytest.param("resnet18", marks=pytest.mark.exhaustive)])
def deformable(tiny_model, request):
    """An untrained model whose deformable convolutions sample at random offsets."""
    add_two_stacks()
    model = tiny_model(request.param)
    rng = np.random.default_rng(2)
    for layer in model.network.layers:
        if hasattr(layer, "offset_bias"):
            layer.offset_bias.assign(rng.normal(0, 1, layer.offset_bias.shape))
    return model


def png(image):
    return cv2.imencode(".png", image[..., ::-1])[1].tobytes()


def expected_of(model, image):
    found = model.detect(image, calibration=CALIBRATION, threshold=0, top_k=TOP_K)[0]
    names = np.array([name.encode() for name in found.class_names])
    rows = {"boxes_xyxy": found.boxes_xyxy, "scores": found.scores, "classes": found.classes, "class_names": names}
    return rows | {key: value for key, value in found.extras.items() if key != "calibration"}


def assert_equal(rows, expected):
    """`detect` drops boxes without area. The order is the same, because scores differ by far more than rounding."""
    has_area = np.all(rows["boxes_xyxy"][:, 2:] > rows["boxes_xyxy"][:, :2], axis=1)
    assert has_area.sum() >= TOP_K // 2
    for key in rows.keys() & expected.keys():
        if key == "class_names":
            np.testing.assert_array_equal(rows[key][has_area], expected[key])
        else:
            np.testing.assert_allclose(rows[key][has_area], expected[key], rtol=1e-3, atol=2e-2, err_msg=key)


@pytest.mark.slow
def test_files_of_all_sizes_in_one_batch(exported, images):
    model, _, signatures = exported
    found = signatures["serving_default"](image_bytes=tf.constant([png(image) for image in images]))
    assert set(found) == FOUND | MORE[model.task.name] | {"status"}
    assert (found["status"].dtype, found["status"].numpy().tolist()) == (tf.int32, [0] * len(images))
    assert found["classes"].dtype == tf.int32
    assert found["boxes_xyxy"].shape == (len(images), TOP_K, 4)
    for i, image in enumerate(images):
        assert_equal({key: value.numpy()[i] for key, value in found.items()}, expected_of(model, image))


@pytest.mark.parametrize(("name", "dtype"), [("images", "uint8"), ("images_float", "float32")])
def test_pixels_of_any_size(exported, images, name, dtype):
    model, _, signatures = exported
    for image in images:
        found = signatures[name](images=tf.constant(np.stack([image, image]), dtype))
        for i in range(2):
            assert_equal({key: value.numpy()[i] for key, value in found.items()}, expected_of(model, image))


def test_a_calibration_gives_locations_in_metres(exported, images):
    model, _, signatures = exported
    if not model.task.needs_camera:
        assert not [name for name in signatures if "calibrated" in name]
        return
    calibration = tf.constant(CALIBRATION[None])
    for name, inputs in (
        ("serving_calibrated", {"image_bytes": tf.constant([png(images[0])])}),
        ("images_calibrated", {"images": tf.constant(images[0][None])}),
    ):
        found = signatures[name](calibration=calibration, **inputs)
        assert set(found) - {"status"} == FOUND | MORE[model.task.name] | CALIBRATED
        assert_equal({key: value.numpy()[0] for key, value in found.items()}, expected_of(model, images[0]))


def test_an_empty_batch_gives_empty_results_in_every_signature(exported):
    _, _, signatures = exported
    for name, function in signatures.items():
        specs = function.structured_input_signature[1]

        def call(count, function=function, specs=specs, name=name):
            sides = {key: [count, *(side or 40 for side in spec.shape[1:])] for key, spec in specs.items()}
            return function(**{key: tf.zeros(sides[key], spec.dtype) for key, spec in specs.items()})

        one, none = call(1), call(0)
        expected = {key: ((0, *value.shape[1:]), value.dtype) for key, value in one.items()}
        assert {key: (tuple(value.shape), value.dtype) for key, value in none.items()} == expected, name


def test_inputs_equal_detect_batch(exported, rng):
    model, _, signatures = exported
    inputs = rng.integers(0, 256, (3, 64, 96, 3), np.uint8)
    found, expected = signatures["inputs"](images=tf.constant(inputs)), model.detect_batch(inputs, TOP_K)
    assert found.keys() - {"class_names"} == expected.keys()
    for key, value in expected.items():
        np.testing.assert_allclose(found[key], value, rtol=1e-4, atol=1e-3, err_msg=key)


@pytest.mark.slow
def test_verifying_measures_the_difference(exported, images, tmp_path):
    model, folder, _ = exported
    (tmp_path / "image.jpg").write_bytes(cv2.imencode(".jpg", images[0])[1].tobytes())
    report = verify(model, folder, [*images, tmp_path / "image.jpg"])
    assert report["agreement"]["images"] == 5
    assert report["agreement"]["detections"] > 5 * TOP_K
    assert report["agreement"]["same_classes"]
    assert report["size_bytes"] == sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert report["latency_ms"] > 0


def test_the_names_of_the_classes_are_in_the_folder(exported):
    assert (exported[1] / "assets" / "classes.txt").read_text("utf-8") == "cat\ndög\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    "model_of_task",
    [pytest.param(task, marks=pytest.mark.slow if task != "detection" else ()) for task in MORE],
    indirect=True,
)
def test_runs_in_a_process_without_this_package(exported, images, tmp_path):
    model, folder, _ = exported
    (tmp_path / "image.png").write_bytes(png(images[0]))
    (tmp_path / "client.py").write_text(CLIENT)
    command = [sys.executable, "-P", "client.py", str(folder), "image.png", "answer.npz"]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-2000:]
    assert_equal(
        {key: value[0] for key, value in np.load(tmp_path / "answer.npz").items()}, expected_of(model, images[0])
    )


def test_the_json_of_a_rest_request(exported, images):
    """TensorFlow Serving takes one row of "instances" per image and decodes {"b64": ...}."""
    model, _, signatures = exported
    body = json.dumps({"instances": [{"image_bytes": {"b64": base64.b64encode(png(images[0])).decode()}}]})
    (row,) = json.loads(body)["instances"]
    assert row.keys() == signatures["serving_default"].structured_input_signature[1].keys()
    inputs = {name: tf.constant([base64.b64decode(value["b64"])]) for name, value in row.items()}
    found = signatures["serving_default"](**inputs)
    assert_equal({key: value.numpy()[0] for key, value in found.items()}, expected_of(model, images[0]))


def must_compile(folder):
    """Returns how many functions and nodes of the graph can only run with XLA."""
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    (graph,) = SavedModel.FromString((folder / "saved_model.pb").read_bytes()).meta_graphs
    library = graph.graph_def.library.function
    nodes = [node for function in library for node in function.node_def]
    return sum("_XlaMustCompile" in item.attr and item.attr["_XlaMustCompile"].b for item in [*library, *nodes])


@pytest.mark.slow
def test_deformable_convolutions_need_xla_only_when_asked_to(deformable, rng, tmp_path):
    assert must_compile(export_saved_model(deformable, tmp_path / "xla", top_k=TOP_K, xla=True)) > 0
    folder = export_saved_model(deformable, tmp_path / "saved", top_k=TOP_K)
    assert must_compile(folder) == 0
    image = rng.integers(0, 256, (1, 64, 64, 3), np.uint8)
    found = tf.saved_model.load(str(folder)).signatures["inputs"](images=tf.constant(image))
    for key, value in deformable.detect_batch(image, TOP_K).items():
        np.testing.assert_allclose(found[key], value, rtol=1e-3, atol=2e-3, err_msg=key)


@pytest.mark.slow
def test_a_folder_of_another_model_is_refused(exported, images):
    model, folder, _ = exported
    bias = model.network.get_layer("size").bias
    kept = bias.numpy()
    try:
        bias.assign(kept + 1)  # makes boxes one cell larger
        with pytest.raises(UserError, match=rf"{folder}: on 1 image.* expected .*box_pixels_p98 of at most 0\.5"):
            verify(model, folder, images[:1])
    finally:
        bias.assign(kept)


@pytest.mark.slow
def test_raw_heads_are_compared_where_nothing_is_detected(exported, images):
    model, folder, _ = exported
    found = agreement(model, folder, images[:1], threshold=1.1)
    assert (found["compared"], found["detections"]) == ("raw heads", 0)
    assert min(found["heads"].values()) > 0.9999


@pytest.mark.slow
def test_an_untrained_model_is_compared_by_its_raw_heads(untrained, images, tmp_path):
    found = agreement(untrained, export_saved_model(untrained, tmp_path / "saved", top_k=TOP_K), images)
    assert (found["compared"], found["detections"]) == ("raw heads", 0)
    assert max(found["head_differences"].values()) < 1e-4


def test_nothing_is_overwritten_and_nothing_is_left_behind(tiny_model, tmp_path, monkeypatch):
    model = tiny_model()
    with pytest.raises(UserError, match="expected no file there yet, got one"):
        export_saved_model(model, tmp_path)

    def fill_disk(model, path, **options):
        path.mkdir()
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(FORMATS, "saved_model", dataclasses.replace(FORMATS["saved_model"], write=fill_disk))
    with pytest.raises(UserError, match=r"saved: could not be written \(No space left on device\)"):
        export_saved_model(model, tmp_path / "saved")
    assert not list(tmp_path.iterdir())
