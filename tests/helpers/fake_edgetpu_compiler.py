"""Stands in for Coral's compiler: replaces the whole graph by one custom operator and prints a log of the real form."""

import pathlib
import sys

import flatbuffers
from ai_edge_litert import schema_py_generated as schema

LOG = """Edge TPU Compiler version 16.0.384591198
Started a compilation timeout timer of 180 seconds.

Model compiled successfully in 1354 ms.

Input model: {raw}
Input size: 1.10MiB
Output model: {compiled}
Output size: 1.28MiB
On-chip memory used for caching model parameters: 1.03MiB
On-chip memory remaining for caching model parameters: 6.21MiB
Off-chip memory used for streaming uncached model parameters: 0.00B
Number of Edge TPU subgraphs: 1
Total number of operations: 62
Operation log: {compiled}.log

Operator                       Count      Status

MUL                            1          Mapped to Edge TPU
ADD                            10         Mapped to Edge TPU
CONV_2D                        37         Mapped to Edge TPU
DEPTHWISE_CONV_2D              11         Mapped to Edge TPU
TRANSPOSE_CONV                 3          Mapped to Edge TPU
Compilation child process completed within timeout period.
Compilation succeeded!
"""


def compile_whole(content: bytes) -> bytes:
    """Returns the file with one custom operator from its inputs to its outputs, without signatures."""
    model = schema.ModelT.InitFromPackedBuf(content)
    graph = model.subgraphs[0]
    model.operatorCodes = [schema.OperatorCodeT(32, "edgetpu-custom-op", 1, 32)]
    graph.operators = [schema.OperatorT(0, graph.inputs, graph.outputs)]
    model.signatureDefs = None
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


if __name__ == "__main__":
    show, out, folder, raw = sys.argv[1:]
    assert (show, out) == ("-s", "-o"), "the options of the real compiler"
    raw = pathlib.Path(raw)
    compiled = pathlib.Path(folder, f"{raw.stem}_edgetpu.tflite")
    compiled.write_bytes(compile_whole(raw.read_bytes()))
    print(LOG.format(raw=raw, compiled=compiled))
