"""A trained model -> files that run without this package."""

from keras_centernet.exporting.onnx import export_onnx, verify_onnx
from keras_centernet.exporting.saved_model import export_saved_model, verify_saved_model
from keras_centernet.exporting.tflite import TFLiteDetector, agreement, export_tflite
