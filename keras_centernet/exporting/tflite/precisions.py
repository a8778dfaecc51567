"""The precisions in which a TFLite file can compute."""

import dataclasses
import itertools
from collections.abc import Callable

from keras_centernet.exporting.tflite.ranges import set_ranges
from keras_centernet.exporting.verifying import FLOAT32, Tolerance

DEFAULT, INT8 = "float32", "int8"


@dataclasses.dataclass(frozen=True)
class Precision:
    """One row of the table of precisions.

    Attributes:
        configure: function (`tf.lite.TFLiteConverter`, function that gives calibration inputs) that sets the former up.
        finish: function (bytes that the converter gives, the same function) -> TFLite file.
        tolerance: how far a file may be from the model.
        calibrated: whether it needs images to measure ranges on.
    """

    configure: Callable
    tolerance: Tolerance
    calibrated: bool = False
    finish: Callable = lambda content, images: content


def _float32(converter, images) -> None:
    pass


def _dynamic(converter, images) -> None:
    import tensorflow as tf

    converter.optimizations = [tf.lite.Optimize.DEFAULT]


def _float16(converter, images) -> None:
    import tensorflow as tf

    _dynamic(converter, images)
    converter.target_spec.supported_types = [tf.float16]


def _int8(converter, images) -> None:
    import tensorflow as tf

    _dynamic(converter, images)
    converter.representative_dataset = lambda: itertools.islice(images(), 1)  # marks the tensors that need a range
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter._experimental_calibrate_only = True  # private, as is `mlir_quantize`: setup.cfg allows one TensorFlow


def _quantize(content: bytes, images) -> bytes:
    import tensorflow as tf
    from tensorflow.lite.python.convert import mlir_quantize

    return mlir_quantize(set_ranges(content, images()), input_data_type=tf.int8, output_data_type=tf.int8)


PRECISIONS = {
    DEFAULT: Precision(_float32, FLOAT32),
    "float16": Precision(
        _float16, Tolerance(missed=0.02, correlation=0.999, difference=0.01, box_pixels_p98=1.0, score=5e-3)
    ),
    "dynamic": Precision(_dynamic, Tolerance(missed=0.1, correlation=0.98, difference=0.05, mean_iou=0.9)),
    INT8: Precision(_int8, Tolerance(missed=0.2, correlation=0.9, difference=0.05, mean_iou=0.8), True, _quantize),
}
