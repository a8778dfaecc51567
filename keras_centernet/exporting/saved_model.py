"""A SavedModel that runs where this package is not."""

import os
import pathlib
import shutil
import tempfile

import keras

from keras_centernet.errors import UserError


def export_saved_model(model: keras.Model, path: str | os.PathLike, top_k: int = 100) -> pathlib.Path:
    """Writes a folder that `tf.saved_model.load` and TensorFlow Serving load; returns its path.

    Its signature "serving_default" takes "images" (B, H, W, 3) uint8 RGB of the model's input size,
    letterboxed, and gives what `model.detect_batch` gives: "boxes_xyxy" in input pixels, "scores",
    "classes" and what else the task decodes.

    Args:
        model: `CenterNet`.
        path: folder to write; an existing one is refused.
        top_k: number of detections in the output.

    Raises:
        UserError: there is something already, or the folder cannot be written.
    """
    import tensorflow as tf

    path = pathlib.Path(path)
    if path.exists():
        raise UserError(f"{path}: expected a new folder to export to, there is something already. Remove it.")
    archive = keras.export.ExportArchive()
    archive.track(model.network)
    signature = [tf.TensorSpec((None, *model.input_size, 3), tf.uint8, name="images")]
    archive.add_endpoint("serving_default", lambda images: model.decoded(images, top_k), input_signature=signature)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            archive.write_out(pathlib.Path(folder, "part"), verbose=False)
            shutil.move(pathlib.Path(folder, "part"), path)
    except OSError as error:
        raise UserError(f"{path}: expected a place to write to: {error.strerror or error}.") from error
    return path
