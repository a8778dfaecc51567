"""A trained model -> files that run without this package."""

from keras_centernet.exporting.appending import append_decode
from keras_centernet.exporting.detector import TFLiteDetector
from keras_centernet.exporting.edgetpu import export_edgetpu
from keras_centernet.exporting.edgetpu_check import check_edgetpu
from keras_centernet.exporting.formats import FORMATS, export_model
from keras_centernet.exporting.host_decode import decode_maps
from keras_centernet.exporting.onnx import export_onnx, verify_onnx
from keras_centernet.exporting.precisions import PRECISIONS
from keras_centernet.exporting.saved_model import export_saved_model, verify_saved_model
from keras_centernet.exporting.tflite import export_tflite
from keras_centernet.exporting.verifying import agreement, agreement_report, verify_tflite
