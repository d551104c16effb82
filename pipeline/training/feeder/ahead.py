"""Make the next batches in threads while the model trains on the current one."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

E = TypeVar("E")
B = TypeVar("B")


def ahead(make: Callable[[E], B], plan: Iterable[E], *, threads: int) -> Generator[B]:
    """Yield the result of `make` for each entry of a plan, in its order.

    Args:
        make: called in one of the threads; an error is raised where its result would be yielded.
        plan: may be long; entries are taken from it when a thread will soon need them.
        threads: number of threads. At most one more result than that waits, which bounds the memory.
    """
    entries = iter(plan)
    with ThreadPoolExecutor(threads, "feeder") as pool:
        waiting: deque[Future[B]] = deque(pool.submit(make, entry) for entry in islice(entries, threads))
        try:
            while waiting:
                waiting.extend(pool.submit(make, entry) for entry in islice(entries, 1))
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
