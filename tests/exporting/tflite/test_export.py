"""TFLite files of every precision in LiteRT, against the Keras model and what clients expect."""

import dataclasses

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from keras_centernet import UserError
from keras_centernet.exporting import FORMATS, PRECISIONS, TFLiteDetector, agreement, export_tflite
from keras_centernet.exporting.tflite.serving import OUTPUTS
from tests.exporting.conftest import MOBILE, TOP_K

# Builtin operators of the decoding. Flex and custom operators would have other names.
DECODING = {"TOPK_V2", "GATHER", "MAX_POOL_2D", "LOGISTIC"}
HEADS = ("center_heatmap", "size", "offset")
VARIANTS = [(precision, False) for precision in PRECISIONS] + [("float16", True), ("int8", True), ("int8", "int8")]


def details(path):
    """The runtime's details of the inputs, the outputs, both in order, and all tensors."""
    interpreter = Interpreter(str(path))
    return interpreter.get_input_details(), interpreter.get_output_details(), interpreter.get_tensor_details()


def operators(path):
    """[(name, version, indices of inputs, indices of outputs)] read through the schema, in the order of execution."""
    model = schema.Model.GetRootAs(path.read_bytes())
    names = {code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)}
    graph = model.Subgraphs(0)
    rows = [graph.Operators(i) for i in range(graph.OperatorsLength())]
    codes = [model.OperatorCodes(row.OpcodeIndex()) for row in rows]
    return [
        (names[code.BuiltinCode()], code.Version(), row.InputsAsNumpy().tolist(), row.OutputsAsNumpy().tolist())
        for row, code in zip(rows, codes, strict=True)
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("precision", "raw"), VARIANTS)
def test_every_file_is_static_and_of_builtin_operators(export_once, precision, raw):
    _, path = export_once(precision, raw)
    inputs, outputs, tensors = details(path)
    assert [list(detail["shape"]) for detail in inputs] == [[1, 64, 96, 3]]
    assert all(-1 not in detail["shape_signature"] for detail in tensors)
    names = {name for name, *_ in operators(path)}
    assert names.isdisjoint({"CUSTOM", "SHAPE", "TILE", "READ_VARIABLE", "VAR_HANDLE"})
    assert not [detail["name"] for detail in tensors if detail["dtype"] == np.int64]
    assert [detail["name"] for detail in outputs] == list(HEADS if raw else OUTPUTS)


@pytest.mark.parametrize(
    ("precision", "raw", "input_type", "output_type"),
    [
        ("float32", False, np.float32, np.float32),
        ("float16", True, np.float32, np.float32),
        ("dynamic", False, np.float32, np.float32),
        ("int8", False, np.uint8, np.float32),
        ("int8", True, np.uint8, np.float32),
        ("int8", "int8", np.int8, np.int8),
    ],
)
def test_interface_and_the_meaning_of_bytes(export_once, precision, raw, input_type, output_type):
    (image,), outputs, _ = details(export_once(precision, raw)[1])
    assert image["name"] == "images"
    assert image["dtype"] == input_type
    assert {detail["dtype"] for detail in outputs} == {output_type}
    meaning = {np.float32: (0.0, 0), np.uint8: (1.0, 0), np.int8: (1.0, -128)}[input_type]
    assert image["quantization"] == meaning


@pytest.mark.parametrize(("precision", "raw"), VARIANTS)
def test_signature_and_positions_name_the_same_tensors(export_once, precision, raw):
    _, path = export_once(precision, raw)
    runner = Interpreter(str(path)).get_signature_runner()
    by_name = {name: detail["index"] for name, detail in runner.get_output_details().items()}
    assert by_name == {detail["name"]: detail["index"] for detail in details(path)[1]}


def test_outputs_are_what_mobile_clients_read(export_once, drawn):
    _, path = export_once()
    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], drawn[:1].astype("float32"))
    interpreter.invoke()
    location, category, score, count = (interpreter.get_tensor(d["index"]) for d in interpreter.get_output_details())
    assert location.shape == (1, TOP_K, 4)
    assert 0 <= location.min() < location.max() <= 1
    assert category.shape == score.shape == (1, TOP_K)
    assert set(category.ravel()) <= {0, 1}
    assert (np.diff(score) <= 0).all()
    assert count.tolist() == [TOP_K]
    boxes = TFLiteDetector(path)(drawn[0])["boxes_xyxy"]
    np.testing.assert_allclose(boxes, location[0][:, [1, 0, 3, 2]] * [96, 64, 96, 64], rtol=1e-6)  # y comes first


@pytest.mark.parametrize(("precision", "raw"), VARIANTS)
def test_detections_are_those_of_keras(export_once, drawn, precision, raw):
    model, path = export_once(precision, raw)
    found = agreement(model, path, drawn[:4], threshold=0.2)
    assert found["detections"] > 20
    assert found["heads"].keys() == set(HEADS)
    least = {"float32": 0.999999, "float16": 0.9999, "dynamic": 0.99, "int8": 0.98}[precision]
    assert min(found["heads"].values()) > least
    assert found["missed"] <= (0 if precision.startswith("float") else 0.1 * found["detections"])


def test_float_files_are_close_on_noise(export_once, rng):
    model, path = export_once()
    worst = agreement(model, path, rng.integers(0, 256, (3, 64, 96, 3), np.uint8), threshold=0.0)
    assert worst["detections"] > 2 * TOP_K
    assert worst["box_pixels"] < 0.05
    assert worst["score"] < 1e-4
    assert worst["same_classes"]


def test_weights_are_in_the_file_in_their_width(export_once):
    model, _ = export_once()
    floats = 4 * model.network.count_params()
    sizes = {precision: export_once(precision)[1].stat().st_size for precision in PRECISIONS}
    assert floats * 0.95 < sizes["float32"] < floats * 1.05  # batch normalisation is folded
    assert sizes["float16"] < 0.55 * sizes["float32"]
    assert sizes["int8"] < 0.36 * sizes["float32"]
    assert sizes["dynamic"] < 0.36 * sizes["float32"]


def test_quantised_scores_still_tell_objects_apart(export_once, drawn):
    """A graph that is quantised as a whole gives 0.5 everywhere."""
    scores = TFLiteDetector(export_once("int8")[1])(drawn[0])["scores"]
    assert len(np.unique(scores)) > TOP_K / 2
    assert np.ptp(scores) > 0.05


def test_the_decoding_is_in_the_file_with_gather_and_topk_of_version_1(export_once):
    rows = operators(export_once()[1])
    assert {name for name, *_ in rows} >= DECODING
    assert {version for name, version, *_ in rows if name in ("GATHER", "TOPK_V2")} == {1}


def test_raw_heads_need_no_sorting(export_once):
    for precision in ("float16", "int8"):
        assert {name for name, *_ in operators(export_once(precision, True)[1])}.isdisjoint(DECODING)


def test_edge_tpu_gets_known_operators_of_known_versions(export_once):
    """The operators are from Coral's table; the compiler aborts on newer versions of them."""
    rows = operators(export_once("int8", "int8")[1])
    newest = {"CONV_2D": 5, "TRANSPOSE_CONV": 3, "DEPTHWISE_CONV_2D": 6, "ADD": 2, "MUL": 2}
    assert {name for name, *_ in rows} <= newest.keys()
    assert not [(name, version) for name, version, *_ in rows if version > newest[name]]


@pytest.mark.slow
def test_exports_are_reproducible(export_once, drawn, tmp_path):
    model, path = export_once("int8", True)
    again = export_tflite(model, tmp_path / "again.tflite", "int8", drawn, raw_heads=True)
    assert again.read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "int4"}, "Unknown precision: expected one of float32, float16, dynamic, int8; got 'int4'"),
        ({"raw_heads": "int8"}, "raw_heads of float32: expected True, False or, calibrated, 'int8'; got 'int8'"),
        ({"precision": "int8", "raw_heads": "uint8"}, "raw_heads of int8: .* got 'uint8'"),
        ({"precision": "int8"}, "calibration: expected a folder of images, .* got None"),
    ],
)
def test_wrong_options_are_named(tiny_model, tmp_path, options, message):
    with pytest.raises(UserError, match=message):
        export_tflite(tiny_model(), tmp_path / "detector.tflite", **options)
    assert not list(tmp_path.iterdir())


def test_mixed_precision_is_exported_in_float32(tiny_model, drawn, tmp_path):
    expected = tiny_model()
    model = tiny_model(dtype="mixed_bfloat16")
    model.network.set_weights(expected.network.get_weights())
    path = export_tflite(model, tmp_path / "detector.tflite")
    assert "bfloat16" in {layer.compute_dtype for layer in model.network.layers}
    assert agreement(expected, path, drawn[:2, :, :64])["box_pixels"] < 0.05


@pytest.mark.slow
def test_a_file_that_detects_something_else_is_not_written(export_once, tiny_model, drawn, tmp_path, monkeypatch):
    path = export_once()[1]
    other = tiny_model(MOBILE, input_size=(64, 96))
    for weight in other.network.get_layer("size").trainable_weights:
        weight.assign(weight * 2)
    replace_writer(monkeypatch, lambda beside: beside.write_bytes(path.read_bytes()))
    with pytest.raises(UserError, match=rf"^{tmp_path}/detector\.tflite: on 2 image\(s\) it does not find what .* got"):
        export_tflite(other, tmp_path / "detector.tflite", images=drawn[:2])
    assert not list(tmp_path.iterdir())


def replace_writer(monkeypatch, write):
    """Makes `write(path)` write TFLite files."""
    row = dataclasses.replace(FORMATS["tflite"], write=lambda model, path, **options: write(path) and None)
    monkeypatch.setitem(FORMATS, "tflite", row)


def test_an_error_does_not_name_the_temporary_folder(tiny_model, tmp_path, monkeypatch):
    def fail(path):
        raise UserError(f"{path}: broken")

    replace_writer(monkeypatch, fail)
    with pytest.raises(UserError, match=f"^{tmp_path}/detector.tflite: broken$"):
        export_tflite(tiny_model(), tmp_path / "detector.tflite")


def test_an_unwritable_place_leaves_nothing_behind(tiny_model, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(UserError, match=r"detector\.tflite: could not be written \((Not a directory|File exists)\)"):
        export_tflite(tiny_model(), tmp_path / "file" / "detector.tflite")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
