"""A detector for Coral's Edge TPU: int8 heads to compile, the decoding behind them on the CPU."""

import dataclasses
import os
import pathlib
import tempfile

import keras
import numpy as np

from keras_centernet.errors import UserError
from keras_centernet.exporting.edgetpu.check import EdgeTPUReport, check_edgetpu
from keras_centernet.exporting.edgetpu.compiler import (
    CompilerLog,
    compile_command,
    compile_edgetpu,
    compiled_name,
    is_installed,
)
from keras_centernet.exporting.tflite import flatbuffer
from keras_centernet.exporting.tflite.appending import COMPILED, append_decode
from keras_centernet.exporting.tflite.export import INTEGERS, export_tflite
from keras_centernet.files.atomic import write_whole
from keras_centernet.files.paths import AnyPath, to_path
from keras_centernet.networks.table import BACKBONES

PRECISION = "int8"
RAW = "_raw"


@dataclasses.dataclass(frozen=True)
class EdgeTPUExport:
    """What `export_edgetpu` wrote, and what is still to be done.

    Attributes:
        check: of the int8 network, or of the compiled file that was given.
        raw: int8 network with int8 heads, what the compiler takes; None where a compiled one was given.
        path: finished detector; None while the network is not compiled.
        log: of the compiler, None where it did not run here.
    """

    check: EdgeTPUReport
    raw: AnyPath | None = None
    path: AnyPath | None = None
    log: CompilerLog | None = None

    @property
    def next_steps(self) -> list[str]:
        """What is to be done with the files, a line each; commands are for the folder of the files."""
        if self.path is not None:
            return ["Not run here: it needs an Edge TPU and its runtime (libedgetpu)."]
        return [
            "Not compiled: edgetpu_compiler is not installed here (Coral has it for Debian on x86-64). There:",
            f"  {compile_command(self.raw.name)}",
            "Then put the decoding behind what it made, here, with the same model:",
            f"  keras-centernet export --model MODEL --format edgetpu --compiled {compiled_name(self.raw.name)}",
        ]


def export_edgetpu(
    model: keras.Model,
    path: str | os.PathLike,
    calibration=None,
    top_k: int = 100,
    images: np.ndarray | None = None,
    compiled: str | os.PathLike | None = None,
) -> EdgeTPUExport:
    """Writes a detector for the Edge TPU, as far as this machine can make one; returns what it wrote.

    The network has int8 input and heads, and all of it is one part for the Edge TPU; dequantisation and decoding
    run on the CPU behind it. Without `edgetpu_compiler` on the PATH there is no finished detector, only the network
    ("PATH_raw.tflite"), which has run on the CPU and agreed with the model. Compile it elsewhere and
    come back with `compiled`.

    Args:
        model: `CenterNet` of a network and a size that `Backbone.edge_tpu_side` allows.
        path: file of the finished detector; the network to compile goes beside it. Both replace older ones.
        calibration: as of `export_tflite`; not needed with `compiled`.
        top_k: number of detections in the output.
        images: (B, H, W, 3) uint8 inputs on which the network is compared with the model before it is written.
        compiled: what edgetpu_compiler made of the network that was exported from this model.

    Raises:
        UserError: another network or size, an operator that the Edge TPU lacks, no usable calibration, a network
            that disagrees with the model, a compiler that fails, or a file that was not compiled from this model.
    """
    path = to_path(path)
    check_network(model)
    if compiled is not None:
        content = _read_compiled(model, compiled)
        return EdgeTPUExport(check_edgetpu(content), path=_finish(model, content, path, top_k))
    content = _quantize(model, calibration, images)
    check = check_edgetpu(content)
    if not check.ok:
        raise UserError(f"Edge TPU: expected a network of its operators only, got\n{check}")
    raw = write_whole(path.with_stem(f"{path.stem}{RAW}"), lambda beside: beside.write_bytes(content))
    if not is_installed():
        return EdgeTPUExport(check, raw)
    content, log = compile_edgetpu(content)
    return EdgeTPUExport(check, raw, _finish(model, content, path, top_k), log)


def check_network(model: keras.Model) -> None:
    """Raises a UserError where the network or the size of its input is not for the Edge TPU, naming what is."""
    name, (height, width) = model.get_config()["backbone"], model.input_size
    side = BACKBONES[name].edge_tpu_side
    if not side:
        others = ", ".join(
            f"{name} up to {row.edge_tpu_side} px" for name, row in BACKBONES.items() if row.edge_tpu_side
        )
        raise UserError(f"Edge TPU: expected a network that it can run ({others}), got {name}. Train one of those.")
    if max(height, width) > side:
        raise UserError(
            f"Edge TPU: expected an input of {name} of at most {side} px a side, got {width}x{height}: larger maps do "
            f"not fit its memory. Train with input_size={side}, or give these weights to a CenterNet of that size."
        )


def _quantize(model, calibration, images) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "raw.tflite")
        export_tflite(model, path, PRECISION, calibration, raw_heads=INTEGERS, images=images)
        return path.read_bytes()


def _finish(model, content: bytes, path: AnyPath, top_k: int) -> AnyPath:
    graph = flatbuffer.read_flatbuffer(content)
    graph.signatureDefs = None  # the compiler keeps names of tensors; a signature from before may point anywhere
    finished = append_decode(flatbuffer.write_flatbuffer(graph), model, top_k)
    return write_whole(path, lambda beside: beside.write_bytes(finished))


def _read_compiled(model, compiled) -> bytes:
    content = flatbuffer.read_content(compiled)
    graph = flatbuffer.read_flatbuffer(content)
    if COMPILED not in flatbuffer.custom_operators(graph):
        raise UserError(
            f"{compiled}: expected a file that edgetpu_compiler wrote, got one without {COMPILED}. "
            f"Compile it first: {compile_command(to_path(compiled).name)}"
        )
    (index,) = graph.subgraphs[0].inputs
    found = tuple(int(side) for side in graph.subgraphs[0].tensors[index].shape[1:3])
    if found != model.input_size:
        raise UserError(
            f"{compiled}: expected the network of this model with an input of {model.input_size[1]}x"
            f"{model.input_size[0]}, got {found[1]}x{found[0]}. Give the model that it was made from."
        )
    return content
