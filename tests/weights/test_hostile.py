"""Checkpoints with every kind of tensor that PyTorch can save, and hostile ones."""

import io
import json
import pickle
import resource
import struct
import zipfile
from collections import OrderedDict

import numpy as np
import pytest

from keras_centernet import CenterNet, UserError
from keras_centernet.presets.importing import import_weights
from keras_centernet.weights.checkpoint import read_checkpoint
from tests.helpers.shapes_only import shapes_only
from tests.weights.test_published import SMALL, published_tensors, write_safetensors

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore:.*(sparse|Sparse|nested|quantiz|TypedStorage).*")


@pytest.fixture
def save(tmp_path):
    def save(content, **options):
        path = tmp_path / "file.pth"
        torch.save(content, path, **options)
        return path

    return save


def refuse(path, message):
    """Asserts a one-line error that names the file, without much memory taken."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UserError, match=message) as caught:
        read_checkpoint(path)
    line = str(caught.value)
    assert line.startswith(f"{path}: ")
    assert "\n" not in line
    assert len(line) < len(str(path)) + 300
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400_000  # KB


VALUES = torch.arange(6.0).reshape(2, 3)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: torch.nn.Parameter(VALUES), VALUES),
        (lambda: torch.nn.Parameter(VALUES, requires_grad=False), VALUES),
        (lambda: VALUES.clone().requires_grad_(), VALUES),
        (lambda: VALUES.half(), VALUES),
        (lambda: VALUES.bfloat16(), VALUES),
        (lambda: VALUES.double(), VALUES),
        (lambda: VALUES.long(), VALUES),
        (lambda: VALUES.bool(), VALUES != 0),
        (lambda: VALUES.T, VALUES.T),
        (lambda: VALUES[:, 1], VALUES[:, 1]),
        (lambda: torch._neg_view(VALUES), -VALUES),
        (lambda: torch.tensor(2.5), torch.tensor(2.5)),
        (lambda: torch.zeros(0, 3), torch.zeros(0, 3)),
        (lambda: torch.ones(1).expand(2, 3), torch.ones(2, 3)),
        (lambda: torch.quantize_per_tensor(VALUES, 0.5, 0, torch.qint8), VALUES),
        (
            lambda: torch.quantize_per_channel(VALUES, torch.tensor([0.5, 0.25]), torch.tensor([0, 0]), 0, torch.qint8),
            VALUES,
        ),
    ],
)
def test_everything_that_stands_for_a_plain_tensor_is_accepted(save, make, expected):
    for is_zip in (True, False):
        found = read_checkpoint(save({"a": make()}, _use_new_zipfile_serialization=is_zip))
        assert found["a"].dtype == np.float32
        np.testing.assert_array_equal(found["a"], expected.float().numpy())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: torch.ones(1).expand(2**31),
            "the file's size can hold, got 'a.weight' of shape .2147483648,",
        ),
        (lambda: torch.ones(1).expand(2**20, 2**20), "tensors that the file's size can hold, got 'a.weight' of shape"),
        (lambda: torch.empty(2**40, device="meta"), r"got one without values \(meta\) as 'a.weight'"),
        (
            lambda: torch.sparse_coo_tensor([[0]], [1.0], (2**40,)),
            "a sparse one as 'a.weight'; save",
        ),
        (lambda: VALUES.to_sparse_csr(), "got a sparse one as 'a.weight'"),
        (lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]), "got a nested one as 'a.weight'|damaged"),
        (lambda: VALUES.to(torch.complex64), "got a complex one as 'a.weight'"),
    ],
)
def test_other_tensors_are_named(save, make, message):
    refuse(save({"state_dict": {"b": torch.ones(2), "a.weight": make()}}), message)


ENDLESS = ()
for _ in range(60):
    ENDLESS = (ENDLESS, ENDLESS)  # its text would have 2^60 characters


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({3: VALUES}, "expected tensors by name, or a dict with 'state_dict', got a dict of int: Tensor"),
        ({"a": VALUES, 3: VALUES}, "got a dict of str: Tensor, int: Tensor"),
        ({"a": ENDLESS}, "got a dict of 'a'"),
        ({"a" * 5000: 1}, "got a dict of 'aaaa"),
        ({"a": VALUES, "b": 5}, "got a dict of 'a', 'b'"),
        ({"a": {"b": VALUES}}, "got a dict of 'a'"),
        ({}, "got a dict of nothing"),
        ([VALUES], "got a list"),
        (VALUES, "got a Tensor"),
        (None, "got a NoneType"),
        ({"state_dict": [1]}, "got a list"),
        ({"a": VALUES, "module.a": VALUES}, "expected every tensor once, got 'a' and 'module.a'"),
    ],
)
def test_contents_that_are_no_dict_of_tensors(save, content, message):
    refuse(save(content), message)


@pytest.mark.parametrize(
    "function",
    [
        (print, ("code ran",)),
        (eval, ("print('code ran')",)),
        (__import__, ("os",)),
        (open, ("/etc/passwd",)),
        (torch.load, ("/tmp/x",)),
        (OrderedDict.fromkeys, (range(9), 1)),
        (np.zeros, ((3,),)),
    ],
    ids=lambda pair: pair[0].__qualname__,
)
def test_foreign_functions_and_classes_are_refused(save, tmp_path, capsys, function):
    evil = type("Evil", (), {"__reduce__": lambda self: function})()
    path = tmp_path / "file.pth"
    for protocol in (0, 2, 4):
        path.write_bytes(pickle.dumps({"a": evil}, protocol))
        refuse(path, "expected a PyTorch checkpoint with nothing but tensors and numbers; refused")
    refuse(save({"a": evil}), "expected a PyTorch checkpoint with nothing but tensors and numbers; refused")
    assert "code ran" not in capsys.readouterr().out


def test_an_archive_that_expands_is_refused(save, tmp_path):
    with zipfile.ZipFile(save({"a": torch.zeros(60 << 20)})) as whole:
        contents = {name: whole.read(name) for name in whole.namelist()}
    path = tmp_path / "deflated.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
    refuse(path, r"expected at most \d+ bytes in it, got \d+, most in 'file/data/0'")


def test_an_old_file_whose_storage_is_missing(save, tmp_path):
    data = save({"a": torch.ones(7777)}, _use_new_zipfile_serialization=False).read_bytes()
    path = tmp_path / "old.pth"
    path.write_bytes(data.replace(struct.pack("<H", 7777), struct.pack("<H", 65535)))
    refuse(path, "it is damaged")


def safetensors(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


ROW = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    "content",
    [
        safetensors({"a": ROW}),
        safetensors({"a": ROW | {"shape": [2**40]}}, bytes(8)),
        safetensors({"a": ROW | {"shape": [2**40], "data_offsets": [0, 2**42]}}, bytes(8)),
        safetensors({"a": ROW | {"shape": [-2]}}, bytes(8)),
        safetensors({"a": ROW | {"dtype": "F31"}}, bytes(8)),
        safetensors({"a": ROW, "b": ROW}, bytes(8)),
        safetensors({"a": ROW | {"data_offsets": [8, 0]}}, bytes(8)),
        safetensors(b"[" * 100_000),
        safetensors(b"\xff"),
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 2**40) + b"{}",
        safetensors({"a": ROW | {"dtype": "C64", "shape": [1]}}, bytes(8)),
    ],
)
def test_safetensors_with_false_headers_are_refused(tmp_path, content):
    path = tmp_path / "file.safetensors"
    path.write_bytes(content)
    refuse(path, "expected a safetensors file, could not be read|got a complex one as 'a'")


def test_safetensors_of_half_precision(tmp_path):
    from safetensors.torch import save_file

    for dtype in (torch.float16, torch.bfloat16):
        save_file({"a": VALUES.to(dtype)}, tmp_path / "half.safetensors")
        np.testing.assert_array_equal(read_checkpoint(tmp_path / "half.safetensors")["a"], VALUES.numpy())


@pytest.fixture(scope="module")
def tensors():
    with shapes_only():
        return published_tensors(CenterNet(SMALL, num_classes=2, input_size=64))


@pytest.mark.usefixtures("release_models")
@pytest.mark.parametrize("value", [np.float32(1), np.zeros((2, 1), "float32"), np.zeros(0, "float32")])
def test_a_bias_of_another_rank(tmp_path, tensors, value):
    path = write_safetensors(tmp_path / "odd.safetensors", tensors | {"hm.2.bias": np.asarray(value)})
    with pytest.raises(UserError, match=r"expected hm\.2\.bias to be a vector|hm\.2\.bias has shape"):
        import_weights(path, input_size=64)
    if np.ndim(value) != 1:
        with pytest.raises(UserError, match=r"odd\.safetensors: hm\.2\.bias has shape .*, expected \(2,\)"):
            CenterNet(SMALL, num_classes=2, input_size=64, weights=path)


def test_too_many_classes_are_refused(tmp_path, tensors):
    path = write_safetensors(tmp_path / "many.safetensors", tensors | {"hm.2.bias": np.zeros(70_000, "float32")})
    with pytest.raises(UserError, match="classes: expected at most 65536, got 70000"):
        import_weights(path, input_size=64)


def test_changed_bytes_never_end_in_a_traceback(save, tmp_path):
    source, path = np.random.default_rng(8), tmp_path / "changed.pth"
    content = {f"layer{i}.weight": torch.ones(3, 4) * i for i in range(8)}
    wholes = [save(content, _use_new_zipfile_serialization=is_zip).read_bytes() for is_zip in (True, False)]
    stream = io.BytesIO()
    pickle.dump({"a": 1, "b": [1, 2]}, stream)
    wholes.append(stream.getvalue())
    refused = 0
    for i in range(300):
        data = bytearray(wholes[i % len(wholes)])
        for place in source.integers(0, len(data), int(source.integers(1, 12))):
            data[place] = int(source.integers(0, 256))
        path.write_bytes(data)
        try:
            read_checkpoint(path)
        except UserError:
            refused += 1
    assert refused > 100
