"""A model -> files that run without this package."""

from keras_centernet.exporting.detector import ExportedDetector
from keras_centernet.exporting.edgetpu.check import check_edgetpu
from keras_centernet.exporting.export import agreement, export_model, verify
from keras_centernet.exporting.facts_of import facts_of
from keras_centernet.exporting.formats import export_edgetpu, export_onnx, export_saved_model, export_tflite
from keras_centernet.exporting.table import FORMATS
from keras_centernet.exporting.tflite.appending import append_decode
from keras_centernet.exporting.tflite.detector import TFLiteDetector
from keras_centernet.exporting.tflite.precisions import PRECISIONS
