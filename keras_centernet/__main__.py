"""`python -m keras_centernet` and the console command: signals are handled before anything large is imported."""

import sys

from keras_centernet.terminal.running import run_command
from keras_centernet.terminal.signals import die_of_signals


def main() -> int:
    """Runs the command that the process's arguments name; returns the exit code, see `keras_centernet.cli.main`."""
    code = run_command(_main)
    die_of_signals()
    return code


def _main() -> int:
    from keras_centernet import cli

    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
