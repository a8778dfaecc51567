"""The float decoding appended to a quantised network, also to one that edgetpu_compiler has rewritten."""

import copy

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from keras_centernet import UserError
from keras_centernet.exporting import TFLiteDetector, append_decode
from keras_centernet.exporting.tflite import flatbuffer
from keras_centernet.exporting.tflite.appending import check_input
from keras_centernet.exporting.tflite.metadata import read_labels
from tests.exporting.conftest import MOBILE
from tests.exporting.tflite.test_export import operators
from tests.exporting.tflite.test_metadata import output_names

HEADS = 3


@pytest.fixture(scope="module")
def raw(export_once):
    return export_once("int8", "int8")


def compiled(content):
    """The file as edgetpu_compiler leaves it: one custom operator from the input to the heads."""
    model = flatbuffer.read_flatbuffer(content)
    graph = model.subgraphs[0]
    model.operatorCodes = [schema.OperatorCodeT(32, "edgetpu-custom-op", 1, schema.BuiltinOperator.CUSTOM)]
    options = np.frombuffer(b"executable", np.uint8)
    graph.operators = [schema.OperatorT(0, graph.inputs, graph.outputs, customOptions=options)]
    return flatbuffer.write_flatbuffer(model)


def test_completing_a_raw_file_gives_the_whole_file(raw, export_once, drawn):
    model, path = raw
    completed = TFLiteDetector(append_decode(path, model, top_k=20))
    whole = TFLiteDetector(export_once("int8")[1])
    for image in drawn[:3]:
        expected = whole(image)
        for key, value in completed(image).items():
            np.testing.assert_array_equal(value, expected[key], err_msg=key)


def test_the_file_takes_bytes_and_has_names_and_labels(raw):
    content = append_decode(raw[1].read_bytes(), raw[0], top_k=7)
    (image,) = Interpreter(model_content=content).get_input_details()
    assert (image["dtype"], image["quantization"]) == (np.uint8, (1.0, 0))
    assert read_labels(content) == ("cat", "dog")
    assert output_names(content) == ("location", "category", "score", "number of detections")


def test_the_network_stays_one_part_and_each_head_keeps_its_own_scale(raw, export_once):
    path = export_once("int8")[1]
    rows = operators(path)
    names = [name for name, *_ in rows]
    network = len(operators(raw[1]))
    assert names[0] == "QUANTIZE"
    assert names[1 : network + 1] == [name for name, *_ in operators(raw[1])]
    assert names[network + 1 : network + 1 + HEADS] == ["DEQUANTIZE"] * HEADS
    assert names.count("DEQUANTIZE") == HEADS
    details = {detail["index"]: detail for detail in Interpreter(str(path)).get_tensor_details()}
    scales = {details[inputs[0]]["quantization"] for name, _, inputs, _ in rows if name == "DEQUANTIZE"}
    assert len(scales) == HEADS
    behind = [index for _, _, inputs, _ in rows[network + 1 + HEADS :] for index in inputs if index in details]
    assert {details[index]["dtype"] for index in behind} <= {np.float32, np.int32, np.bool_}


def test_decoding_is_appended_behind_a_compiled_files_custom_operator(raw):
    content = append_decode(compiled(raw[1].read_bytes()), raw[0], top_k=20)
    model = flatbuffer.read_flatbuffer(content)
    names = list(flatbuffer.count_operators(model))
    assert names[:3] == ["QUANTIZE", "edgetpu-custom-op", "DEQUANTIZE"]
    assert bytes(model.subgraphs[0].operators[1].customOptions) == b"executable"
    assert [model.subgraphs[0].tensors[i].name for i in model.subgraphs[0].outputs] == [
        b"location",
        b"category",
        b"score",
        b"count",
    ]


def test_other_custom_operators_are_refused(raw):
    model = flatbuffer.read_flatbuffer(compiled(raw[1].read_bytes()))
    model.operatorCodes[0].customCode = "TFLite_Detection_PostProcess"
    with pytest.raises(UserError, match="expected builtin operators only, got TFLite_Detection_PostProcess"):
        append_decode(flatbuffer.write_flatbuffer(model), raw[0])


def test_heads_of_another_model_are_refused(raw, export_once, tiny_model):
    other = tiny_model(MOBILE, classes=("a", "b", "c"), input_size=(64, 96))
    with pytest.raises(UserError, match=r"expected outputs of these names and channels, .*'center_heatmap': 3"):
        append_decode(raw[1], other)
    with pytest.raises(UserError, match=r"append_decode: expected outputs .* got .*'location'"):
        append_decode(export_once()[1], raw[0])


@pytest.mark.parametrize(("scale", "zero_point"), [(0.82, -128), (1.0, -100)])
def test_an_input_that_is_not_the_images_own_values_is_refused(raw, scale, zero_point):
    """Calibration images that do not reach 0 and 255 give such an input: scale 0.82 instead of 1."""
    model = copy.deepcopy(flatbuffer.read_flatbuffer(raw[1].read_bytes()))
    image = model.subgraphs[0].tensors[model.subgraphs[0].inputs[0]]
    check_input(model)
    image.quantization.scale, image.quantization.zeroPoint = np.float32([scale]), np.array([zero_point])
    with pytest.raises(UserError, match=r"expected an input quantised by .* \(1\.0, -128\), got .*: calibrate with"):
        check_input(model)
