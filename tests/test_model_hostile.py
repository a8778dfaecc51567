"""Changed `.keras` files: a one-line error, no code run, no other file opened, little memory taken."""

import io
import json
import tracemalloc
import zipfile

import h5py
import keras
import numpy as np
import pytest

from keras_centernet import CenterNet, UserError, load_model
from keras_centernet.errors import DataWarning
from tests.helpers.tiny_backbone import TINY

CONFIG, WEIGHTS = "config.json", "model.weights.h5"


@pytest.fixture(scope="module")
def content(tiny_model, tmp_path_factory):
    """{name: bytes} of the members of a compiled model's file."""
    model = tiny_model()
    model.compile("adam")
    path = tmp_path_factory.mktemp("hostile") / "model.keras"
    model.save(path)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture
def write(content, tmp_path):
    """write({member: other bytes, or None to leave it out}) -> path of the file."""

    def write(changes, compression=zipfile.ZIP_STORED):
        path = tmp_path / "changed.keras"
        with zipfile.ZipFile(path, "w", compression) as archive:
            for name, data in (content | changes).items():
                if data is not None:
                    archive.writestr(name, data)
        return path

    return write


def changed_config(content, change):
    config = json.loads(content[CONFIG])
    change(config)
    return json.dumps(config).encode()


def refuse(path, message):
    """Asserts that a file is refused in one short line, before much memory is taken."""
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match=message) as caught:
            load_model(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    line = str(caught.value)
    assert line.startswith(f"{path}: ")
    assert "\n" not in line
    assert len(line) < len(str(path)) + 300
    assert peak < 200e6
    return line


def test_an_unchanged_file_is_read(write, batch):
    path = write({})
    model = load_model(path)
    assert model.classes == ("cat", "dog")
    again = load_model(write({}, zipfile.ZIP_DEFLATED))
    np.testing.assert_array_equal(model(batch[0])["size"], again(batch[0])["size"])


@pytest.mark.parametrize("key", ["weights", "backbone_weights", "more"])
def test_a_path_in_a_config_is_never_opened(content, write, tmp_path, key):
    trap = tmp_path / "trap.keras"
    trap.write_bytes(b"not a model: whoever opens it says so")
    path = write({CONFIG: changed_config(content, lambda config: config["config"].update({key: str(trap)}))})
    line = refuse(path, f"expected the configuration of a CenterNet, got the key '{key}'; update keras_centernet if")
    assert "trap" not in line
    with pytest.raises(UserError, match=f"got the key '{key}'"):
        CenterNet.from_config({"backbone": TINY, key: str(trap)})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("config"), r"expected a CenterNet in config\.json, got"),
        (lambda c: c.update(config=[1]), r"expected a CenterNet in config\.json, got"),
        (lambda c: c.update(class_name="Sequential", module="keras", registered_name=None), "got a Sequential"),
        (lambda c: c.update(class_name="load_model", module="keras.saving", registered_name=None), "got a load_model"),
        (
            lambda c: c.update(class_name="system", module="os", registered_name="system"),
            "could not be read|registered",
        ),
        (lambda c: c["config"].update(backbone="vgg" * 500), "Unknown backbone"),
        (lambda c: c["config"].update(backbone=7), "backbone: expected one of"),
        (lambda c: c["config"].update(backbone=None), "backbone: expected one of"),
        (lambda c: c["config"].update(task={"a": 1}), "could not be read"),
        (lambda c: c["config"].update(input_size=[10**9 * 32, 64]), "input_size of tiny: expected a positive multiple"),
        (lambda c: c["config"].update(input_size="cats"), "input_size of tiny: expected a positive multiple"),
        (lambda c: c["config"].update(classes=[str(i) for i in range(70_000)]), "classes: expected at most 65536, got"),
        (lambda c: c["config"].update(classes=["cat", "cat"]), "classes: expected at least one name and no name twice"),
        (lambda c: c["config"].update(classes=5), "could not be read"),
        (lambda c: c["config"].update(dtype="float9"), "could not be read"),
        (lambda c: c["config"].update(task_options={"radius": 7}), "task_options of detection|could not be read"),
        (lambda c: c["config"].update(loss_weights={"size": "x"}), "loss_weights of size: expected a number"),
        (lambda c: c["config"].update(normalization=["x"] * 999), "could not be read"),
        (lambda c: c["compile_config"].update(optimizer=5), "could not be read|expected"),
        (lambda c: c["compile_config"].update(hostile="x" * 9999), "could not be read|expected"),
    ],
)
def test_configs_with_wrong_values(content, write, change, message):
    refuse(write({CONFIG: changed_config(content, change)}), message)


LAMBDA = {"class_name": "__lambda__", "config": {"value": ["4wAAAAA=", None, None]}}
LAYER = {"module": "keras.layers", "class_name": "Lambda", "config": {"name": "l", "function": LAMBDA}}


@pytest.mark.parametrize("place", ["backbone", "task", "head_losses"])
def test_code_in_a_config_is_refused(content, write, place):
    path = write({CONFIG: changed_config(content, lambda c: c["config"].update({place: {"size": LAYER, **LAYER}}))})
    refuse(path, "expected a model without code, got a lambda; do not use it")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (b"", r"expected config\.json in it to be JSON"),
        (b"\xff", r"expected config\.json in it to be JSON"),
        (b"[" * 100_000, r"expected config\.json in it to be JSON"),
        (b'{"config": {"a": ' + b"[" * 300 + b"]" * 300 + b"}}", "JSON that is nested too deeply"),
        (b"5", r"expected a CenterNet in config\.json, got 5"),
        (b'{"config": {}, "class_name": null, "module": "keras"}', "expected a CenterNet, got a None"),
        (b" " * (1 << 25), r"expected at most 16777216 bytes in config\.json, got 33554432"),
        (None, r"expected config\.json in it, which cannot be read: .*There is no item named"),
    ],
)
def test_invalid_configs(write, config, message):
    refuse(write({CONFIG: config}), message)


def test_archives_that_expand_are_refused(write):
    zeros = bytes(100 << 20)
    refuse(write({WEIGHTS: zeros}, zipfile.ZIP_DEFLATED), r"expected at most \d+ bytes in it, got \d+, most in 'model")
    refuse(write({"more": zeros}, zipfile.ZIP_DEFLATED), r"most in 'more'")


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "assets/../../evil", "..\\evil"])
def test_archives_with_paths_outside_are_refused(write, name):
    refuse(write({name: b"x"}), "expected files inside the archive, got")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_archives_with_a_name_twice_are_refused(content, write):
    path = write({})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(CONFIG, content[CONFIG])
    refuse(path, "expected up to 100000 files of different names, got 4 in it")


def external_link(file):
    del file["_layer"]
    file["_layer"] = h5py.ExternalLink("/etc/passwd", "/x")


def soft_link(file):
    file["again"] = h5py.SoftLink("/_layer")


def circle(file):
    file["_layer/again"] = file["_layer"]


def twice(file):
    file["again"] = file["_layer"]


def external_storage(file):
    file.create_dataset("_layer/x", (10,), "uint8", external=[("/etc/passwd", 0, 10)])


def virtual(file):
    layout = h5py.VirtualLayout((10,), "float32")
    layout[:] = h5py.VirtualSource("/tmp/other.h5", "x", (10,))
    file.create_virtual_dataset("_layer/x", layout)


def empty_terabytes(file):
    file.create_dataset("_layer/x", (2**20, 2**20), "float32", chunks=(16, 16))


def large_chunk(file):
    file.create_dataset("_layer/x", (4,), "float32", chunks=(2**28,), maxshape=(None,))


def texts(file):
    file.create_dataset("_layer/x", (4,), h5py.string_dtype())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (external_link, "expected tensors of its own, got a link as '/_layer'; do not use it"),
        (soft_link, "expected tensors of its own, got a link as '/again'"),
        (circle, "expected a tree of tensors, got '/_layer/again' a second time"),
        (twice, "expected a tree of tensors, got '/.*' a second time"),
        (external_storage, "expected tensors of its own, got '/_layer/x' of another file"),
        (virtual, "expected tensors of its own, got '/_layer/x' of another file"),
        (empty_terabytes, r"expected tensors of at most \d+ bytes in a file of \d+, got 4398"),
        (large_chunk, r"expected tensors of at most \d+ bytes in a file of \d+, got 1073"),
        (texts, "expected tensors of numbers, got '/_layer/x' of type"),
    ],
)
def test_weights_with_links_or_false_sizes_are_refused(content, write, tmp_path, change, message):
    data = io.BytesIO(content[WEIGHTS])
    with h5py.File(data, "r+") as file:
        file.create_group("_layer")
        change(file)
    refuse(write({WEIGHTS: data.getvalue()}), message)
    alone = tmp_path / "some.weights.h5"
    alone.write_bytes(data.getvalue())
    with pytest.raises(UserError, match=message):
        CenterNet(TINY, classes=("cat", "dog"), input_size=64, weights=alone)


def test_weights_of_other_shapes(tiny_model, content, write, tmp_path):
    other = tiny_model(classes=("a", "b", "c"))
    other.save(tmp_path / "other.keras")
    with zipfile.ZipFile(tmp_path / "other.keras") as archive:
        refuse(write({WEIGHTS: archive.read(WEIGHTS)}), "could not be read")
    refuse(write({WEIGHTS: None}), r"expected model\.weights\.h5 in it, which cannot be read")
    refuse(write({WEIGHTS: content[WEIGHTS][:2000]}), "expected a file of weights, it is damaged")
    refuse(write({WEIGHTS: b""}), "expected a file of weights, it is damaged")


def test_weights_with_nan_are_reported_once(tiny_model, tmp_path):
    model = tiny_model()
    kernel = model.network.get_layer("size").kernel
    kernel.assign(np.full(kernel.shape, np.nan, "float32"))
    model.save(tmp_path / "nan.keras")
    with pytest.warns(
        DataWarning, match=r"nan\.keras: 1 of its \d+ tensors hold NaN or infinity, first size/kernel"
    ) as told:
        load_model(tmp_path / "nan.keras")
    assert [one.filename for one in told if one.category is DataWarning] == [__file__]


@keras.saving.register_keras_serializable("hostile")
class Mine(CenterNet):
    """A subclass with its own argument, which its file keeps."""

    def __init__(self, *args, strength=1.0, **kwargs):
        super().__init__(*args, **kwargs)
        self.strength = strength

    def get_config(self):
        return super().get_config() | {"strength": self.strength}


def test_subclasses_keep_their_own_keys(tmp_path, write, content):
    Mine(TINY, num_classes=2, input_size=64, strength=2.0).save(tmp_path / "mine.keras")
    assert load_model(tmp_path / "mine.keras").strength == 2.0
    with pytest.raises(UserError, match="got the key 'weights'"):
        Mine.from_config({"backbone": TINY, "strength": 1.0, "weights": "x.keras"})


def test_changed_bytes_never_end_in_a_traceback(write, content):
    path = write({})
    whole, source = path.read_bytes(), np.random.default_rng(4)
    lines, outcomes = [], {"read": 0, "refused": 0}
    for _ in range(60):
        data = bytearray(whole)
        for place in source.integers(0, len(data), int(source.integers(1, 40))):
            data[place] = int(source.integers(0, 256))
        path.write_bytes(data if source.random() < 0.7 else data[: int(source.integers(0, len(data)))])
        try:
            load_model(path)
            outcomes["read"] += 1
        except UserError as error:
            outcomes["refused"] += 1
            lines.append(str(error))
    assert not [line for line in lines if "\n" in line]
    assert outcomes["refused"] > 30
