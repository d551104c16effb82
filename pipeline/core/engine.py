"""Parallel work: apply a function to independent chunks, in processes on this machine or on a Ray cluster."""

import logging
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import Any, TypeVar

from pipeline.core import progress
from pipeline.core.errors import BadParameters, PipelineError

T = TypeVar("T")
R = TypeVar("R")
F = TypeVar("F")


def default_workers() -> int:
    """Number of workers when `-j` is not given: `DCGAN_JOBS`, else the number of CPUs that this process may use.

    Raises:
        BadParameters: `DCGAN_JOBS` is not a whole number of at least 1.
    """
    text = os.environ.get("DCGAN_JOBS", "")
    if not text:
        return len(os.sched_getaffinity(0))
    if not text.isdecimal() or int(text) < 1:
        raise BadParameters(f"DCGAN_JOBS: {text!r}, expected a whole number of at least 1")
    return int(text)


def default_engine() -> str:
    """Name of the engine: `DCGAN_ENGINE`, else `local`.

    Raises:
        BadParameters: `DCGAN_ENGINE` is not the name of an engine.
    """
    name = os.environ.get("DCGAN_ENGINE", "") or "local"
    if name not in _ENGINES:
        raise BadParameters(f"DCGAN_ENGINE: {name!r}, expected one of {', '.join(_ENGINES)}")
    return name


def map_chunks(function: Callable[[T], R], chunks: Sequence[T], *, workers: int) -> Iterator[R]:
    """Yield `function(chunk)` for each chunk, in the order of the chunks.

    Each worker is a process with one thread, so a chunk's result cannot depend on the number of workers. With the
    local engine and one worker, the calling process does the work. At most four chunks per worker
    are submitted at a time, which limits the use of memory.

    Args:
        function: a picklable function (module level, or a `functools.partial` of one).
        chunks: picklable arguments. With Ray on several machines, the paths in them must be on a shared file system.
        workers: number of processes, at least 1; on a Ray cluster, the number of chunks that run at the same time.

    Raises:
        PipelineError: a worker process was killed (most often for lack of memory).
        BadParameters: `DCGAN_ENGINE` is not the name of an engine, or Ray is not installed.
    """
    return _ENGINES[default_engine()](function, chunks, min(workers, len(chunks)))


def _map_local(function: Callable[[T], R], chunks: Sequence[T], workers: int) -> Iterator[R]:
    """Run the chunks in a pool of spawned processes."""
    if workers <= 1:
        yield from map(function, chunks)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker)
    try:
        yield from _in_order(
            lambda chunk: pool.submit(function, chunk), lambda future: future.result(), chunks, workers
        )
    except BrokenProcessPool:
        raise _ended("a worker process") from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def map_threads(function: Callable[[T], R], chunks: Iterable[T], *, workers: int) -> Iterator[R]:
    """Yield `function(chunk)` for each chunk, in the order of the chunks, computed in threads of this process.

    Use it for compiled functions and digests, which release Python's global lock; threads need no copy of the arrays.

    Args:
        function: applied to each chunk; if it raises an error, the error is raised here and waiting chunks are dropped.
        workers: number of threads; with 1, the calling thread does the work.
    """
    if workers <= 1:
        yield from map(function, chunks)
        return
    with ThreadPoolExecutor(workers) as pool:
        yield from pool.map(function, chunks)


def run_in_subprocess(
    function: Callable[..., R], *arguments: Any, meanwhile: Callable[[], object] | None = None, **named: Any
) -> R:
    """Call a function in a new process, which frees the memory of its imports and data when it ends.

    Args:
        function: a picklable function.
        arguments, named: its positional and keyword arguments; they and the result must be picklable.
        meanwhile: function that is called in this process while the new process works.

    Raises:
        PipelineError: the process was killed (most often for lack of memory).
    """
    before = set(multiprocessing.active_children())
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, initializer=_start_worker) as pool:
        try:
            future = pool.submit(_as_quietly, progress.is_quiet(), partial(function, *arguments, **named))
            if meanwhile:
                meanwhile()
            return future.result()
        except BrokenProcessPool:
            raise _ended("a process") from None
        except KeyboardInterrupt:
            for process in set(multiprocessing.active_children()) - before:
                process.terminate()
            raise


def _as_quietly(quiet: bool, function: Callable[[], R]) -> R:
    progress.set_quiet(quiet)
    return function()


def _map_ray(function: Callable[[T], R], chunks: Sequence[T], workers: int) -> Iterator[R]:
    """Run the chunks as tasks of the Ray cluster at `RAY_ADDRESS`, or of a new one with as many CPUs as workers."""
    try:
        import ray
    except ImportError:
        raise BadParameters("DCGAN_ENGINE: ray is not installed; pip install 'dcgan-pipeline[ray]'") from None
    if not chunks:
        return
    started_here = not ray.is_initialized()
    if started_here:
        own: dict[str, Any] = {} if os.environ.get("RAY_ADDRESS") else {"num_cpus": workers, "include_dashboard": False}
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **own)
    try:
        task: Any = ray.remote(num_cpus=1)(_one_thread)

        def result(reference: Any) -> R:
            value: R = ray.get(reference)
            return value

        yield from _in_order(lambda chunk: task.remote(function, chunk), result, chunks, workers)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
    except ray.exceptions.RayError:
        raise _ended("a Ray worker") from None
    finally:
        if started_here:
            ray.shutdown()


_ENGINES = {"local": _map_local, "ray": _map_ray}


def _in_order(submit: Callable[[T], F], result: Callable[[F], R], chunks: Sequence[T], workers: int) -> Iterator[R]:
    """Results in the order of the chunks, with at most four chunks for each worker submitted at a time."""
    waiting: deque[F] = deque()
    for chunk in chunks:
        waiting.append(submit(chunk))
        if len(waiting) >= 4 * workers:
            yield result(waiting.popleft())
    while waiting:
        yield result(waiting.popleft())


def _ended(what: str) -> PipelineError:
    return PipelineError(
        f"{what} was killed (out of memory?) or could not start; run this again with fewer workers (-j 1): finished "
        'work is kept. In a Python script, make the calls below `if __name__ == "__main__":`'
    )


def _one_thread(function: Callable[[T], R], chunk: T) -> R:
    import cv2

    cv2.setNumThreads(1)
    return function(chunk)


def _start_worker() -> None:
    """Limit libraries to one thread, leave Ctrl-C to the parent process, and exit when the parent is killed."""
    import cv2

    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch(sentinel: int) -> None:
        multiprocessing.connection.wait([sentinel])
        os._exit(1)

    threading.Thread(target=watch, args=(parent.sentinel,), daemon=True).start()
