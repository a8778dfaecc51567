"""A detector for Coral's Edge TPU: a network with int8 heads to compile, and its decoding on the CPU."""

import dataclasses
import os
import pathlib
import shutil
from collections.abc import Iterable

import keras

from keras_centernet.errors import UserError
from keras_centernet.exporting.agreement import Opened
from keras_centernet.exporting.edgetpu import compiler
from keras_centernet.exporting.edgetpu.check import EdgeTPUReport, check_edgetpu
from keras_centernet.exporting.tflite import flatbuffer
from keras_centernet.exporting.tflite.appending import COMPILED, append_decode
from keras_centernet.exporting.tflite.detector import open_tflite
from keras_centernet.exporting.tflite.export import write_tflite
from keras_centernet.exporting.tflite.precisions import INT8
from keras_centernet.files.paths import to_path
from keras_centernet.networks.table import BACKBONES

RAW = "_raw"


@dataclasses.dataclass(frozen=True)
class EdgeTPUExport:
    """What `export_edgetpu` wrote, and what is still to be done.

    Attributes:
        check: of the int8 network, or of the compiled file that was given.
        raw: name of the int8 network with int8 heads, which the compiler takes; None if a compiled one was given.
        name: of the finished detector; None while the network is not compiled.
        log: of the compiler; None if it did not run here.
    """

    check: EdgeTPUReport
    raw: str | None = None
    name: str | None = None
    log: compiler.CompilerLog | None = None

    def to_report(self) -> dict:
        """Returns what is known of the files, for JSON."""
        log = {"compiler": dataclasses.asdict(self.log) | {"mapped": self.log.mapped}} if self.log else {}
        return {"edge_tpu": self.check.to_dict(), "next_steps": self.next_steps} | log

    @property
    def next_steps(self) -> list[str]:
        """What is still to be done, one line each; commands are for the folder of the files."""
        if self.name is not None:
            return ["Not run here: it needs an Edge TPU and its runtime (libedgetpu)."]
        return [
            "Not compiled: edgetpu_compiler is not installed here (Coral has it for Debian on x86-64). There:",
            f"  {compiler.compile_command(self.raw)}",
            "Then append the decoding to the compiled file, here, with the same model:",
            f"  keras-centernet export --model MODEL --format edgetpu --compiled {compiler.compiled_name(self.raw)}",
        ]


def write_edgetpu(
    model: keras.Model,
    path: pathlib.Path,
    calibration: str | os.PathLike | Iterable | None = None,
    top_k: int = 100,
    compiled: str | os.PathLike | None = None,
) -> EdgeTPUExport:
    """Writes a detector, or the network to compile, not compared with the model; see `exporting.export_edgetpu`."""
    check_network(model)
    if compiled is not None:
        content = _read_compiled(model, compiled)
        return EdgeTPUExport(check_edgetpu(content), name=_finish(model, content, path, top_k))
    raw = path.with_stem(f"{path.stem}{RAW}")
    write_tflite(model, raw, INT8, calibration, raw_heads=INT8)
    check = check_edgetpu(raw)
    if not check.ok:
        raise UserError(f"Edge TPU: expected a network of its operators only, got\n{check}")
    if not shutil.which(compiler.COMPILER):
        return EdgeTPUExport(check, raw.name)
    content, log = compiler.compile_edgetpu(raw.read_bytes())
    return EdgeTPUExport(check, raw.name, _finish(model, content, path, top_k), log)


def open_edgetpu(path: os.PathLike, model: keras.Model) -> Opened | None:
    """Returns an uncompiled network, which runs on any CPU; None for a compiled file, which does not."""
    if COMPILED in flatbuffer.custom_operators(flatbuffer.read_flatbuffer(flatbuffer.read_content(path))):
        return None
    return open_tflite(path, model)


def check_network(model: keras.Model) -> None:
    """Raises a UserError, which names what fits, unless the network and its input size fit the Edge TPU."""
    name, (height, width) = model.backbone_name, model.input_size
    side = model.backbone_row.edge_tpu_side
    if not side:
        known = {name: row.edge_tpu_side for name, row in BACKBONES.items() if row.edge_tpu_side}
        others = ", ".join(f"{name} to {pixels} px" for name, pixels in known.items())
        raise UserError(f"Edge TPU: expected a network that it runs ({others}), got {name}. Train one of those.")
    if max(height, width) > side:
        advice = f"Train with input_size={side}, or load these weights into a CenterNet of that size."
        expected = f"an input of {name} of at most {side} px a side, got {height}x{width}"
        raise UserError(f"Edge TPU: expected {expected}: larger maps do not fit its memory. {advice}")


def _finish(model, content: bytes, path: pathlib.Path, top_k: int) -> str:
    """Writes the finished detector; returns its name."""
    graph = flatbuffer.read_flatbuffer(content)
    graph.signatureDefs = None  # tensors keep their names, but the old signature's indices may be wrong
    path.write_bytes(append_decode(flatbuffer.write_flatbuffer(graph), model, top_k))
    return path.name


def _read_compiled(model, compiled) -> bytes:
    content = flatbuffer.read_content(compiled)
    graph = flatbuffer.read_flatbuffer(content)
    if COMPILED not in flatbuffer.custom_operators(graph):
        found = f"got one without {COMPILED}. Compile it first: {compiler.compile_command(to_path(compiled).name)}"
        raise UserError(f"{compiled}: expected a file that edgetpu_compiler wrote, {found}")
    (index,) = graph.subgraphs[0].inputs
    height, width = (int(side) for side in graph.subgraphs[0].tensors[index].shape[1:3])
    if (height, width) != model.input_size:
        sizes = f"an input of {model.input_size[0]}x{model.input_size[1]}, got {height}x{width}"
        advice = "Give the model that it was made from."
        raise UserError(f"{compiled}: expected the network of this model with {sizes}. {advice}")
    return content
