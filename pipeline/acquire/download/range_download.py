"""Download the missing ranges of a large file over several connections.

Ranges are assigned in order, and a range counts only when it is complete. So a killed process loses at most one range
per connection.
"""

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import requests

from pipeline.acquire.download.http_client import RangeResponse, RetryableError, new_session, request
from pipeline.acquire.download.partial_file import FileVersion, PartialFile, Range
from pipeline.core.errors import DownloadFailed

MIN_BYTES = 64 << 20
"""Missing bytes above which several connections are used."""

RANGE_BYTES = 16 << 20
"""Bytes per request."""

PROGRESS_BYTES = 1 << 16
"""Minimum number of bytes that an attempt must receive to reset the count of failures; so retries end."""


def download_ranges(
    url: str,
    part: PartialFile,
    first: RangeResponse,
    *,
    connections: int,
    pause: float,
    timeout: float,
    advance: Callable[[int], None],
) -> None:
    """Download all missing ranges.

    A connection that is refused or receives nothing is closed for good if others remain. So a download
    continues with two connections if the server allows only two.

    Args:
        first: an open response that begins at the first gap; the first range is read from it.
        connections: maximum number of connections at a time. pause: seconds before a connection that broke within a
            range is opened again.
        timeout: seconds without a byte until a connection counts as dead.
        advance: called with the number of bytes after each block received.

    Raises:
        RetryableError, DownloadFailed: the last remaining connection failed.
        FileChanged: the server's file has changed.
        RangesUnsupported: the server no longer sends ranges.
    """
    assert first.version.total is not None
    part.allow_any_order()
    waiting = deque(part.missing(first.version.total, RANGE_BYTES))
    work = _RangeDownload(
        url, part, first.version, pause, timeout, advance, waiting, active=min(connections, len(waiting))
    )
    begun = waiting.popleft()  # `first` sends this range, so its thread gets it
    threads = [threading.Thread(target=work.run, args=(begun, first), daemon=True)]
    threads += [threading.Thread(target=work.run, daemon=True) for _ in range(work.active - 1)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        work.stop()
        for thread in threads:
            if thread.ident is not None:
                thread.join()
    if work.error:
        raise work.error
    if part.missing(first.version.total, RANGE_BYTES):
        raise RetryableError("the connections ended early")


@dataclass
class _RangeDownload:
    """The state that the threads share.

    Attributes:
        waiting: ranges that no thread has taken yet.
        active: number of threads that have not ended.
        error: the failure that ends the download; None if there is none.
    """

    url: str
    part: PartialFile
    version: FileVersion
    pause: float
    timeout: float
    advance: Callable[[int], None]
    waiting: deque[Range]
    active: int
    error: BaseException | None = None
    _stopped: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _open: set[requests.Response] = field(default_factory=set)

    def run(self, begun: Range | None = None, first: RangeResponse | None = None) -> None:
        """Download one range after another, until none is left or the connection is given up.

        Args:
            begun: the range that `first` sends.
        """
        with new_session() as session:
            while piece := begun or self._next_range():
                begun = None
                start, end = piece
                here, failure = self._fetch(session, first, start, end)
                first = None
                try:
                    self.part.mark_received(start, here)
                except Exception as error:
                    failure = error
                if here < end:
                    self._return_range((here, end))
                if failure and not self._retries(failure, here - start):
                    return

    def _fetch(
        self, session: requests.Session, first: RangeResponse | None, start: int, end: int
    ) -> tuple[int, BaseException | None]:
        """Download one range; return the offset after the last received byte, and the failure if there was one."""
        here = start
        try:
            with self._response(session, first, start, end) as answer:
                assert answer.start == start
                for block in answer.blocks(self.timeout):
                    wanted = block[: end - here]
                    self.part.write(here, wanted)
                    self.advance(len(wanted))
                    here += len(wanted)
                    if here == end or self._stopped.is_set():
                        break
        except BaseException as error:
            return here, error
        if here < end and not self._stopped.is_set():
            return here, RetryableError("the server sent less than requested")
        return here, None

    @contextlib.contextmanager
    def _response(
        self, session: requests.Session, first: RangeResponse | None, start: int, end: int
    ) -> Iterator[RangeResponse]:
        """The response for one range. `stop` can end it while it is read."""
        with contextlib.ExitStack() as stack:
            if first:
                answer = first
                stack.callback(first.response.close)  # the response continues after the range
            else:
                answer = stack.enter_context(
                    request(session, self.url, self.timeout, start=start, end=end, known=self.version)
                )
            with self._lock:
                self._open.add(answer.response)
            if self._stopped.is_set():
                raise RetryableError("stopped")
            try:
                yield answer
            finally:
                with self._lock:
                    self._open.discard(answer.response)

    def _next_range(self) -> Range | None:
        with self._lock:
            if self.waiting and not self._stopped.is_set():
                return self.waiting.popleft()
            self.active -= 1
            return None

    def _return_range(self, piece: Range) -> None:
        with self._lock:
            self.waiting.appendleft(piece)

    def _retries(self, failure: BaseException, came: int) -> bool:
        """Whether a thread goes on after a failure."""
        if isinstance(failure, RetryableError) and came >= PROGRESS_BYTES:
            self._stopped.wait(self.pause)
            return True
        with self._lock:
            self.active -= 1
            left_to_others = self.active > 0 and isinstance(failure, RetryableError | DownloadFailed)
            if not left_to_others and not self._stopped.is_set():
                self.error = failure
        if not left_to_others:
            self.stop()
        return False

    def stop(self) -> None:
        """Make all threads end soon, also those that wait for data."""
        self._stopped.set()
        with self._lock:
            for response in self._open:
                with contextlib.suppress(Exception):  # it may have ended in the meantime
                    response.raw.shutdown()
