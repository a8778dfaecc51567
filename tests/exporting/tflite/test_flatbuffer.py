"""Reading, joining and writing TFLite files."""

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from keras_centernet import UserError
from keras_centernet.exporting.tflite import flatbuffer
from keras_centernet.exporting.tflite.conversion import convert


@pytest.fixture(scope="module")
def content():
    """A TFLite file: x (1, 3), y (1, 3) -> difference (1, 3), product (1, 3)."""
    shapes = {"x": (1, 3), "y": (1, 3)}
    return convert(lambda x, y: {"product": x * y, "difference": x - y + tf.constant([[1.0, 2.0, 4.0]])}, shapes)


def run(content, **values):
    runner = Interpreter(model_content=content).get_signature_runner("serve")
    return runner(**{name: np.float32([value]) for name, value in values.items()})


def test_writing_what_was_read_changes_nothing(content):
    again = flatbuffer.write_flatbuffer(flatbuffer.read_flatbuffer(content))
    for name, value in run(content, x=[1, 2, 3], y=[4, 5, 6]).items():
        np.testing.assert_array_equal(run(again, x=[1, 2, 3], y=[4, 5, 6])[name], value)


def test_buffers_lie_at_multiples_of_16_bytes(content):
    written = np.frombuffer(flatbuffer.write_flatbuffer(flatbuffer.read_flatbuffer(content)), np.uint8)
    model = schema.Model.GetRootAs(written.tobytes())
    buffers = [model.Buffers(i) for i in range(model.BuffersLength())]
    offsets = [buffer._tab.Vector(buffer._tab.Offset(4)) for buffer in buffers if not buffer.DataIsNone()]
    assert len(offsets) > 1
    assert not [offset for offset in offsets if offset % 16]


def test_outputs_take_the_given_order_and_names(content):
    model = flatbuffer.read_flatbuffer(content)
    outputs = flatbuffer.outputs_by_name(model)
    assert outputs.keys() == {"product", "difference"}
    for order in (["product", "difference"], ["difference", "product"]):
        flatbuffer.set_interface(model, flatbuffer.inputs_by_name(model), {name: outputs[name] for name in order})
        interpreter = Interpreter(model_content=flatbuffer.write_flatbuffer(model))
        assert [detail["name"] for detail in interpreter.get_output_details()] == order
        found = run(flatbuffer.write_flatbuffer(model), x=[1, 2, 3], y=[4, 5, 6])
        np.testing.assert_allclose(found["product"], [[4, 10, 18]])
        np.testing.assert_allclose(found["difference"], [[-2, -1, 1]])


def test_a_graph_is_appended_to_another(content):
    """x * y - (x - y + c) + c, with the constants of both."""
    model, tail = flatbuffer.read_flatbuffer(content), flatbuffer.read_flatbuffer(content)
    inputs, ends = flatbuffer.inputs_by_name(model), flatbuffer.outputs_by_name(model)
    found = flatbuffer.append_graph(model, tail, {"x": ends["product"], "y": ends["difference"]})
    flatbuffer.set_interface(model, inputs, {"end": found["difference"]})
    joined = flatbuffer.write_flatbuffer(model)
    np.testing.assert_allclose(run(joined, x=[1, 2, 3], y=[4, 5, 6])["end"], [[4 + 2 + 1, 10 + 1 + 2, 18 - 1 + 4]])
    assert flatbuffer.count_operators(model) == {"MUL": 2, "SUB": 2, "ADD": 2}


@pytest.mark.parametrize(("content", "message"), [(None, "No such file"), (b"PNG", "3 bytes of something else")])
def test_what_is_no_tflite_file_is_named(tmp_path, content, message):
    if content:
        (tmp_path / "a.tflite").write_bytes(content)
    with pytest.raises(UserError, match=rf"a\.tflite: expected a TFLite file, got .*{message}"):
        flatbuffer.read_content(tmp_path / "a.tflite")
