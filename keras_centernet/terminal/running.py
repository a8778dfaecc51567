"""Running a command: its streams last, and signals end it with one line."""

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
    """Returns what the function returns, 0 where nobody reads it any more, or 128 + the number of a signal.

    Within another call it only calls the function.
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
    """Whether a signal has come, so that any error of a library may be what it made of it."""
    return any(watch.number for watch in _watches)


def postpone_interruption(seconds: float) -> None:
    """Lets signals interrupt a command only so many seconds later, in which it looks at `waiting_signal`; 0: at once.

    Called in the main thread; raises `Interrupted` where one waits and `seconds` is 0.
    """
    for watch in _watches:
        watch.postpone(seconds)


def waiting_signal() -> int:
    """Returns the number of the signal that the command should end for, SIGPIPE where nobody reads it; 0: none."""
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
    """Sets what the line of an interrupted command says of the disk."""
    for watch in _watches:
        watch.left = line
