"""Fresh interpreters, for what must be set before TensorFlow or JAX starts, and free ports for them."""

import os
import pathlib
import socket
import subprocess
import sys


def run_python(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    """Runs Python in the repository's root and returns how it ended, with what it printed as text."""
    root = pathlib.Path(__file__).parents[2]
    environment = os.environ | {"TF_ENABLE_ONEDNN_OPTS": "1", "PYTHONPATH": str(root)} | environment
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)


def free_ports(count: int) -> list[int]:
    """Returns different ports of this machine that nobody uses."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
