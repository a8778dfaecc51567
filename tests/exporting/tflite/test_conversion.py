"""Functions of Keras ops become TFLite with builtin operators only, or raise a one-line error."""

import pytest
import tensorflow as tf
from keras import ops

from keras_centernet import UserError
from keras_centernet.exporting.tflite.conversion import check_builtin, convert


def test_an_operator_of_tensorflow_only_is_named_with_a_sibling():
    with pytest.raises(UserError, match=r"got .*MatrixDeterminant.*\. Networks of common operators: resnet18_plain\.$"):
        convert(lambda x: {"y": tf.linalg.det(x)}, {"x": (1, 4, 4)}, backbone="resnet18")


def test_a_file_with_flex_operators_is_refused(tmp_path):
    """Keras' own `export(format="litert")` allows them silently."""
    module = tf.Module()
    module.serve = tf.function(lambda x: {"y": tf.linalg.det(x)}, input_signature=[tf.TensorSpec((1, 4, 4))])
    tf.saved_model.save(module, str(tmp_path), signatures={"serve": module.serve})
    converter = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path), signature_keys=["serve"])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.SELECT_TF_OPS]
    content = converter.convert()
    with pytest.raises(UserError, match=r"expected builtin operators only, got FlexMatrixDeterminant, .*which phones"):
        check_builtin(content)
    check_builtin(content, allowed=("FlexMatrixDeterminant", "FlexIdentity"))


def test_a_failing_converter_is_one_line():
    def fail(converter):
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: iter([["no array"]])
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]

    with pytest.raises(UserError, match=r"^TFLite: resnet18 was not converted \(.*\)\. Networks of common operators: "):
        convert(lambda x: {"y": ops.sigmoid(x)}, {"x": (1, 4)}, configure=fail, backbone="resnet18")
