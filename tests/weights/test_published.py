"""Published checkpoints are read completely, or refused in one line with the model unchanged."""

import json
import pickle
import struct

import numpy as np
import pytest

from keras_centernet import CenterNet, UserError
from keras_centernet.presets.importing import import_weights
from keras_centernet.weights.checkpoint import read_checkpoint
from keras_centernet.weights.published import FINGERPRINTS, published_variables, recognise_backbone
from tests.helpers.published_weights import make_tensor, torch_shape
from tests.helpers.shapes_only import shapes_only

pytestmark = pytest.mark.usefixtures("release_models")
SMALL = "resnet18"


def published_tensors(model, nested=False):
    """Tensors as a published checkpoint of this network holds them, including PyTorch's counters."""
    variables = published_variables(model.network, model.task, nested)
    tensors = {name: make_tensor(1, name, torch_shape(variable)) for name, variable in variables.items()}
    counters = [name.replace("running_mean", "num_batches_tracked") for name in tensors if "running_mean" in name]
    return tensors | {name: np.zeros((), "int64") for name in counters}


def write_safetensors(path, tensors):
    """Writes safetensors by hand: length of the header, header, bytes."""
    header, start = {}, 0
    for name, value in tensors.items():
        kind = {"float32": "F32", "int64": "I64", "float16": "F16"}[str(value.dtype)]
        header[name] = {"dtype": kind, "shape": list(value.shape), "data_offsets": [start, start + value.nbytes]}
        start += value.nbytes
    text = json.dumps(header).encode()
    blobs = [np.ascontiguousarray(value).tobytes() for value in tensors.values()]
    path.write_bytes(b"".join([struct.pack("<Q", len(text)), text, *blobs]))
    return path


@pytest.fixture(scope="module")
def model():
    return CenterNet(SMALL, num_classes=2, input_size=64)


@pytest.fixture(scope="module")
def tensors(model):
    return published_tensors(model)


@pytest.fixture(scope="module")
def checkpoint(tensors, tmp_path_factory):
    return write_safetensors(tmp_path_factory.mktemp("checkpoints") / "two.safetensors", tensors)


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="PyTorch is an extra: pip install keras_centernet[torch]")


def heads_of(model):
    rng = np.random.default_rng(0)
    return model(rng.integers(0, 256, (1, 64, 64, 3), np.uint8))


@pytest.mark.slow
def test_every_tensor_finds_its_place(model, tensors, checkpoint):
    filled = CenterNet(SMALL, num_classes=2, input_size=64, weights=str(checkpoint))
    for name, variable in published_variables(filled.network, filled.task).items():
        value = tensors[name]
        expected = value.transpose(2, 3, 1, 0) if value.ndim == 4 else value
        np.testing.assert_array_equal(variable, expected, err_msg=name)


def test_old_and_new_serialisations_with_and_without_wrapping(torch, tmp_path, tensors, checkpoint):
    state = {name: torch.from_numpy(np.asarray(value)) for name, value in tensors.items()}
    parallel = {f"module.{name}": value for name, value in state.items()}
    expected = read_checkpoint(checkpoint)
    for content in (state, parallel, {"epoch": 140, "state_dict": parallel}):
        for is_zip in (True, False):
            torch.save(content, tmp_path / "model.pth", _use_new_zipfile_serialization=is_zip)
            found = read_checkpoint(tmp_path / "model.pth")
            assert found.keys() == expected.keys()
            for name in ("conv1.weight", "hm.2.bias"):
                np.testing.assert_array_equal(found[name], expected[name])


def test_half_precision_files(tmp_path, model, tensors):
    half = {n: v.astype("float16") if v.dtype == np.float32 else v for n, v in tensors.items()}
    path = write_safetensors(tmp_path / "half.safetensors", half)
    filled = CenterNet(SMALL, num_classes=2, input_size=64, weights=str(path))
    np.testing.assert_array_equal(filled.network.get_layer("bn1").gamma, half["bn1.weight"].astype("float32"))


def test_other_classes_leave_the_last_layer_of_the_heatmap(checkpoint, tensors, capsys):
    filled = CenterNet(SMALL, num_classes=5, input_size=64, weights=str(checkpoint))
    assert "has 2 classes, not 5: the last layer of center_heatmap starts anew" in capsys.readouterr().out
    np.testing.assert_array_equal(filled.network.get_layer("size").bias, tensors["wh.2.bias"])
    np.testing.assert_array_equal(filled.network.get_layer("center_heatmap_hidden").bias, tensors["hm.0.bias"])
    np.testing.assert_allclose(filled.network.get_layer("center_heatmap").bias, -2.19, rtol=1e-6)


def test_unused_tensors_are_listed(tmp_path, model, tensors, capsys):
    more = tensors | {"fc.weight": np.ones((3, 2), "float32"), "fc.bias": np.ones(3, "float32")}
    CenterNet(SMALL, num_classes=2, weights=str(write_safetensors(tmp_path / "more.safetensors", more)))
    assert "2 unused tensors left out: fc.bias, fc.weight." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layer3.0.bn1.running_var": None}, r"expected a tensor layer3\.0\.bn1\.running_var of shape \(256,\), it is"),
        ({"bn1.bias": np.zeros(3, "float32")}, r"bn1\.bias has shape \(3,\), expected \(64,\)"),
        ({"bn1.bias": np.full(64, np.nan, "float32")}, r"bn1\.bias holds NaN or infinity, expected finite numbers"),
    ],
)
def test_what_does_not_fit_is_named_and_nothing_changes(tmp_path, tensors, change, message):
    changed = {name: value for name, value in (tensors | change).items() if value is not None}
    path = write_safetensors(tmp_path / "changed.safetensors", changed)
    model = CenterNet(SMALL, num_classes=2, input_size=64)
    before = [np.array(v) for v in model.network.variables]
    from keras_centernet.weights import load_weights

    with pytest.raises(UserError, match=message):
        load_weights(model, path)
    for variable, value in zip(model.network.variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)


def test_a_checkpoint_of_another_architecture_is_recognised(checkpoint):
    with (
        shapes_only(),
        pytest.raises(UserError, match=r"holds a resnet18, expected a resnet18_plain\. Use CenterNet\('resnet18'\)"),
    ):
        CenterNet("resnet18_plain", num_classes=2, weights=str(checkpoint))


class Evil:
    def __reduce__(self):
        return (print, ("code ran",))


def test_a_file_with_code_is_refused_and_not_run(torch, tmp_path, capsys):
    torch.save({"state_dict": {"conv1.weight": Evil()}}, tmp_path / "evil.pth")
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(Evil()))
    for name in ("evil.pth", "plain.pth"):
        with pytest.raises(UserError, match=rf"{name}: expected a PyTorch checkpoint with nothing but tensors"):
            read_checkpoint(tmp_path / name)
    assert "code ran" not in capsys.readouterr().out


def test_damaged_files(torch, tmp_path, checkpoint):
    torch.save({"a": torch.ones(1000)}, tmp_path / "whole.pth")
    files = {
        "cut.pth": (tmp_path / "whole.pth").read_bytes()[:700],
        "empty.pth": b"",
        "text.pth": b"hello",
        "cut.safetensors": checkpoint.read_bytes()[:900],
        "empty.safetensors": b"",
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match=rf"{name}: expected a (PyTorch checkpoint|safetensors file)"):
            read_checkpoint(tmp_path / name)
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(UserError, match="expected tensors by name, or a dict with 'state_dict', got a list"):
        read_checkpoint(tmp_path / "list.pth")


def test_missing_files_and_readers(tmp_path, monkeypatch):
    with pytest.raises(UserError, match="expected a checkpoint, but it does not exist"):
        read_checkpoint(tmp_path / "nowhere.pth")
    for suffix, module, extra in (("pth", "torch", "torch"), ("safetensors", "safetensors.numpy", "safetensors")):
        (tmp_path / f"some.{suffix}").write_bytes(b"x")
        monkeypatch.setitem(__import__("sys").modules, module, None)  # as if it were not installed
        with pytest.raises(UserError, match=rf'pip install "keras_centernet\[{extra}\]"'):
            read_checkpoint(tmp_path / f"some.{suffix}")


def test_an_unknown_suffix_lists_the_known_ones(tmp_path):
    with (
        shapes_only(),
        pytest.raises(UserError, match=r"weights that ends in \.h5, \.keras, \.pth, \.pt, \.tar, \.safetensors"),
    ):
        CenterNet(SMALL, num_classes=2, weights=str(tmp_path / "model.onnx"))


@pytest.mark.parametrize("name", FINGERPRINTS)
def test_every_published_architecture_is_recognised(name):
    with shapes_only():
        model = CenterNet(name, num_classes=2, input_size=128)
    for nested in (True, False):
        assert recognise_backbone(published_variables(model.network, model.task, nested)) == name


@pytest.mark.slow
def test_import_recognises_network_task_and_classes(checkpoint, tensors):
    imported, unused = import_weights(checkpoint, input_size=64)
    assert (imported.network.name, imported.task.name, imported.classes) == (SMALL, "detection", ("0", "1"))
    assert imported.normalization == "published"
    assert unused == []
    given, _ = import_weights(checkpoint, classes=["a", "b"], input_size=64, normalization="imagenet")
    assert (given.classes, given.normalization) == (("a", "b"), "imagenet")


def test_twenty_classes_are_vocs_with_their_statistics(tmp_path):
    with shapes_only():
        tensors = published_tensors(CenterNet(SMALL, num_classes=20, input_size=64))
    imported, _ = import_weights(write_safetensors(tmp_path / "voc.safetensors", tensors), input_size=64)
    assert imported.classes[:2] == ("aeroplane", "bicycle")
    assert imported.normalization == "published_voc_kitti"
    # As published: 0.485 and 0.229, the usual numbers of red, are applied to the first channel, blue.
    blue = np.zeros((1, 64, 64, 3), "uint8")
    from keras_centernet.networks.normalization import normalize

    np.testing.assert_allclose(normalize(blue, imported.normalization)[0, 0, 0, 0], -0.485 / 0.229, rtol=1e-5)


@pytest.mark.parametrize(
    ("task", "classes", "statistics", "head"),
    [
        ("detection_3d", ("Pedestrian", "Car", "Cyclist"), "published_voc_kitti", "rot.2.weight"),
        ("pose", ("person",), "published", "hm_hp.2.weight"),
    ],
)
def test_the_other_tasks_are_recognised_by_their_heads(tmp_path, task, classes, statistics, head):
    with shapes_only():
        tensors = published_tensors(CenterNet(SMALL, task=task, input_size=64))
    assert head in tensors
    imported, unused = import_weights(write_safetensors(tmp_path / "task.safetensors", tensors), input_size=64)
    assert (imported.task.name, imported.classes, imported.normalization) == (task, classes, statistics)
    assert unused == []


def test_heads_without_published_weights_start_anew(tmp_path, capsys):
    with shapes_only():
        tensors = published_tensors(CenterNet(SMALL, task="detection_3d", input_size=64))
    path = write_safetensors(tmp_path / "3d.safetensors", tensors)
    model = CenterNet(SMALL, "detection_3d", input_size=64, task_options={"projection": True}, weights=str(path))
    assert "published checkpoints have no projection: starts anew" in capsys.readouterr().out
    np.testing.assert_array_equal(model.network.get_layer("depth").bias, tensors["dep.2.bias"])


def test_hourglass_heads_are_named_by_stack():
    with shapes_only():
        model = CenterNet("hourglass104", num_classes=3, input_size=128)
    variables = published_variables(model.network, model.task, nested=True)
    assert variables["hm.0.0.conv.weight"] is model.network.get_layer("stack0_center_heatmap_hidden").kernel
    assert variables["hm.0.1.bias"] is model.network.get_layer("stack0_center_heatmap").bias
    assert variables["wh.1.1.weight"] is model.network.get_layer("size").kernel


def test_import_of_files_that_are_no_detector(tmp_path, checkpoint, tensors):
    classifier = {"conv1.weight": np.zeros((64, 3, 7, 7), "float32"), "fc.bias": np.zeros(5, "float32")}
    path = write_safetensors(tmp_path / "classifier.safetensors", classifier)
    with pytest.raises(UserError, match=r"belong to none of them\. An ImageNet classifier is for --backbone-weights"):
        import_weights(path)
    headless = {name: value for name, value in tensors.items() if not name.startswith(("hm", "wh", "reg"))}
    with pytest.raises(UserError, match=r"expected the heads of a task: hm, wh, reg \(detection\)"):
        import_weights(write_safetensors(tmp_path / "headless.safetensors", headless))
    with pytest.raises(UserError, match=r"--classes: .* has 2, expected as many names, got 1"):
        import_weights(checkpoint, classes=["a"])
    with pytest.raises(UserError, match=r"classes: expected a list of names, .* got 'ab'"):
        import_weights(checkpoint, classes="ab")


@pytest.mark.slow
def test_a_detector_starts_a_pose_and_heads_that_it_lacks_start_anew(checkpoint, tensors, capsys):
    filled = CenterNet(SMALL, task="pose", input_size=64, weights=str(checkpoint))
    printed = capsys.readouterr().out
    assert "has no keypoint_displacement, keypoint_heatmap, keypoint_offset: starts anew" in printed
    assert "has 2 classes, not 1: the last layer of center_heatmap starts anew" in printed
    fresh = CenterNet(SMALL, task="pose", input_size=64)
    np.testing.assert_array_equal(filled.network.get_layer("size").bias, tensors["wh.2.bias"])
    np.testing.assert_array_equal(filled.network.get_layer("bn1").gamma, tensors["bn1.weight"])
    bias = filled.network.get_layer("keypoint_heatmap").bias
    np.testing.assert_array_equal(bias, fresh.network.get_layer("keypoint_heatmap").bias)


@pytest.mark.slow
def test_half_a_head_and_an_import_of_another_task_are_refused(tmp_path, tensors, checkpoint):
    half = {name: value for name, value in tensors.items() if name != "wh.2.bias"}
    with pytest.raises(UserError, match=r"expected a tensor wh\.2\.bias of shape \(2,\), it is missing"):
        CenterNet(SMALL, num_classes=2, input_size=64, weights=str(write_safetensors(tmp_path / "h.safetensors", half)))
    with pytest.raises(UserError, match=r"expected a tensor hps\.0\.weight of shape .*, it is missing"):
        import_weights(checkpoint, task="pose", classes=["a", "b"], input_size=64)
