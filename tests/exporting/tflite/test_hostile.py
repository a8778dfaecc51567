"""TFLite files that are cut off, changed or hostile raise a one-line error and never crash the process."""

import io
import json
import os
import re
import struct
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from keras_centernet import UserError
from keras_centernet.exporting import TFLiteDetector
from keras_centernet.exporting.tflite import flatbuffer
from keras_centernet.exporting.tflite.export import write_tflite
from keras_centernet.exporting.tflite.metadata import LABEL_FILE, NOTES_FILE
from keras_centernet.exporting.tflite.structure import read_structure


@pytest.fixture(scope="module")
def whole(tiny_model, tmp_path_factory):
    """{"decoded": path, "raw": path} of two files of one detector."""
    folder, model = tmp_path_factory.mktemp("hostile"), tiny_model()
    paths = {"decoded": folder / "decoded.tflite", "raw": folder / "raw.tflite"}
    for name, path in paths.items():
        write_tflite(model, path, raw_heads=name == "raw")
    return paths


def graph_of(whole):
    return flatbuffer.read_flatbuffer(whole["decoded"].read_bytes())


def refuse(content, message):
    with pytest.raises(UserError, match=re.escape(message)) as caught:
        TFLiteDetector(content)
    line = str(caught.value)
    assert "\n" not in line
    assert len(line) < 300


def test_undamaged_files_are_accepted(whole):
    for path in whole.values():
        assert TFLiteDetector(path).classes == ("cat", "dog")
        model, objects = read_structure(path.read_bytes()), flatbuffer.read_flatbuffer(path.read_bytes())
        (graph,), (other,) = model[2], objects.subgraphs
        for tensor, theirs in zip(graph[0], other.tensors, strict=True):
            assert tensor[3].encode() == theirs.name
            assert tensor.get(0, np.zeros(0)).tolist() == (theirs.shape.tolist() if theirs.shape is not None else [])
        assert [operator[2].tolist() for operator in graph[3]] == [one.outputs.tolist() for one in other.operators]


@pytest.mark.parametrize(
    "content", [b"", b"TFL3", b"1234TFL3", b"\0" * 64, b"\xff\xff\xff\xffTFL3" + b"\xff" * 64, b"\0\0\0\0TFL3" * 9]
)
def test_what_is_no_tflite_file(content):
    with pytest.raises(UserError, match=r"expected a (whole )?TFLite file, got"):
        TFLiteDetector(content)


def test_a_file_that_was_cut_off(whole, tmp_path):
    content, path = whole["decoded"].read_bytes(), tmp_path / "cut.tflite"
    for size in (9, 100, 1000, len(content) // 2):
        path.write_bytes(content[:size])
        with pytest.raises(UserError, match=r"cut\.tflite: expected a whole TFLite file, got .*; export it anew"):
            TFLiteDetector(path)


def conv(model):
    """The first convolution among the operators."""
    names = flatbuffer.operator_names(model)
    return model.subgraphs[0].operators[names.index("CONV_2D")]


def tensor(model, index):
    return model.subgraphs[0].tensors[index]


def change_shape(shape):
    def change(model):
        tensor(model, conv(model).outputs[0]).shape = np.array(shape, np.int32)

    return change


def call(model):
    model.operatorCodes.append(schema.OperatorCodeT(schema.BuiltinOperator.CALL, None, 1, schema.BuiltinOperator.CALL))
    operator = schema.OperatorT(len(model.operatorCodes) - 1, [0], [], schema.BuiltinOptions.CallOptions)
    operator.builtinOptions = schema.CallOptionsT(0)
    model.subgraphs[0].inputs = [0]
    model.subgraphs[0].operators = [operator]
    model.subgraphs[0].outputs = []
    model.signatureDefs = []


CHANGES = {
    "no graph": (lambda m: setattr(m, "subgraphs", []), "no graph"),
    "opcode": (lambda m: setattr(conv(m), "opcodeIndex", 999), "operator 999 of"),
    "code": (lambda m: setattr(m.operatorCodes[0], "builtinCode", 9999), "an operator of number 9999"),
    "input": (lambda m: setattr(conv(m), "inputs", [9999, 1, 2]), "an operator before its inputs are computed"),
    "no input": (lambda m: setattr(conv(m), "inputs", [-1, -1, -1]), "an operator without its inputs"),
    "output": (lambda m: setattr(conv(m), "outputs", [9999]), "tensor of an operator 9999 of"),
    "negative output": (lambda m: setattr(conv(m), "outputs", [-7]), "tensor of an operator -7 of"),
    "own output": (lambda m: setattr(conv(m), "inputs", [conv(m).outputs[0]] * 3), "an operator before its inputs"),
    "twice": (lambda m: setattr(conv(m), "outputs", [conv(m).inputs[1]]), "a tensor that is computed twice"),
    "graph input": (lambda m: setattr(m.subgraphs[0], "inputs", [9999]), "tensor of an input 9999"),
    "graph output": (lambda m: setattr(m.subgraphs[0], "outputs", [9999]), "an output that nothing computes"),
    "constant input": (
        lambda m: setattr(m.subgraphs[0], "inputs", [conv(m).inputs[1]]),
        "inputs that are constants or given twice",
    ),
    "buffer": (lambda m: setattr(tensor(m, 0), "buffer", 9999), "buffer of a tensor 9999 of"),
    "type": (lambda m: setattr(tensor(m, 0), "type", 99), "a tensor of type 99"),
    "shape": (
        lambda m: setattr(tensor(m, conv(m).inputs[1]), "shape", [9, 9]),
        "a tensor of 324 bytes whose buffer has",
    ),
    "negative": (change_shape([1, -5, 5, 5]), "a tensor of shape [1, -5, 5, 5]"),
    "large": (change_shape([2**30, 2**30]), f"a tensor of {2**62} bytes"),
    "endless": (change_shape([2**31 - 1] * 60), "a tensor of "),
    "outside": (lambda m: setattr(m.buffers[1], "offset", 10**6), "a buffer outside its tables"),
    "signature": (lambda m: setattr(m.signatureDefs[0], "subgraphIndex", 5), "graph of a signature 5 of 1"),
    "signature tensor": (
        lambda m: setattr(m.signatureDefs[0].outputs[0], "tensorIndex", 9999),
        "a signature of other tensors than its graph's",
    ),
    "metadata": (lambda m: setattr(m.metadata[0], "buffer", 9999), "buffer of metadata 9999 of"),
    "circle": (call, "a graph that calls itself"),
    "no signature": (lambda m: setattr(m, "signatureDefs", []), "expected a detector that LiteRT can run"),
    "input name": (
        lambda m: setattr(m.signatureDefs[0].inputs[0], "name", "photo"),
        "expected an input 'images' of shape [1, H, W, 3], got [[1, 64, 64, 3]]",
    ),
    "sparse": (lambda m: setattr(tensor(m, 0), "sparsity", schema.SparsityParametersT()), "that no detector has"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_tables_that_refer_to_missing_entries(whole, name):
    change, message = CHANGES[name]
    model = graph_of(whole)
    change(model)
    refuse(flatbuffer.write_flatbuffer(model), message)


@pytest.mark.parametrize(
    ("quantization", "message"),
    [
        ({"scale": np.float32([np.nan]), "zeroPoint": np.int64([0])}, "scales that are negative or not finite"),
        ({"scale": np.float32([1, 2]), "zeroPoint": np.int64([0])}, "1 zero points of 2 scales"),
        ({"scale": np.float32([1, 2]), "quantizedDimension": 9}, "axis of scales 9 of"),
        ({"scale": np.float32([1, 2]), "quantizedDimension": 0}, "2 scales of 1 channels"),
    ],
)
def test_quantization(whole, quantization, message):
    model = graph_of(whole)
    one = tensor(model, conv(model).outputs[0])
    one.quantization = schema.QuantizationParametersT(**quantization)
    refuse(flatbuffer.write_flatbuffer(model), message)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("count", "text_bytes", "message"),
    [(600_000, 0, "more than 500000 tables"), (10_000, 1 << 20, "lists that use the same bytes again and again")],
)
def test_lists_that_name_the_same_table_again_and_again(whole, count, text_bytes, message):
    """Read as objects, ten thousand operators that share a text of one megabyte would take ten gigabytes."""
    content = bytearray(whole["decoded"].read_bytes())
    content += bytes(-len(content) % 4)
    root = struct.unpack_from("<I", content)[0]
    vtable = root - struct.unpack_from("<i", content, root)[0]
    field = root + struct.unpack_from("<H", content, vtable + 4 + 2)[0]  # the field of the operator codes
    struct.pack_into("<I", content, field, len(content) - field)
    content += struct.pack("<I", count) + b"".join(struct.pack("<I", 4 * (count - i) + 8) for i in range(count))
    content += struct.pack("<HHHH", 8, 8, 0, 4) + struct.pack("<iI", 8, 4)  # a table with only a text
    content += struct.pack("<I", text_bytes) + b"x" * text_bytes
    refuse(bytes(content), message)


def with_files(path, files):
    """Returns the file with another zip at its end, holding `files`."""
    content = path.read_bytes()
    stream = io.BytesIO(content[: content.index(b"PK\x03\x04")])
    with zipfile.ZipFile(stream, "a", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({NOTES_FILE: b"{"}, "detector.json: expected JSON, got a file that is none"),
        ({NOTES_FILE: b"[" * 100_000}, "detector.json: expected JSON, got one that is nested too deeply"),
        ({NOTES_FILE: b"[]"}, "detector.json: expected an object as its content, got []; export the file anew"),
        ({NOTES_FILE: b'{"task": 5}'}, "detector.json: expected a text as task, got 5"),
        ({NOTES_FILE: b'{"task": "detection", "task_options": [1]}'}, "as task_options, got [1]"),
        ({NOTES_FILE: b'{"task": "poetry"}'}, "expected raw heads of poetry, got"),
        ({NOTES_FILE: b'{"task": "detection", "task_options": {"radius": {}}}'}, "task_options of detection"),
        ({NOTES_FILE: b'{"version": 9}'}, "detector.json: expected version 1, got 9"),
        ({NOTES_FILE: b"\xff"}, "expected detector.json in it, which cannot be read"),
        ({LABEL_FILE: b"\xff"}, "expected labels.txt in it, which cannot be read"),
        ({LABEL_FILE: bytes(1 << 25)}, "expected at most 16777216 bytes in labels.txt, got 33554432"),
    ],
)
def test_notes_and_labels(whole, files, message):
    refuse(with_files(whole["raw"], {LABEL_FILE: "cat\ndog"} | files), message)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["decoded", "raw"])
def test_changed_bytes_never_end_the_process(whole, kind):
    command = [sys.executable, "-m", "tests.helpers.mutated_tflite", str(whole[kind]), "120", "3"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    outcomes = json.loads(done.stdout.splitlines()[-1])
    assert set(outcomes) == {"refused", "used"}, outcomes
    assert sum(outcomes.values()) == 120
