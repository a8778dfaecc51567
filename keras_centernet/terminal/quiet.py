"""Keeps libraries' logs off a command's stderr: TensorFlow, XLA and absl write to descriptor 2, bypassing Python.

A small separate process passes on all other lines, so that a crash's last words are not lost.
"""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

from keras_centernet.terminal.streams import LastingStream

LEVEL = "TF_CPP_MIN_LOG_LEVEL"  # a user who sets it wants to see the logs
_STDERR = 2
_FILTER = r"""
import re, sys
noise = re.compile(
    rb"WARNING: All log messages before absl::InitializeLog|"
    rb"INFO: (Created|Initialized) TensorFlow Lite |"
    rb"fully_quantize: \d+, inference_type: \d+, |"
    rb"([IW]\d{4} [\d:.]+ |\d{4}-\d\d-\d\d [\d:.]+: [IW] ).*\.(cc|h):\d+\] |"
    rb"(E\d{4} |\d{4}-\d\d-\d\d ).*(failed call to cuInit|Unable to register cu|factory for plugin cu|oneDNN supports )"
)
for line in iter(sys.stdin.buffer.readline, b""):
    if not noise.match(line):
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()
"""


@contextlib.contextmanager
def without_logs(is_wanted: bool) -> Iterator[None]:
    """Returns a context that filters log lines out of descriptor 2; what Python itself prints bypasses the filter.

    It does nothing if TensorFlow is already imported, as in a program that calls a command, or if Python prints errors
    elsewhere.

    Args:
        is_wanted: whether the user wants to see the logs.
    """
    if is_wanted or "tensorflow" in sys.modules or not _is_open():
        yield
        return
    stderr, kept = sys.stderr, os.dup(_STDERR)
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _FILTER], stdin=subprocess.PIPE, stdout=kept, start_new_session=True
    )
    os.dup2(process.stdin.fileno(), _STDERR)
    process.stdin.close()
    direct = open(kept, "w", encoding=stderr.encoding, errors=stderr.errors, buffering=1, closefd=False)  # noqa: SIM115
    sys.stderr = LastingStream(direct)
    try:
        yield
    finally:
        sys.stderr.flush()
        sys.stderr = stderr
        os.dup2(kept, _STDERR)  # `kept` stays open: loggers may hold its stream
        with contextlib.suppress(subprocess.TimeoutExpired):  # a process of ours may still hold descriptor 2
            process.wait(timeout=2)


def _is_open() -> bool:
    """Whether descriptor 2 is what Python prints errors to."""
    try:
        return sys.stderr.fileno() == _STDERR
    except (AttributeError, OSError, ValueError):
        return False
