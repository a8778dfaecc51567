"""The `keras-centernet` command; `training/` and `export/` hold the same commands as scripts."""

import argparse
import functools
import logging
import os
import sys
import types
import warnings
from collections.abc import Sequence

from keras_centernet import __version__
from keras_centernet.cli import (
    compare,
    demo,
    evaluate,
    export,
    import_weights,
    inspect,
    make_tfrecords,
    models,
    networks,
    predict,
    recipes,
    train,
)
from keras_centernet.cli.arguments import Parser
from keras_centernet.errors import UserError
from keras_centernet.runs.devices.choosing import use_backend
from keras_centernet.runs.user_code import import_module
from keras_centernet.terminal.quiet import LEVEL, without_logs
from keras_centernet.terminal.running import run_command, was_interrupted
from keras_centernet.terminal.streams import end_with_reader
from keras_centernet.texts import in_two_lines

COMMANDS = {
    "inspect": inspect,
    "train": train,
    "evaluate": evaluate,
    "compare": compare,
    "predict": predict,
    "export": export,
    "models": models,
    "networks": networks,
    "recipes": recipes,
    "import-weights": import_weights,
    "make-tfrecords": make_tfrecords,
    "demo": demo,
}
USER_MISTAKE = 2
KEEP_LINES = argparse.RawDescriptionHelpFormatter  # those of the examples


def main(argv: Sequence[str] | None = None, command: str | None = None) -> int:
    """Runs one command; returns 0, 2 for a user's mistake (one line, no traceback), 130 for Ctrl-C or 143 for SIGTERM.

    Args:
        argv: arguments; None: those of the process.
        command: key of `COMMANDS`, for a script that is this command alone; None: the first argument names it.
    """
    wants_logs = LEVEL in os.environ
    os.environ.setdefault(LEVEL, "2")
    # OpenCV and FFmpeg print pages about a video or webcam that cannot be opened; our error says it in one line.
    os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    # Without this, TensorFlow uses no oneDNN on CPUs without VNNI: gradients of convolutions take three times as long.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    # It warns about a home folder that cannot be written to, and then works without it.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    if not wants_logs:
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
    warnings.formatwarning = lambda message, category, *_: f"{category.__name__}: {message}\n"
    return run_command(functools.partial(_run, argv, command, wants_logs))


def _run(argv: Sequence[str] | None, command: str | None, wants_logs: bool) -> int:
    with without_logs(wants_logs):  # listing the options of `export` imports TensorFlow
        return _parse_and_work(argv, command)


def _parse_and_work(argv: Sequence[str] | None, command: str | None) -> int:
    parser = _build_parser(command)
    try:
        args = parser.parse_args(argv)
        if args.only_prints:
            end_with_reader()
        _work(args)
        sys.stdout.flush()
    except (UserError, FloatingPointError, OSError) as error:  # OSError: a full disk, a vanished file
        if was_interrupted():
            raise
        print(in_two_lines(f"{parser.prog}: {error}"), file=sys.stderr)
        return USER_MISTAKE
    return 0


def _work(args: argparse.Namespace) -> None:
    if hasattr(args, "backend_of"):
        use_backend(args.backend_of(args))
    for name in getattr(args, "imports", None) or ():
        import_module(name)
    args.run(args)


def _build_parser(command: str | None) -> argparse.ArgumentParser:
    if command:
        return _CommandParser(module=COMMANDS[command])
    parser = Parser("keras-centernet", description="Object detection as point detection.", formatter_class=KEEP_LINES)
    parser.add_argument("--version", action="version", version=f"keras-centernet {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_CommandParser)
    for name, module in COMMANDS.items():
        commands.add_parser(name, help=module.__doc__.splitlines()[0], module=module)
    return parser


class _CommandParser(Parser):
    """The parser of one command; it adds the options when it first parses, because those of some import Keras."""

    def __init__(self, *args, module: types.ModuleType, **options):
        options |= {"description": module.__doc__, "epilog": module.EXAMPLES, "formatter_class": KEEP_LINES}
        super().__init__(*args, **options)
        self._module = module
        self.set_defaults(run=module.run, only_prints=getattr(module, "ONLY_PRINTS", False))

    def parse_known_args(self, args=None, namespace=None):
        if self._module:
            if backend := getattr(self._module, "BACKEND", None):  # to list its options may import Keras
                use_backend(backend)
            self._module.add_arguments(self)
            self._module = None
        return super().parse_known_args(args, namespace)
