"""A trained model -> files that run without this package."""

from keras_centernet.exporting.edgetpu.check import check_edgetpu
from keras_centernet.exporting.edgetpu.export import export_edgetpu
from keras_centernet.exporting.onnx import export_onnx, verify_onnx
from keras_centernet.exporting.saved_model import export_saved_model, verify_saved_model
from keras_centernet.exporting.table import FORMATS, export_model
from keras_centernet.exporting.tflite.appending import append_decode
from keras_centernet.exporting.tflite.detector import TFLiteDetector
from keras_centernet.exporting.tflite.export import export_tflite
from keras_centernet.exporting.tflite.host_decode import decode_maps
from keras_centernet.exporting.tflite.precisions import PRECISIONS
from keras_centernet.exporting.tflite.verifying import agreement, agreement_report, verify_tflite
