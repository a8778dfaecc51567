"""Runs exported files in LiteRT."""

import contextlib
import os
from collections.abc import Iterator

import keras
import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from keras_centernet.errors import UserError, first_line, shown
from keras_centernet.exporting.agreement import Opened
from keras_centernet.exporting.detector import ExportedDetector
from keras_centernet.exporting.facts import check_runnable
from keras_centernet.exporting.tflite import flatbuffer
from keras_centernet.exporting.tflite.flatbuffer import to_text
from keras_centernet.exporting.tflite.metadata import IMAGES, TASK, TASK_OPTIONS, read_labels, read_notes
from keras_centernet.exporting.tflite.serving import OUTPUTS, ROUNDED, from_fractions, part_heatmaps
from keras_centernet.files.paths import AnyPath
from keras_centernet.geometry import to_input_frame
from keras_centernet.method.decode import decode
from keras_centernet.method.specs import Task
from keras_centernet.tasks.table import TASKS, find_task


class TFLiteDetector:
    """Runs an exported detector of any precision, with the decoding in the file or here.

    `evaluate(TFLiteDetector(path), dataset)` measures what the file finds.

    Args:
        path: `.tflite` file of `export_tflite`, or its content.
        threads: of the interpreter.
        top_k: number of detections if the file has raw heads.
        task: that raw heads belong to; None: the one that the file names, or else the row of `TASKS` with such heads.
        interpreter: of the same content, instead of a default one.

    Attributes:
        input_hw: (H, W) of the input.
        classes: names, from the labels in the file.

    Raises:
        UserError: there is no such file, it is no TFLite file, or the task of its raw heads is not known.
    """

    def __init__(
        self,
        path: str | os.PathLike | bytes,
        threads: int = 2,
        top_k: int = 100,
        task: Task | None = None,
        interpreter: Interpreter | None = None,
    ):
        self._name, self._top_k = "TFLite file" if isinstance(path, bytes) else os.fspath(path), top_k
        content = path if isinstance(path, bytes) else flatbuffer.read_content(path)
        if isinstance(path, bytes):
            flatbuffer.check_content(content, self._name)
        with _plain_errors(self._name):
            self._interpreter = interpreter or Interpreter(model_content=content, num_threads=threads)
            self._run = self._interpreter.get_signature_runner(flatbuffer.SIGNATURE)
        self._input, self._outputs = _check_ends(self._name, self._run)
        self.input_hw = tuple(int(side) for side in self._input["shape"][1:3])
        self.classes = read_labels(content, self._name)
        if OUTPUTS[0] not in self._outputs:
            channels = {name: int(detail["shape"][-1]) for name, detail in self._outputs.items()}
            self._task = task or _find_task(self._name, content, self.classes, channels)
            self._rounded = _find_rounded(self._interpreter, self._outputs)

    def __call__(self, image: np.ndarray) -> dict:
        """Returns {"boxes_xyxy" (K, 4) input pixels, "scores" (K,), "classes" (K,), ...} of a (H, W, 3) input.

        What else the task decodes has the names and frames of `model.detect_batch`.
        """
        found = self.run(image)
        if OUTPUTS[0] in found:
            return from_fractions({key: value[0] for key, value in found.items()}, self.input_hw)
        maps = {head.name: found[head.name] for head in self._task.heads}
        maps = part_heatmaps(self._task, maps, self._rounded)
        rows = to_input_frame(decode(self._task, maps, self._top_k))
        return {key: np.asarray(value)[0] for key, value in rows.items()}

    def detect_batch(self, images: np.ndarray, top_k: int | None = None) -> dict:
        """Returns what `CenterNet.detect_batch` returns of (B, H, W, 3) inputs, as arrays, one image after another."""
        found = [self(np.asarray(image)) for image in images]
        return {key: np.stack([rows[key][:top_k] for rows in found]) for key in found[0]}

    def run(self, image: np.ndarray) -> dict:
        """Returns the file's own outputs by name, 8-bit ones as floats, of a (H, W, 3) RGB input in 0..255."""
        dtype = self._input["dtype"]
        values = image.astype(np.int16) - 128 if dtype == np.int8 else image
        with _plain_errors(self._name):
            found = self._run(**{IMAGES: values[None].astype(dtype)})
        return {name: dequantize(value, *self._outputs[name]["quantization"]) for name, value in found.items()}

    def tensor(self, index: int) -> np.ndarray:
        """Returns a tensor of the last run, an 8-bit one as floats; the interpreter must have kept it."""
        (detail,) = (row for row in self._interpreter.get_tensor_details() if row["index"] == index)
        return dequantize(self._interpreter.get_tensor(index), *detail["quantization"])


def open_tflite(path: os.PathLike, model: keras.Model) -> Opened:
    """Returns a file of any precision, with or without decoding, to be compared with its model."""
    content = flatbuffer.read_content(path)
    graph = flatbuffer.read_flatbuffer(content)
    indices = {to_text(tensor.name or b""): i for i, tensor in enumerate(graph.subgraphs[0].tensors)}
    interpreter = Interpreter(
        model_content=content,
        experimental_preserve_all_tensors=True,  # raw heads are inside
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,  # they hide inner tensors
    )
    detector = TFLiteDetector(content, task=model.task)
    inspected = TFLiteDetector(content, task=model.task, interpreter=interpreter)

    def maps(image):
        inspected.run(image)
        return {head.name: inspected.tensor(indices[head.name])[0] for head in model.task.heads}

    notes = {"operators": flatbuffer.count_operators(graph)}
    return Opened((lambda example: detector(example.image),), maps, compares_maps=True, notes=notes)


def load_tflite(path: AnyPath) -> ExportedDetector:
    """Returns a file of any precision, with or without decoding, in LiteRT."""
    content = flatbuffer.read_content(path)
    facts = check_runnable(read_notes(content, os.fspath(path)), path)
    detector = TFLiteDetector(path, threads=os.cpu_count() or 1)
    return ExportedDetector(path, facts, detector.detect_batch)


@contextlib.contextmanager
def _plain_errors(name: str) -> Iterator[None]:
    """Returns a context that turns the runtime's errors about a graph into one line."""
    try:
        yield
    except (ValueError, RuntimeError) as error:
        raise UserError(f"{name}: expected a detector that LiteRT can run: {first_line(error)}.") from None


def _check_ends(name: str, run) -> tuple[dict, dict]:
    """Returns the details of the image and of the outputs of a detector; raises a UserError if it is not one."""
    inputs, outputs = run.get_input_details(), run.get_output_details()
    shapes = [list(map(int, detail["shape"])) for detail in inputs.values()]
    if list(inputs) != [IMAGES] or len(shapes[0]) != 4 or shapes[0][0] != 1 or shapes[0][3] != 3:
        raise UserError(f"{name}: expected an input {IMAGES!r} of shape [1, H, W, 3], got {shown(shapes)}.")
    if not all(len(detail["shape"]) for detail in outputs.values()):
        raise UserError(f"{name}: expected outputs of at least one axis, got a number among {', '.join(outputs)}.")
    return inputs[IMAGES], outputs


def dequantize(values: np.ndarray, scale: float, zero_point: int) -> np.ndarray:
    """Returns the float32 values of an 8-bit tensor: (value - zero point) * scale; floats stay as they are."""
    if values.dtype.kind == "f":
        return values.astype(np.float32)
    return (values.astype(np.float32) - zero_point) * np.float32(scale)


def _find_rounded(interpreter: Interpreter, outputs: dict) -> list[str]:
    """Returns the names of raw heads that have 8 bits, or had them before the file dequantised them."""
    tensors = {detail["name"] for detail in interpreter.get_tensor_details()}
    return [name for name, row in outputs.items() if row["dtype"] != np.float32 or f"{name}{ROUNDED}" in tensors]


def _find_task(name, content: bytes, classes: tuple[str, ...], channels: dict[str, int]) -> Task:
    """Returns the task that the file names or, if it names none, the one that has its outputs as heads."""
    notes = read_notes(content, name)
    wanted = [notes[TASK]] if TASK in notes else list(TASKS)
    for task_name in (task_name for task_name in wanted if task_name in TASKS):
        task = find_task(task_name, classes, options=notes.get(TASK_OPTIONS))
        if {head.name: head.channels for head in task.heads} == channels:
            return task
    expected = f"expected raw heads of {' or '.join(wanted)}, got {channels}"
    raise UserError(f"{name}: {expected}. Pass the `task` that they belong to.")
