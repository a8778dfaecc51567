"""An exported file in LiteRT, without Keras."""

import os

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from keras_centernet.exporting.tflite import flatbuffer, host_decode
from keras_centernet.exporting.tflite.metadata import read_labels
from keras_centernet.exporting.tflite.serving import OUTPUTS
from keras_centernet.geometry import is_position


class TFLiteDetector:
    """Runs an exported detector of any precision, with the decoding in the file or here.

    `evaluate(TFLiteDetector(path), dataset)` measures what the file finds.

    Args:
        path: `.tflite` file of `export_tflite`, or its content.
        threads: of the interpreter.
        top_k: number of detections where the file has raw heads.
        interpreter: of the same content, instead of a usual one.

    Attributes:
        input_hw: (H, W) of the input.
        classes: names, of the labels in the file.

    Raises:
        UserError: there is no such file, or it is no TFLite file.
    """

    def __init__(
        self,
        path: str | os.PathLike | bytes,
        threads: int = 2,
        top_k: int = 100,
        interpreter: Interpreter | None = None,
    ):
        content = path if isinstance(path, bytes) else flatbuffer.read_content(path)
        self._content, self._top_k = content, top_k
        self._interpreter = interpreter or Interpreter(model_content=content, num_threads=threads)
        self._run = self._interpreter.get_signature_runner(flatbuffer.SIGNATURE)
        (self._input,) = self._run.get_input_details().values()
        self._outputs = self._run.get_output_details()
        self.input_hw = tuple(int(side) for side in self._input["shape"][1:3])
        self.classes = read_labels(content)

    def operators(self) -> list[str]:
        """Returns the names of the graph's operators, each once."""
        return list(flatbuffer.count_operators(flatbuffer.read_flatbuffer(self._content)))

    def __call__(self, image: np.ndarray) -> dict:
        """Returns {"boxes_xyxy" (K, 4) input pixels, "scores" (K,), "classes" (K,), ...} of a (H, W, 3) input.

        What else the task decodes has the names and frames of `model.detect_batch`.
        """
        found = self.run(image)
        if OUTPUTS[0] not in found:
            return host_decode.decode_maps(found, self._top_k)
        location, category, score, _ = (found[name][0] for name in OUTPUTS)
        height, width = self.input_hw
        boxes_xyxy = location[:, [1, 0, 3, 2]] * np.float32([width, height, width, height])
        more = {key: value[0] for key, value in found.items() if key not in OUTPUTS}
        more = {key: value * np.float32([width, height]) if is_position(key) else value for key, value in more.items()}
        return {"boxes_xyxy": boxes_xyxy, "scores": score, "classes": category.astype(np.int32), **more}

    def detect_batch(self, images: np.ndarray, top_k: int | None = None) -> dict:
        """Returns what `CenterNet.detect_batch` returns of (B, H, W, 3) inputs, as arrays, one image after another."""
        found = [self(np.asarray(image)) for image in images]
        return {key: np.stack([rows[key][:top_k] for rows in found]) for key in found[0]}

    def tensor(self, index: int) -> np.ndarray:
        """Returns a tensor of the last run, an 8-bit one as floats; the interpreter must have kept it."""
        (detail,) = (row for row in self._interpreter.get_tensor_details() if row["index"] == index)
        return host_decode.dequantize(self._interpreter.get_tensor(index), *detail["quantization"])

    def run(self, image: np.ndarray) -> dict:
        """Returns the file's own outputs by name, 8-bit ones as floats, of a (H, W, 3) RGB input in 0..255."""
        dtype = self._input["dtype"]
        values = image.astype(np.int16) - 128 if dtype == np.int8 else image
        found = self._run(images=values[None].astype(dtype))
        return {
            name: host_decode.dequantize(value, *self._outputs[name]["quantization"]) for name, value in found.items()
        }
