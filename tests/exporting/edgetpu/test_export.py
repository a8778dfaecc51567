"""Detectors for the Edge TPU: the documented limits, the compiler's log, and the files written."""

import types

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from keras_centernet import BACKBONES, CenterNet, UserError, load_dataset
from keras_centernet.exporting import append_decode, check_edgetpu, export_edgetpu
from keras_centernet.exporting.edgetpu import compiler as edgetpu_compiler
from keras_centernet.exporting.edgetpu.operators import Node, Operand, refusal
from keras_centernet.exporting.tflite import flatbuffer
from keras_centernet.networks.build import build_network
from keras_centernet.networks.cost import count_flops
from tests.exporting.conftest import INPUT_HW, MOBILE, TOP_K
from tests.helpers import fake_edgetpu_compiler as fake

INT8 = Operand((1, 8, 8, 16), "int8")
KINDS = ("mobilenet_v3_small_minimalistic", "mobile_small")  # representatives; the other networks are much like them
FLOAT = Operand((1, 8, 8, 16), "float32")
WEIGHTS = Operand((16, 3, 3, 16), "int8", values=np.ones(1))


def constant(*values, **options):
    return Operand((len(values),), "int32", values=np.array(values), **options)


def options(**fields):
    return types.SimpleNamespace(**fields)


def node(name, inputs, version=1, outputs=(INT8,), **fields):
    return Node(name, version, tuple(inputs), tuple(outputs), options(**fields))


def convolution(data=INT8, weights=WEIGHTS, version=3, outputs=(INT8,), dilation=(1, 1)):
    return node("CONV_2D", (data, weights), version, outputs, dilationHFactor=dilation[0], dilationWFactor=dilation[1])


@pytest.mark.parametrize(
    ("name", "found", "reason"),
    [
        ("a convolution", convolution(), ""),
        ("of floats", convolution(FLOAT), "a float32 tensor; 8 bits are needed"),
        ("to 16 bits", convolution(outputs=[Operand((1, 8), "int16")]), "a int16 tensor; 8 bits are needed"),
        ("an open size", convolution(Operand((1, 8, 8, 16), "int8", is_static=False)), "a shape that is not fixed"),
        ("a batch", convolution(Operand((2, 8, 8, 16), "int8")), "only the last 3 sides may be larger than 1"),
        ("weights that are computed", convolution(weights=INT8), "input 1 is not constant"),
        ("a late version", convolution(version=6), "version 6 is newer than 5: the compiler stops"),
        ("uneven dilation", convolution(dilation=(1, 2)), "dilation differs between x and y"),
        ("even dilation", convolution(dilation=(2, 2)), ""),
        ("no such operator", node("HARD_SWISH", [INT8]), "not an operator of the Edge TPU"),
        ("pooling", node("MAX_POOL_2D", [INT8], fusedActivationFunction=0), ""),
        ("pooling with ReLU", node("MAX_POOL_2D", [INT8], fusedActivationFunction=1), "a fused activation"),
        ("joined with zeros", node("CONCATENATION", [INT8, constant(3, zero_point=3)], fusedActivationFunction=0), ""),
        ("joined with ones", node("CONCATENATION", [INT8, constant(1)], fusedActivationFunction=0), "not zeros"),
        ("a mean over places", node("MEAN", [INT8, constant(1, 2)]), ""),
        ("a mean over the batch", node("MEAN", [INT8, constant(0)]), "works on the batch"),
        ("a mean over 16 channels", node("MEAN", [INT8, constant(-1)]), ""),
        ("over 3", node("MEAN", [Operand((1, 8, 8, 3), "int8"), constant(3)]), "no multiple of 4"),
        ("padded places", node("PAD", [INT8, constant(0, 0, 1, 1, 1, 1, 0, 0)]), ""),
        ("padded batch", node("PAD", [INT8, constant(1, 0, 0, 0, 0, 0, 0, 0)]), "works on the batch"),
        ("split channels", node("SPLIT", [constant(3), INT8]), ""),
        ("split batch", node("SPLIT", [constant(-4), INT8]), "works on the batch"),
        ("softmax of a map", node("SOFTMAX", [INT8]), "more than one dimension"),
        ("softmax", node("SOFTMAX", [Operand((1, 16000), "int8")]), ""),
        ("large softmax", node("SOFTMAX", [Operand((1, 16001), "int8")]), "16000 elements"),
        ("a maximum over channels", node("REDUCE_MAX", [INT8, constant(3)]), ""),
        (
            "every other cell",
            node("STRIDED_SLICE", [INT8, *[constant(2)] * 3], ellipsisMask=0, newAxisMask=0),
            "strides other than 1",
        ),
    ],
)
def test_documented_limits(name, found, reason):
    assert reason in refusal(found)
    assert bool(reason) == bool(refusal(found))


@pytest.fixture(scope="session")
def raw(export_once):
    """(model, content of its int8 file with raw heads, ready to compile)."""
    model, path = export_once("int8", "int8")
    return model, path.read_bytes()


@pytest.mark.slow
def test_the_whole_network_is_the_first_part(raw):
    model, content = raw
    report = check_edgetpu(content)
    assert report.ok
    assert report.mapped == len(report.operators)
    assert report.share == 1
    network = build_network(model.backbone_name, model.task, input_hw=INPUT_HW)
    assert report.multiply_adds == count_flops(network) // 2
    assert "CONV_2D                          3    37  yes" in str(report)
    assert str(report).endswith("everything up to the raw heads maps: yes (read from the file; not compiled)")


def test_the_decoding_stays_on_the_cpu(raw):
    model, content = raw
    report = check_edgetpu(append_decode(content, model, TOP_K))
    rows = {row.name: row for row in report.operators}
    assert report.ok
    assert rows["QUANTIZE"].is_mapped  # of the uint8 images
    assert not rows["DEQUANTIZE"].is_network
    assert rows["DEQUANTIZE"].refused == "not an operator of the Edge TPU"
    assert rows["TOPK_V2"].verdict == "no: not an operator of the Edge TPU"
    assert report.share == 1
    assert report.to_dict()["mapped"] == report.mapped < len(report.operators)


@pytest.mark.slow
def test_a_float_network_is_not_mapped(export_once):
    report = check_edgetpu(export_once("float32")[1])
    assert not report.ok
    assert (report.mapped, report.share) == (0, 0)


def changed(content, change):
    graph = flatbuffer.read_flatbuffer(content)
    change(graph)
    return check_edgetpu(flatbuffer.write_flatbuffer(graph))


def test_what_follows_an_unsupported_operator_is_not_mapped(raw):
    def hard_swish(model):
        model.subgraphs[0].operators[10].opcodeIndex = flatbuffer.add_operator_code(
            model, schema.BuiltinOperator.HARD_SWISH
        )

    report = changed(raw[1], hard_swish)
    assert report.mapped == 10
    assert 0 < report.share < 1
    assert not report.ok
    assert report.operators[10].verdict == "no: not an operator of the Edge TPU"
    assert {row.verdict for row in report.operators[11:]} == {"no: after an unsupported operator"}


@pytest.mark.parametrize(("name", "version"), [("CONV_2D", 6), ("TRANSPOSE_CONV", 4), ("QUANTIZE", 3)])
def test_a_version_that_the_compiler_does_not_know_stops_it(raw, name, version):
    def renew(model):
        code = getattr(schema.BuiltinOperator, name)
        for row in model.operatorCodes:
            row.version = version if row.builtinCode == code else row.version

    report = changed(append_decode(raw[1], raw[0], TOP_K), renew)
    assert not report.ok
    assert any(row.stops for row in report.operators)


def test_an_unknown_version_behind_the_network_stops_it_too(raw):
    def late_exponential(model):
        code = flatbuffer.add_operator_code(model, schema.BuiltinOperator.EXP, version=2)
        outputs = model.subgraphs[0].outputs
        model.subgraphs[0].operators.append(schema.OperatorT(code, [int(outputs[0])], []))

    report = changed(raw[1], late_exponential)
    assert not report.ok
    assert report.share == 1


def test_a_network_with_an_open_batch_is_not_mapped(raw):
    def open_batch(model):
        graph = model.subgraphs[0]
        graph.tensors[graph.inputs[0]].shapeSignature = np.array([-1, *INPUT_HW, 3], np.int32)

    report = changed(raw[1], open_batch)
    assert report.operators[0].refused == "a shape that is not fixed"
    assert report.mapped == 0


# -- the compiler

FAILED = """Edge TPU Compiler version 16.0.384591198
ERROR: Didn't find op for builtin opcode 'QUANTIZE' version '3'. An older version of this builtin might be supported.

ERROR: Registration failed.

Invalid model: raw.tflite
Model could not be parsed
"""


def test_the_compilers_log():
    log = edgetpu_compiler.parse_log(fake.LOG)
    assert (log.version, log.subgraphs, log.operators) == ("16.0.384591198", 1, 62)
    assert (log.on_chip, log.streamed) == ("1.03MiB", "0.00B")
    assert log.mapped == 62
    assert log.statuses[0] == ("MUL", 1, "Mapped to Edge TPU")
    partly = fake.LOG.replace("ADD                            10         Mapped", "ADD   10  More than one subgraph")
    assert edgetpu_compiler.parse_log(partly).mapped == 52


@pytest.mark.parametrize(
    ("log", "message"),
    [
        (FAILED, "ERROR: Didn't find op for builtin opcode 'QUANTIZE' version '3'"),
        ("Edge TPU Compiler version 16.0\nInternal compiler error. Aborting!", "Internal compiler error. Aborting!"),
        (fake.LOG.replace("subgraphs: 1", "subgraphs: 0"), "expected a subgraph for the Edge TPU, got none"),
        ("", "it said nothing"),
    ],
)
def test_a_log_without_a_compilation(log, message):
    with pytest.raises(UserError, match="edgetpu_compiler: expected") as error:
        edgetpu_compiler.parse_log(log)
    assert message in str(error.value)


def test_a_failing_compiler_is_reported(tmp_path, monkeypatch):
    script = tmp_path / "edgetpu_compiler"
    script.write_text(f"#!/bin/sh\ncat <<'END'\n{FAILED}END\nexit 1\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(UserError, match=r"got exit code 1: ERROR: Didn't find op for builtin opcode 'QUANTIZE'"):
        edgetpu_compiler.compile_edgetpu(b"content")


# -- the export


@pytest.fixture
def quantized(raw, monkeypatch):
    """A model whose export writes the int8 network of `raw` instead of converting it again."""

    def write(model, path, *arguments, **options):
        path.write_bytes(raw[1])

    monkeypatch.setattr("keras_centernet.exporting.edgetpu.export.write_tflite", write)
    return raw[0]


def test_without_the_compiler_the_network_is_left_to_compile(quantized, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    made = export_edgetpu(quantized, tmp_path / "detector.tflite", top_k=TOP_K)
    assert [path.name for path in tmp_path.iterdir()] == ["detector_raw.tflite"]
    assert made.raw == "detector_raw.tflite"
    assert made.name is None
    assert made.log is None
    assert made.next_steps[0].startswith("Not compiled: edgetpu_compiler is not installed here")
    assert "  edgetpu_compiler -s detector_raw.tflite" in made.next_steps
    assert made.next_steps[-1].endswith("--format edgetpu --compiled detector_raw_edgetpu.tflite")


def assert_compiled(model, path):
    report = check_edgetpu(path)
    assert report.ok
    assert report.is_compiled
    assert (report.mapped, report.share) == (1, None)
    assert "QUANTIZE                         1     1  no: outside the compiled operator" in str(report)
    assert str(report).endswith("everything up to the raw heads maps: yes (compiled; not run)")
    names = [row.name for row in report.operators]
    assert names[:5] == ["QUANTIZE", "edgetpu-custom-op", "DEQUANTIZE", "DEQUANTIZE", "DEQUANTIZE"]
    graph = flatbuffer.read_flatbuffer(path.read_bytes())
    assert list(flatbuffer.outputs_by_name(graph)) == ["location", "category", "score", "count"]
    custom = graph.subgraphs[0].operators[1]
    dequantized = {graph.subgraphs[0].tensors[op.inputs[0]].name for op in graph.subgraphs[0].operators[2:5]}
    assert dequantized == {graph.subgraphs[0].tensors[index].name for index in custom.outputs}
    assert {name.decode().removesuffix("_quantized") for name in dequantized} == {h.name for h in model.task.heads}


def test_with_the_compiler_the_decoding_follows_the_compiled_part(quantized, tmp_path, edgetpu_compiler):
    made = export_edgetpu(quantized, tmp_path / "detector.tflite", top_k=TOP_K)
    assert made.log.mapped == 62
    assert made.next_steps == ["Not run here: it needs an Edge TPU and its runtime (libedgetpu)."]
    assert made.name == "detector.tflite"
    assert_compiled(quantized, tmp_path / made.name)


def test_a_file_compiled_elsewhere_gets_its_decoding(raw, tmp_path):
    model, content = raw
    compiled = tmp_path / "compiled.tflite"
    compiled.write_bytes(fake.compile_whole(content))
    made = export_edgetpu(model, tmp_path / "detector.tflite", top_k=TOP_K, compiled=compiled)
    assert (made.raw, made.log) == (None, None)
    assert_compiled(model, tmp_path / made.name)
    compiled.write_bytes(content)
    with pytest.raises(UserError, match="expected a file that edgetpu_compiler wrote, got one without edgetpu-custom"):
        export_edgetpu(model, tmp_path / "other.tflite", compiled=compiled)


@pytest.mark.slow
def test_a_file_compiled_from_another_model_is_refused(raw, tiny_model, tmp_path):
    compiled = tmp_path / "compiled.tflite"
    compiled.write_bytes(fake.compile_whole(raw[1]))
    with pytest.raises(UserError, match="expected the network of this model with an input of 64x64, got 64x96"):
        export_edgetpu(tiny_model(MOBILE), tmp_path / "detector.tflite", compiled=compiled)
    other = tiny_model(MOBILE, input_size=INPUT_HW, classes=("a", "b", "c"))
    with pytest.raises(UserError, match="expected outputs of these names and channels"):
        export_edgetpu(other, tmp_path / "detector.tflite", compiled=compiled)
    assert [path.name for path in tmp_path.iterdir()] == ["compiled.tflite"]


def test_other_networks_and_sizes_are_told_what_the_edge_tpu_takes(tiny_model, tmp_path):
    with pytest.raises(UserError, match=r"expected a network that it runs \(mobilenet_v2 to 320 px, .*got tiny"):
        export_edgetpu(tiny_model(), tmp_path / "detector.tflite")
    with pytest.raises(UserError, match="of at most 320 px a side, got 64x352: larger maps do not fit"):
        export_edgetpu(tiny_model(MOBILE, input_size=(64, 352)), tmp_path / "detector.tflite")


def shifted(name):
    """A model with non-zero shifts in its norms, as after training: without them the converter drops the biases."""
    rng = np.random.default_rng(0)
    keras.utils.set_random_seed(0)
    model = CenterNet(name, num_classes=2, input_size=64)
    for variable in model.network.variables:
        if variable.path.endswith(("beta", "moving_mean")):
            variable.assign_add(rng.normal(0, 0.1, variable.shape))
    return model


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in KINDS else pytest.mark.exhaustive)
        for name, row in BACKBONES.items()
        if row.edge_tpu_side
    ],
)
def test_every_network_of_the_table_maps_as_a_whole(name, tmp_path):
    images = next(iter(load_dataset("shapes", input_size=64, batch_size=100, limit=100, training=False)))[0]
    made = export_edgetpu(shifted(name), tmp_path / "detector.tflite", np.asarray(images))
    assert made.check.ok
    assert made.check.mapped == len(made.check.operators)
