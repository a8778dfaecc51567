"""Runs one file in one engine, in a process of its own, and times it whenever its standard input asks for it.

benchmarks/mobile.py runs it in any environment that has the engine: nothing of keras_centernet is imported.

    python benchmarks/mobile_engine.py ENGINE FILE THREADS

Each line of the input is a number of calls; the answer is a line with the milliseconds of each call. Between two lines
the process sleeps, so that the threads of one engine do not disturb another.
"""

import sys
import time
from collections.abc import Callable

import numpy as np

SEED = 0


def open_onnxruntime(path: str, threads: int) -> Callable:
    """Returns a call of an ONNX file in ONNX Runtime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    (described,) = session.get_inputs()
    shape = [side if isinstance(side, int) else 1 for side in described.shape]
    feed = {described.name: drawn(shape, "uint8" if "uint8" in described.type else "float32")}
    return lambda: session.run(None, feed)


def open_openvino(path: str, threads: int) -> Callable:
    """Returns a call of an ONNX file in OpenVINO, compiled for the latency of single images in float32."""
    import openvino

    core = openvino.Core()
    model = core.read_model(path)
    (entry,) = model.inputs
    shape = [1 if side.is_dynamic else side.get_length() for side in entry.partial_shape]
    model.reshape({entry: shape})
    hints = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
    request = core.compile_model(model, "CPU", hints).create_infer_request()
    feed = [drawn(shape, "uint8" if entry.element_type == openvino.Type.u8 else "float32")]
    return lambda: request.infer(feed)


def open_litert(path: str, threads: int) -> Callable:
    """Returns a call of a TFLite file in LiteRT."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(path, num_threads=threads)
    interpreter.allocate_tensors()
    (described,) = interpreter.get_input_details()
    interpreter.set_tensor(described["index"], drawn(described["shape"], np.dtype(described["dtype"]).name))
    return interpreter.invoke


ENGINES = {"onnxruntime": open_onnxruntime, "openvino": open_openvino, "litert": open_litert}


def drawn(shape, dtype: str) -> np.ndarray:
    """Returns random bytes, or numbers from 0 to 1, of that shape."""
    rng = np.random.default_rng(SEED)
    if dtype == "float32":
        return rng.random(shape, np.float32)
    return rng.integers(*((0, 256) if dtype == "uint8" else (-128, 128)), shape, dtype)


def milliseconds(call: Callable) -> float:
    """Returns how long a call takes."""
    start = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - start)


def main() -> None:
    """Prints "ready", then answers each line of the input."""
    engine, path, threads = sys.argv[1:]
    call = ENGINES[engine](path, int(threads))
    call()
    print("ready", flush=True)
    for line in sys.stdin:
        print(*(f"{milliseconds(call):.4f}" for _ in range(int(line))), flush=True)


if __name__ == "__main__":
    main()
