"""The one door to parallel work: a function over independent chunks, results in order."""

import multiprocessing
import multiprocessing.connection
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from pipeline.errors import BadParameters, PipelineError

T = TypeVar("T")
R = TypeVar("R")


def default_workers() -> int:
    """Workers when `-j` is not given: `DCGAN_JOBS`, else the processors this process may use.

    Raises:
        BadParameters: `DCGAN_JOBS` is not a whole number of at least 1.
    """
    text = os.environ.get("DCGAN_JOBS", "")
    if not text:
        return len(os.sched_getaffinity(0))
    if not text.isdecimal() or int(text) < 1:
        raise BadParameters(f"DCGAN_JOBS: {text!r}, expected a whole number of at least 1")
    return int(text)


def map_chunks(function: Callable[[T], R], chunks: Sequence[T], *, workers: int) -> Iterator[R]:
    """Yield `function(chunk)` for each chunk, in the order of the chunks.

    Each worker is a spawned process of one thread, so a chunk's result cannot depend on how many there are. One worker
    means this very process. At most `4 * workers` chunks are under way or waiting to be taken, so memory stays flat.

    Args:
        function: a picklable function (module level, or a `functools.partial` of one).
        chunks: picklable arguments.
        workers: number of processes, at least 1.

    Raises:
        PipelineError: a worker was ended from outside (most often for lack of memory).
    """
    workers = min(workers, len(chunks))
    if workers <= 1:
        yield from map(function, chunks)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker)
    try:
        waiting: deque[Future[R]] = deque()
        for chunk in chunks:
            waiting.append(pool.submit(function, chunk))
            if len(waiting) >= 4 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool:
        raise PipelineError(
            "a worker process was ended from outside (out of memory?); run this again with fewer workers (-j 1): "
            "finished work is kept"
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _start_worker() -> None:
    """One thread for a worker's libraries, and an end to the worker when its parent is killed."""
    import cv2

    cv2.setNumThreads(1)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch(sentinel: int) -> None:
        multiprocessing.connection.wait([sentinel])
        os._exit(1)

    threading.Thread(target=watch, args=(parent.sentinel,), daemon=True).start()
