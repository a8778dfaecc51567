"""Where time goes: seconds per named stage, measured from any thread."""

import contextlib
import threading
import time
from collections import Counter


class Clock:
    """Adds up the seconds that named stages took.

    Attributes:
        seconds: {stage: seconds}, a `Counter`: a stage that never ran has zero.

    Examples:
        >>> clock = Clock()
        >>> with clock.measure("load"):
        ...     pass
        >>> clock.seconds["load"] < 1, clock.seconds["merge"]
        (True, 0)
    """

    def __init__(self):
        self.seconds = Counter()
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def measure(self, stage: str):
        """Adds the time that the body takes to the stage's seconds."""
        start = time.perf_counter()
        try:
            yield
        finally:
            elapsed = time.perf_counter() - start
            with self._lock:
                self.seconds[stage] += elapsed
