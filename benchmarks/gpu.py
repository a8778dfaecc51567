"""Training on a GPU: our step on JAX beside the same network in PyTorch, in bfloat16 on random arrays.

    python benchmarks/gpu.py                                   # dla34 and resnet18, 512 px: at most 8 minutes
    python benchmarks/gpu.py --networks dla34 --batch 64
    python benchmarks/gpu.py --side 64 --batch 2 --steps 1     # a trial on a CPU, which says nothing about speed

Needs JAX with its CUDA plug-in, PyTorch and Keras. TensorFlow is not imported, even if it is installed.
Each engine trains in a process of its own, one after the other, with the data already on the device. Our step renders
the targets, augments colours and sums up the losses; PyTorch's gets finished targets, and runs with channels_last,
autocast and a fused Adam. Without torchvision PyTorch has no deformable convolution; then the plain siblings are
compared.

"of peak" is the arithmetic of a step, by XLA's count of ours, as a share of the chip's bfloat16 rate by its data sheet.
Memory is the peak of what the engine had in use.
"""

import argparse
import importlib.util
import json
import os
import re
import subprocess
import sys
import time

ENGINES = {"jax": "JAX", "torch": "PyTorch"}
CLASSES, OBJECTS, WARM_UP_STEPS = 80, 16, 3
SECONDS = 450  # for all processes together
# Dense bfloat16 operations per second of a device by its data sheet; the first expression that its name matches counts.
PEAKS = {
    r"\bB200\b": 2250e12,
    r"\bH200\b": 989e12,
    r"\bH100 PCIe\b": 756e12,
    r"\bH100\b": 989e12,
    r"\bA100\b": 312e12,
    r"\bL40S\b": 362e12,
    r"\bL4\b": 121e12,
    r"\bA10\b": 125e12,
    r"\bRTX 4090\b": 165e12,
    r"\bRTX 3090\b": 71e12,
    r"\bTPU v4\b": 275e12,
    r"\bTPU v5 lite\b": 197e12,
    r"\bTPU v5p?\b": 459e12,
    r"\bTPU v6 lite\b": 918e12,
}
UNKNOWN = "unknown"


def main() -> None:
    """Measures one engine after the other and prints a table; with --engine, measures that one here."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", default="dla34,resnet18", help="keys of BACKBONES, the paper's")
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--engine", choices=ENGINES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    sys.modules["tensorflow"] = None  # Keras imports it if it is installed, and it would take the memory
    os.environ.setdefault("KERAS_BACKEND", "jax")
    if options.engine:
        return print(json.dumps(MEASURES[options.engine](options)))
    print(f"{options.side} px, batch {options.batch}, bfloat16, mean of {options.steps} steps\n")
    print(f"{'network':16} {'engine':8} images/s   ms a step  of peak  memory GiB  first step s")
    deadline, operations = time.monotonic() + SECONDS, {}
    for engine, network in plan(options.networks.split(",")):
        found = run(engine, network, deadline - time.monotonic())
        operations |= {network: found["operations"]} if "operations" in found else {}
        print(f"{network:16} {ENGINES[engine]:8} {row(found, operations.get(network), options.batch)}", flush=True)
    return None


def plan(networks: list[str]) -> list[tuple[str, str]]:
    """Returns (engine, network) in the order in which they run: the networks that were asked for first."""
    in_torch = networks
    if not importlib.util.find_spec("torchvision"):
        in_torch = [network if is_plain(network) else f"{network}_plain" for network in networks]
    more = [network for network in in_torch if network not in networks]
    return [*(("jax", n) for n in networks), *(("torch", n) for n in in_torch), *(("jax", n) for n in more)]


def is_plain(network: str) -> bool:
    """Whether a network does without deformable convolutions."""
    from keras_centernet import BACKBONES

    return not BACKBONES[network].deformable


def run(engine: str, network: str, seconds: float) -> dict:
    """Returns what a process has measured, or {"failed": reason}."""
    if seconds < 1:
        return {"failed": f"not run: {SECONDS} s are over"}
    command = [sys.executable, *sys.argv, "--engine", engine, "--networks", network]
    environment = os.environ | {"KERAS_BACKEND": engine}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        return {"failed": f"stopped: {SECONDS} s are over"}
    if done.returncode:
        return {"failed": (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]}
    return json.loads(done.stdout.strip().splitlines()[-1])


def row(found: dict, operations: float | None, batch: int) -> str:
    """Returns the cells of a line; `operations` are those of a step."""
    if "failed" in found:
        return found["failed"]
    peak = next((peak for name, peak in PEAKS.items() if re.search(name, found["device"])), None)
    share = f"{operations / found['seconds'] / peak:.3f}" if peak and operations else UNKNOWN
    memory = f"{found['memory'] / 2**30:.2f}" if found["memory"] else UNKNOWN
    cells = f"{batch / found['seconds']:8.1f} {1000 * found['seconds']:11.1f} {share:>8} {memory:>11}"
    return f"{cells} {found['first']:13.1f}  {found['device']}"


def timed(step, wait, steps: int) -> tuple[float, float]:
    """Returns (seconds of the first step, mean seconds of a step after the warm-up); `wait` waits for the device."""
    start = time.perf_counter()
    step()
    wait()
    first = time.perf_counter() - start
    for _ in range(WARM_UP_STEPS):
        step()
    wait()
    start = time.perf_counter()
    for _ in range(steps):
        step()
    wait()
    return first, (time.perf_counter() - start) / steps


def measure_jax(options: argparse.Namespace) -> dict:
    """Returns what training on JAX takes: seconds, bytes, operations of a step."""
    import jax
    import numpy as np
    from step_cost import cost, shapes_of, state_of

    from keras_centernet import CenterNet

    model = CenterNet(options.networks, num_classes=CLASSES, input_size=options.side, dtype="mixed_bfloat16")
    model.compile()
    random = np.random.default_rng(0)
    corners = random.uniform(0, options.side / 2, (options.batch, OBJECTS, 2))
    boxes = np.concatenate([corners, corners + random.uniform(8, options.side / 2, corners.shape)], -1)
    objects = {
        "boxes_xyxy": boxes.astype("float32"),
        "classes": random.integers(0, CLASSES, boxes.shape[:2], "int32"),
        "mask": np.ones(boxes.shape[:2], bool),
    }
    images = random.integers(0, 256, (options.batch, options.side, options.side, 3), np.uint8)
    data, state = jax.device_put((images, objects)), state_of(model)
    operations, _ = cost(model.train_step, shapes_of(state), shapes_of(data))
    compiled, latest = jax.jit(model.train_step, donate_argnums=0), [None, state]

    def step():
        latest[:] = compiled(latest[1], data)

    first, seconds = timed(step, lambda: jax.block_until_ready(latest), options.steps)
    if not np.isfinite(latest[0]["loss"]):
        sys.exit(f"The loss is {latest[0]['loss']}.")
    (device,) = latest[0]["loss"].devices()
    memory = (device.memory_stats() or {}).get("peak_bytes_in_use")
    figures = {"first": first, "seconds": seconds, "memory": memory, "device": device.device_kind}
    return figures | {"operations": operations}


def measure_torch(options: argparse.Namespace) -> dict:
    """Returns the same of PyTorch, without the operations."""
    import keras
    import torch
    from torch_network import TorchNetwork
    from torch_training import build_step

    from keras_centernet.networks.build import build_network
    from keras_centernet.tasks import COCO_CLASSES, TASKS

    on_gpu = torch.cuda.is_available()
    hw, task = (options.side, options.side), TASKS["detection"].build(COCO_CLASSES)
    with keras.device("cpu:0"):
        network = TorchNetwork(build_network(options.networks, task, input_hw=hw))
    step = build_step(network, options.batch, hw, "cuda" if on_gpu else "cpu")
    first, seconds = timed(step, torch.cuda.synchronize if on_gpu else lambda: None, options.steps)
    memory = torch.cuda.max_memory_allocated() if on_gpu else None
    device = torch.cuda.get_device_name() if on_gpu else "cpu"
    return {"first": first, "seconds": seconds, "memory": memory, "device": device}


MEASURES = {"jax": measure_jax, "torch": measure_torch}

if __name__ == "__main__":
    main()
