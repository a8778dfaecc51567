"""Images per second of training on one device, on several of this machine, and on two workers.

Each setup is a process of its own (two for the workers, on 127.0.0.1) and trains the same network with the same
global batch. The setups take turns, and medians are printed. On a CPU the devices are logical ones that share its
cores, so the table shows what sharing a batch costs, not what it gains. With --gpus N, one GPU is compared with N.

    python benchmarks/throughput.py
    python benchmarks/throughput.py --backbone resnet18_plain --input-size 128 --batch-size 8
    python benchmarks/throughput.py --gpus 8 --backbone dla34 --input-size 512 --batch-size 128
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

WARM_UP_STEPS = 2


def main() -> None:
    """Runs the setups in turn and prints a table; with --way, runs that one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="mobilenet_v3_small_minimalistic")
    parser.add_argument("--input-size", type=int, default=128)
    parser.add_argument("--batch-size", type=int, default=8, help="images of a global batch")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--gpus", type=int, default=0, help="compare with N GPUs instead of two logical CPUs")
    parser.add_argument("--way", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        return print(measure(options))
    ways = [("1 device", 1), (f"{options.gpus or 2} devices", 1)] + ([] if options.gpus else [("2 workers", 2)])
    print(
        f"{options.backbone}, {options.input_size} px, global batch {options.batch_size}, {os.cpu_count()} cores, "
        f"load {os.getloadavg()[0]:.1f}\n\n{'':12} images/s   ratio   a step   first step"
    )
    rounds = [[run(*way) for way in ways] for _ in range(options.rounds)]
    medians = [
        [statistics.median(seconds) for seconds in zip(*of_way, strict=True)] for of_way in zip(*rounds, strict=True)
    ]
    for (way, _), (first, step) in zip(ways, medians, strict=True):
        rate, ratio = options.batch_size / step, medians[0][1] / step
        print(f"{way:12} {rate:8.1f} {ratio:7.2f} {step:8.3f} s {first:8.1f} s")
    return None


def run(way: str, processes: int) -> list[float]:
    """Returns (seconds of the first step, median seconds of a step), measured by the first of the processes."""
    cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports(processes)]}
    started = []
    for index in range(processes):
        environment = dict(os.environ)
        if processes > 1:
            environment["TF_CONFIG"] = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}})
        command = [sys.executable, *sys.argv, "--way", way]
        started.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True))
    printed = [process.communicate()[0] for process in started]
    if any(process.returncode for process in started):
        sys.exit(f"{way}: a process failed, see above.")
    return json.loads(printed[0].strip().splitlines()[-1])


def measure(options: argparse.Namespace) -> str:
    """Trains in this process, and returns what `run` returns as JSON."""
    import keras
    import tensorflow as tf

    from keras_centernet import CenterNet, load_dataset

    class Clock(keras.callbacks.Callback):
        """Records when every step ends."""

        def on_train_begin(self, logs=None):
            self.ends = [time.perf_counter()]

        def on_train_batch_end(self, batch, logs=None):
            self.ends.append(time.perf_counter())

    strategy = build_strategy(options)
    batch = next(iter(load_dataset("shapes", input_size=options.input_size, batch_size=options.batch_size)))
    with strategy.scope():
        model = CenterNet(options.backbone, input_size=options.input_size, num_classes=4)
        model.compile("adam")
    steps = WARM_UP_STEPS + options.steps

    def load(context=None):
        size = context.get_per_replica_batch_size(options.batch_size) if context else options.batch_size
        share = tf.nest.map_structure(lambda values: values[:size], batch)
        return tf.data.Dataset.from_tensors(share).repeat(steps)

    is_multi_worker = options.way == "2 workers"
    clock = Clock()
    model.fit(
        strategy.distribute_datasets_from_function(load) if is_multi_worker else load(), verbose=0, callbacks=[clock]
    )
    times = [end - start for start, end in zip(clock.ends, clock.ends[1:], strict=False)]
    return json.dumps([times[0], statistics.median(times[WARM_UP_STEPS:])])


def build_strategy(options: argparse.Namespace):
    """Returns the strategy of a setup."""
    import tensorflow as tf

    if options.way == "2 workers":
        return tf.distribute.MultiWorkerMirroredStrategy()
    if options.way == "1 device":
        return tf.distribute.get_strategy()
    if options.gpus:
        return tf.distribute.MirroredStrategy([f"GPU:{i}" for i in range(options.gpus)])
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


def free_ports(count: int) -> list[int]:
    """Returns free ports of this machine."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


if __name__ == "__main__":
    main()
