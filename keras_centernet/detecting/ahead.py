"""Work that is done in other threads while its results are used, in order and within bounds."""

import concurrent.futures
import contextlib
import queue
import threading
from collections.abc import Callable, Iterable, Iterator

_END = object()
LOOK_SECONDS = 0.1  # how often a thread that waits looks whether it is still wanted
THREADS = 8  # more than most machines' share of cores: remote files are waited for


def map_ahead(function: Callable, items: Iterable, ahead: int) -> Iterator:
    """Yields `function(item)` in order; items are listed in one other thread, and the function runs in several.

    At most `ahead` results, and one for each thread, exist that were not asked for yet. An exception of the items or of
    the function is raised where its result would come. Closing the iterator ends the threads.
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
        except BaseException as error:  # raised again where it is waited for
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
