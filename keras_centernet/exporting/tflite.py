"""TFLite files with the decoding in the graph, made of builtin operators only."""

import os
import pathlib
import tempfile

import keras
import numpy as np

from keras_centernet.exporting.serving import OUTPUTS, serve
from keras_centernet.files import write_whole
from keras_centernet.geometry import is_place


def export_tflite(model: keras.Model, path: str | os.PathLike, top_k: int = 100) -> pathlib.Path:
    """Writes a float32 TFLite detector for one image at a time; returns its path.

    Input: (1, H, W, 3) float32 RGB in 0..255, letterboxed to the model's input size. Outputs: the
    signature "serve" of `exporting.serving.serve`. The graph is traced with a static batch of one:
    a dynamic one would be refused or slow on most clients.

    Args:
        model: `CenterNet`.
        path: file to write; replaced only once the new one is complete.
        top_k: number of detections in the output.

    Raises:
        UserError: the file cannot be written.
    """
    content = _convert(model, top_k)
    return write_whole(path, lambda beside: beside.write_bytes(content))


def _convert(model, top_k: int) -> bytes:
    import tensorflow as tf

    signature = [tf.TensorSpec((1, *model.input_size, 3), tf.float32, name="images")]
    archive = keras.export.ExportArchive()
    archive.track(model.network)  # holds all weights; the subclass has no fixed input signature
    archive.add_endpoint("serve", lambda images: serve(model, images, top_k), input_signature=signature)
    with tempfile.TemporaryDirectory() as folder:
        archive.write_out(folder, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=["serve"])
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        return converter.convert()


class TFLiteDetector:
    """Runs an exported detector in LiteRT, without Keras.

    Args:
        path: `.tflite` file of `export_tflite`.
        threads: of the interpreter.
    """

    def __init__(self, path: str | os.PathLike, threads: int = 2):
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter = Interpreter(model_path=os.fspath(path), num_threads=threads)
        self._run = self._interpreter.get_signature_runner("serve")
        (detail,) = self._run.get_input_details().values()
        self.input_hw = tuple(int(side) for side in detail["shape"][1:3])

    def operators(self) -> list[str]:
        """Returns the names of the graph's operators."""
        return [operator["op_name"] for operator in self._interpreter._get_ops_details()]

    def __call__(self, image: np.ndarray) -> dict:
        """Returns {"boxes_xyxy" (K, 4) input pixels, "scores" (K,), "classes" (K,), ...} of a (H, W, 3) input.

        What else the task decodes has the names and frames of `model.detect_batch`.
        """
        found = self._run(images=image[None].astype(np.float32))
        location, category, score, _ = (found[name][0] for name in OUTPUTS)
        height, width = self.input_hw
        boxes_xyxy = location[:, [1, 0, 3, 2]] * np.float32([width, height, width, height])
        more = {key: value[0] for key, value in found.items() if key not in OUTPUTS}
        more = {key: value * np.float32([width, height]) if is_place(key) else value for key, value in more.items()}
        return {"boxes_xyxy": boxes_xyxy, "scores": score, "classes": category.astype(np.int32), **more}


def agreement(model: keras.Model, path: str | os.PathLike, images: np.ndarray, threshold: float = 0.1) -> dict:
    """Returns how far a TFLite file's detections are from the model's on the same inputs.

    Args:
        model: `CenterNet` that the file was made from.
        path: `.tflite` file.
        images: (B, H, W, 3) uint8 inputs.
        threshold: lowest score of the model's detections that are compared.

    Returns:
        "images", "detections" compared, "box_pixels" and "score": largest absolute differences;
        "same_classes": whether all classes agree; and the largest difference of what else the task decodes.
    """
    detector = TFLiteDetector(path)
    height, width = detector.input_hw
    worst = {"images": len(images), "detections": 0, "box_pixels": 0.0, "score": 0.0, "same_classes": True}
    for image in images:
        theirs = detector(image)
        found = model.detect_batch(image[None], top_k=len(theirs["scores"]))
        ours = {key: np.asarray(value)[0] for key, value in found.items()}
        kept = int(np.sum(ours["scores"] >= threshold))
        boxes = np.clip(ours["boxes_xyxy"][:kept], 0, [width, height, width, height])
        worst["detections"] += kept
        if kept:
            box_error = float(np.abs(boxes - theirs["boxes_xyxy"][:kept]).max())
            score_error = float(np.abs(ours["scores"] - theirs["scores"])[:kept].max())
            worst["box_pixels"] = max(worst["box_pixels"], box_error)
            worst["score"] = max(worst["score"], score_error)
            worst["same_classes"] &= bool((ours["classes"][:kept] == theirs["classes"][:kept]).all())
            for key in ours.keys() - {"boxes_xyxy", "scores", "classes"}:
                error = float(np.abs(ours[key] - theirs[key])[:kept].max())
                worst[key] = max(worst.get(key, 0.0), error)
    return worst
