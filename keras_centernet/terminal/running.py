"""Running a command: its streams last, and signals end it with one line."""

import contextlib
import signal
import sys
from collections.abc import Callable

from keras_centernet.terminal.signals import Watch, watching
from keras_centernet.terminal.streams import OutputEnded, lasting_streams

SAID = {signal.SIGINT: "Interrupted", signal.SIGTERM: "Terminated"}
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
            number = watch.number or signal.SIGINT
            with contextlib.suppress(ValueError):
                print(f"\n{SAID[number]}. All that was finished before is on disk.", file=sys.stderr)
            code = 128 + number
        finally:
            _watches.clear()
    return code


def was_interrupted() -> bool:
    """Whether a signal has come, so that any error of a library may be what it made of it."""
    return any(watch.number for watch in _watches)
