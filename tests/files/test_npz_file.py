"""Archives of arrays: what NumPy writes is read, and headers that claim more than the file holds are refused."""

import io
import re
import zipfile

import numpy as np
import pytest

from keras_centernet import UserError
from keras_centernet.files.npz_file import read_npz


def saved(**arrays):
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def with_header(header, data=b"", version=(1, 0)):
    """An archive of one array "a" with `header` as its header."""
    text = header.encode("latin1").ljust(117) + b"\n"
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.npy", b"\x93NUMPY" + bytes(version) + len(text).to_bytes(2, "little") + text + data)
    return stream.getvalue()


def test_what_numpy_writes_is_read(rng):
    arrays = {
        "names": np.array(["step_1.keras", "ü"]),
        "number": np.asarray(3),
        "rate": np.float32(0.5),
        "flags": np.array([True, False]),
        "table": rng.normal(size=(3, 4)).astype("float32"),
        "columns": np.asfortranarray(rng.normal(size=(3, 4))),
        "empty": np.zeros((0, 5), "int64"),
    }
    found = read_npz(saved(**arrays), "state.npz")
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)
    assert found["table"].flags.writeable


ROW = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "File is not a zip file"),
        (b"hello", "File is not a zip file"),
        (saved(a=np.ones(9))[:200], "File is not a zip file"),
        (saved(a=np.array([{"code": 1}], object)), "'a.npy' of type dtype('O')"),
        (saved(a=np.array(["x" * 9999])), "'a.npy' of type dtype('<U9999')"),
        (with_header(ROW), "'a.npy' of shape (2,)"),
        (with_header(ROW, bytes(9)), "'a.npy' of shape (2,)"),
        (with_header(ROW.replace("(2,)", "(1099511627776, 1099511627776)"), bytes(8)), "'a.npy' of shape (1099511"),
        (with_header(ROW.replace("(2,)", "(-2, -1)"), bytes(8)), "'a.npy' of shape (-2, -1)"),
        (with_header(ROW.replace("<f4", "|V9"), bytes(18)), "'a.npy' of type"),
        (with_header(ROW.replace("'<f4'", "__import__('os')")), "'a.npy' of no known shape ("),
        (with_header("[" * 100), "'a.npy' of no known shape ("),
        (with_header(ROW, bytes(8), (9, 9)), "version (9, 9) of 'a.npy'"),
    ],
)
def test_hostile_files_are_one_line(content, message):
    with pytest.raises(UserError, match=re.escape(message)) as caught:
        read_npz(content, "state.npz")
    line = str(caught.value)
    assert line.startswith("state.npz: expected arrays of numbers and texts, got ")
    assert "\n" not in line
    assert len(line) < 300


def test_an_archive_that_expands_is_refused():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", bytes(100 << 20))
    with pytest.raises(UserError, match="an archive that unpacks to far more than its size"):
        read_npz(stream.getvalue(), "state.npz")
