"""A fresh interpreter, for what must be set before TensorFlow starts."""

import os
import pathlib
import subprocess
import sys


def run_python(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    """Runs Python in the repository's root and returns how it ended, with what it printed as text."""
    root = pathlib.Path(__file__).parents[2]
    environment = os.environ | {"TF_ENABLE_ONEDNN_OPTS": "1", "PYTHONPATH": str(root)} | environment
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
