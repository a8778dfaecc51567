"""Turns Ctrl-C, SIGTERM and a lost terminal into one exception in the main thread.

It is raised again if a library swallows it, and the second signal ends the process.

Between the signal and its end, the program unwinds: cleanup on the way is not interrupted, so that it can finish what
must be complete. A program that calls `Watch.postpone` is not interrupted for some seconds; it looks at `Watch.number`
instead.
"""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
AGAIN_SECONDS = 0.25  # between checks of whether the exception was swallowed
SAME_SECONDS = 0.5  # two signals this close are one: `timeout` sends SIGTERM to the process and to its group


class Interrupted(KeyboardInterrupt):
    """A signal that ends the command.

    Attributes:
        number: of the signal.
    """

    def __init__(self, number: int):
        super().__init__()
        self.number = number


class Watch:
    """Waits for signals in the main thread.

    Attributes:
        number: of the signal that came first; 0: none.
        left: what the last line of an interrupted command says about the files on disk.
    """

    def __init__(self):
        self.number, self.left, self._before = 0, "All that was finished before is on disk.", {}
        self._seconds, self._is_raised = 0.0, False

    def start(self) -> None:
        """Handles the signals that nobody else handles; one that is ignored, as under `nohup`, stays ignored."""
        usual = (signal.SIG_DFL, signal.default_int_handler)
        for number in SIGNALS:
            if signal.getsignal(number) in usual:
                self._before[number] = signal.signal(number, self._on_signal)
        reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        self._wakeup = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        self._hooks = sys.unraisablehook, sys.excepthook
        sys.unraisablehook, sys.excepthook = self._on_swallowed, self._on_printed
        threading.Thread(target=self._end_at_second, args=(reader,), daemon=True).start()

    def stop(self) -> None:
        """Restores the previous handlers and hooks."""
        self.leave_alone()
        sys.unraisablehook, sys.excepthook = self._hooks
        signal.set_wakeup_fd(self._wakeup)
        os.close(self._writer)  # ends the thread
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def leave_alone(self) -> None:
        """Stops the checks that raise `Interrupted` again."""
        if signal.SIGALRM in self._before:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def postpone(self, seconds: float) -> None:
        """Lets later signals interrupt only this many seconds after they arrive; 0: at once, and a pending one too."""
        self._seconds = seconds
        if self.number and not self._is_raised and not seconds:
            self.interrupt(self.number)

    def interrupt(self, number: int) -> None:
        """Raises `Interrupted` for a signal, or for what ends a command like one."""
        self.number, self._is_raised = number, True
        if signal.SIGALRM in self._before:
            signal.setitimer(signal.ITIMER_REAL, AGAIN_SECONDS, AGAIN_SECONDS)
        raise Interrupted(number)

    def _on_signal(self, number: int, frame) -> None:
        if not self.number:
            self.number = number
            self._before[signal.SIGALRM] = signal.signal(signal.SIGALRM, self._look_again)
            signal.siginterrupt(signal.SIGALRM, False)
            if self._seconds:
                signal.setitimer(signal.ITIMER_REAL, self._seconds, AGAIN_SECONDS)
            else:
                self.interrupt(number)

    def _look_again(self, number: int, frame) -> None:
        if not _is_unwinding():
            self._is_raised = True
            raise Interrupted(self.number)

    def _on_swallowed(self, unraisable) -> None:
        """Called for exceptions that cannot propagate, as in a callback of the garbage collector.

        `Interrupted` is raised again later, so nothing is printed for it.
        """
        if not isinstance(unraisable.exc_value, Interrupted):
            self._hooks[0](unraisable)

    def _on_printed(self, *error) -> None:
        """Called when a library prints an exception that it swallows; prints nothing if a signal was its cause."""
        if not self.number:
            self._hooks[1](*error)

    def _end_at_second(self, reader: int) -> None:
        """Ends the process at the second signal.

        It runs in a thread of its own: the main one can be inside a library for minutes, where no Python handler runs.
        """
        first = None
        while received := os.read(reader, 1):
            if received[0] not in self._before or received[0] not in SIGNALS:
                continue
            if first and received[0] == signal.SIGHUP:
                continue  # a shell and its terminal may both send one: nobody is in a hurry
            now = time.monotonic()
            first = first or now
            if now - first > SAME_SECONDS:
                os._exit(128 + received[0])
        os.close(reader)


@contextlib.contextmanager
def watching() -> Iterator[Watch]:
    """Returns a context in which signals raise `Interrupted`; outside the main thread it does nothing."""
    watch = Watch()
    if threading.current_thread() is not threading.main_thread():
        yield watch
        return
    watch.start()
    try:
        yield watch
    finally:
        watch.stop()


def die_of_signals() -> None:
    """Restores the system's default action of the signals: what is left to do is not worth a traceback."""
    for number in SIGNALS:
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, signal.SIG_DFL)


def _is_unwinding() -> bool:
    """Whether the program is in a `finally`, `except` or `with` that the exception passes on its way out."""
    error, seen = sys.exc_info()[1], set()
    while error is not None and id(error) not in seen:
        if isinstance(error, KeyboardInterrupt | GeneratorExit):
            return True
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return False
