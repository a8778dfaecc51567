"""One function per format of exported files, with its options."""

import os
from collections.abc import Iterable

import keras

from keras_centernet.exporting.edgetpu.export import EdgeTPUExport
from keras_centernet.exporting.export import export_model
from keras_centernet.exporting.tflite.precisions import DEFAULT
from keras_centernet.files.paths import AnyPath


def export_tflite(
    model: keras.Model,
    path: str | os.PathLike,
    precision: str = DEFAULT,
    calibration: str | os.PathLike | Iterable | None = None,
    top_k: int = 100,
    raw_heads: bool | str = False,
    images: list | None = None,
) -> AnyPath:
    """Writes a TFLite detector for one image at a time, once it agrees with the model; returns its path.

    Input "images": (1, H, W, 3) RGB in 0..255, letterboxed to the model's input size; float32, or uint8 for
    a calibrated precision. Outputs: what `tflite.serving.serve_maps` returns, in its order, float32. The file also
    holds the names of the classes and the metadata that mobile clients read. MediaPipe's ObjectDetector takes
    files with the four outputs of 2D detection only; those of other tasks, which have more, run in LiteRT itself.

    Args:
        model, path, images: see `export_model`; an older file is replaced only once the new one is complete.
        precision: key of `PRECISIONS`.
        calibration: images like those that the detector will see, for precisions that are calibrated: a folder,
            a data set of `load_dataset`, or uint8 images (see `calibration.calibration_images`).
        top_k: number of detections in the output.
        raw_heads: True: one float output per head instead of the decoding, for accelerators that cannot sort;
            `TFLiteDetector` decodes them, and `export/python/host_decode.py` shows how without this package. "int8",
            for a calibrated precision: the same with int8 input and outputs, which edgetpu_compiler takes;
            `append_decode` adds the decoding to the compiled file.

    Raises:
        UserError: an unknown precision, no usable calibration, an operator that runtimes lack, a file that differs
            from the model by more than its precision may, or one that cannot be written.
    """
    options = {"precision": precision, "calibration": calibration, "top_k": top_k, "raw_heads": raw_heads}
    return export_model(model, path, "tflite", images, **options)


def export_saved_model(
    model: keras.Model, path: str | os.PathLike, top_k: int = 100, xla: bool = False, images: list | None = None
) -> AnyPath:
    """Writes a folder for `tf.saved_model.load` and TensorFlow Serving, once it agrees; returns its path.

    Its signatures, all for any batch size B, also 0:

    - "serving_default": "image_bytes" (B,) strings, see `encoded_images.decode_encoded_image`; every image has its
      own size. One that cannot be read does not affect the others. The output "status" (B,) int32 has keys of
      `data.in_graph.STATUSES`, 0: read, 1: damaged or of another kind, 2: more than `MAX_PIXELS`; unless it is 0, the
      image's other outputs are 0 and its names empty.
    - "images": "images" (B, H, W, 3) uint8 RGB of any size; "images_float" the same as float32 in 0..255.
    - "inputs": "images" (B, h, w, 3) uint8 RGB, already letterboxed to the model's input size.
    - "serving_calibrated" and "images_calibrated", for tasks that need a camera: the first two with "calibration"
      (B, 3, 4) float32 in addition.
    - "raw_heads": the input of "inputs"; gives the network's raw maps instead, (B, h / 4, w / 4, channels) by head.

    The others return "boxes_xyxy" (B, N, 4) float32, "scores" (B, N) float32, descending, "classes" (B, N) int32,
    "class_names" (B, N) strings and what else the task decodes by its own names, always N rows: clients
    apply thresholds. Positions are in original pixels, boxes clipped to the image, as `model.detect` gives them; those
    of "inputs" are in input pixels as `model.detect_batch` gives them. With a calibration there are also
    the extras of `Detections`, such as "locations". The folder's assets/classes.txt holds the names of the classes.

    Args:
        model, path, images: see `export_model`, also for errors; an existing folder is refused.
        top_k: N.
        xla: whether deformable convolutions stay compiled by XLA: faster, but only in runtimes that have it.
    """
    return export_model(model, path, "saved_model", images, top_k=top_k, xla=xla)


def export_onnx(model: keras.Model, path: str | os.PathLike, top_k: int = 100, images: list | None = None) -> AnyPath:
    """Writes an ONNX detector for any batch size B, once it agrees with the model; returns its path.

    Input: "images" (B, H, W, 3) uint8 RGB, letterboxed to the model's input size (`geometry.letterbox` and `warp`);
    normalisation is in the graph. Outputs: "boxes_xyxy" (B, N, 4) float32 in input pixels, "scores" (B, N) float32,
    descending, "classes" (B, N) int32 and what else the task decodes, as `model.detect_batch` gives them. The
    names of the classes are the file's metadata "classes", as JSON.

    Args:
        model, path, images: see `export_model`, also for errors; an older file is replaced by a complete one.
        top_k: N.
    """
    return export_model(model, path, "onnx", images, top_k=top_k)


def export_edgetpu(
    model: keras.Model,
    path: str | os.PathLike,
    calibration: str | os.PathLike | Iterable | None = None,
    top_k: int = 100,
    images: list | None = None,
    compiled: str | os.PathLike | None = None,
) -> EdgeTPUExport:
    """Writes a detector for the Edge TPU, as far as this machine can make one; returns what it wrote.

    The network has int8 input and heads, and the Edge TPU runs all of it; dequantisation and decoding follow on
    the CPU. Without `edgetpu_compiler` on the PATH there is no finished detector, only the network
    ("PATH_raw.tflite"), which has run on the CPU and agreed with the model. Compile it elsewhere and
    pass the result as `compiled`.

    Args:
        model: `CenterNet` of a network and a size that `Backbone.edge_tpu_side` allows.
        path, images: see `export_model`; the network to compile goes beside the finished detector.
        calibration: as of `export_tflite`; not needed with `compiled`.
        top_k: number of detections in the output.
        compiled: what edgetpu_compiler made of the network that was exported from this model.

    Raises:
        UserError: another network or size, an operator that the Edge TPU lacks, no usable calibration, a network
            that disagrees with the model, a compiler that fails, or a file that was not compiled from this model.
    """
    options = {"calibration": calibration, "compiled": compiled, "top_k": top_k}
    return export_model(model, path, "edgetpu", images, **options)
