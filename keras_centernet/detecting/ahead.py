"""Computes results in other threads while earlier ones are used: in order, and a bounded number ahead."""

import concurrent.futures
import contextlib
import queue
import threading
from collections.abc import Callable, Iterable, Iterator

_END = object()
LOOK_SECONDS = 0.1  # how often a waiting thread checks whether its results are still wanted
THREADS = 8  # more than the cores of many machines, because threads also wait for remote files


def map_ahead(function: Callable, items: Iterable, ahead: int) -> Iterator:
    """Yields `function(item)` in order; one other thread reads the items, and several run the function.

    At most `ahead` + 1 items are read beyond the one whose result was asked for. An exception from the items or the
    function is raised in place of the result. Closing the iterator ends the threads.
    """
    results, unwanted = queue.Queue(ahead), threading.Event()

    def put(result) -> None:
        while not unwanted.is_set():
            with contextlib.suppress(queue.Full):
                results.put(result, timeout=LOOK_SECONDS)
                return

    def feed(pool) -> None:
        listed = iter(items)
        try:
            for item in listed:
                put(pool.submit(function, item))
                if unwanted.is_set():
                    break
        except BaseException as error:  # raised again where the result is asked for
            failed = concurrent.futures.Future()
            failed.set_exception(error)
            put(failed)
        finally:
            getattr(listed, "close", lambda: None)()
            put(_END)

    with concurrent.futures.ThreadPoolExecutor(THREADS, "detect-read") as pool:
        feeder = threading.Thread(target=feed, args=(pool,), name="detect-list", daemon=True)
        feeder.start()
        try:
            while (result := results.get()) is not _END:
                yield result.result()
        finally:
            unwanted.set()
            feeder.join()
