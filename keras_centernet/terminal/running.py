"""Runs a command: its output streams always accept text, and signals end it with one line."""

import contextlib
import signal
import sys
from collections.abc import Callable

from keras_centernet.terminal.signals import Watch, watching
from keras_centernet.terminal.streams import LastingStream, OutputEnded, lasting_streams

SAID = {
    signal.SIGINT: "Interrupted",
    signal.SIGTERM: "Terminated",
    signal.SIGHUP: "The terminal is gone",
    signal.SIGPIPE: "Nobody reads the output any more",
}
_watches: list[Watch] = []


def run_command(function: Callable[[], int]) -> int:
    """Returns the function's exit code, 0 if nobody reads its output any more, or 128 + the number of a signal.

    Inside another `run_command` it only calls the function.
    """
    if _watches:
        return function()
    with lasting_streams(), watching() as watch:
        _watches.append(watch)
        try:
            code = function()
            sys.stdout.flush()
        except OutputEnded:
            code = 0
        except BaseException as error:
            if not (isinstance(error, KeyboardInterrupt) or watch.number):
                raise
            watch.leave_alone()
            number = watch.number or getattr(error, "number", signal.SIGINT)
            with contextlib.suppress(ValueError):
                print(f"\n{SAID[number]}. {watch.left}", file=sys.stderr)
            code = 128 + number
        finally:
            _watches.clear()
    return code


def was_interrupted() -> bool:
    """Whether a signal has arrived; an error that a library raises then may be a consequence of it."""
    return any(watch.number for watch in _watches)


def postpone_interruption(seconds: float) -> None:
    """Delays interruptions by this many seconds, during which the command looks at `waiting_signal`; 0: no delay.

    Called in the main thread; raises `Interrupted` if a signal is pending and `seconds` is 0.
    """
    for watch in _watches:
        watch.postpone(seconds)


def waiting_signal() -> int:
    """Returns the signal for which the command should end, SIGPIPE if nobody reads its output any more; 0: none."""
    if was_interrupted():
        return _watches[0].number
    is_unread = isinstance(sys.stdout, LastingStream) and sys.stdout.is_unread
    return int(signal.SIGPIPE) if is_unread and _watches else 0


def end_with(number: int, finish: Callable[[], None]) -> None:
    """Ends the command as a signal does, after `finish`, which is not interrupted; see `waiting_signal`."""
    for watch in _watches:
        watch.leave_alone()
        finish()
        watch.interrupt(number)


def say_left(line: str) -> None:
    """Sets what the last line of an interrupted command says about the files on disk."""
    for watch in _watches:
        watch.left = line
