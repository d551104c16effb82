"""Fetch what is missing of a large file over several connections at once, piece by piece.

Pieces are handed out in order, so the part grows nearly from the front, and one counts once it is wholly here: a killed
process loses the pieces under way, at most one for each connection.
"""

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import requests

from pipeline.acquire.download.http_client import RangeResponse, TryAgain, new_session, request
from pipeline.acquire.download.partial_file import Part, Range, Version
from pipeline.core.errors import DownloadFailed

LARGE = 64 << 20
"""Bytes still missing from which on more than one connection is worth it."""

PIECE = 16 << 20
"""Bytes asked for at a time by each connection."""

ENOUGH = 1 << 16
"""Bytes that make an attempt count as a success of a kind: what brings less is not repeated without end."""


def fetch_pieces(
    url: str,
    part: Part,
    first: RangeResponse,
    *,
    connections: int,
    pause: float,
    timeout: float,
    advance: Callable[[int], None],
) -> None:
    """Fetch all that is missing.

    A connection that brings nothing, or is refused, is given up while there are others; so a server that allows two
    of them is read by two.

    Args:
        first: an open answer that begins where the first gap does; it serves for the first piece.
        connections: how many at once, at most.
        pause: seconds before a connection that broke in the middle of a piece is made again.
        timeout: seconds without a byte until a connection counts as dead.
        advance: told the number of bytes that came.

    Raises:
        TryAgain, DownloadFailed: the last connection failed so.
        Changed: the server's file is another one now.
        NoRanges: the server has stopped sending parts.
    """
    assert first.version.total is not None
    part.scatter()
    waiting = deque(part.missing(first.version.total, PIECE))
    work = _Work(url, part, first.version, pause, timeout, advance, waiting, active=min(connections, len(waiting)))
    begun = waiting.popleft()  # what `first` sends is this piece, and no other, whichever thread is the quickest
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
    if part.missing(first.version.total, PIECE):
        raise TryAgain("the connections ended early")


@dataclass
class _Work:
    """What the threads share.

    Attributes:
        waiting: pieces that nobody fetches yet.
        active: threads that have not ended.
        error: what ends the whole; None while all goes well.
    """

    url: str
    part: Part
    version: Version
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
        """One thread: piece after piece, until none is left or its connection is no good.

        Args:
            begun: the piece that `first` already answers.
        """
        with new_session() as session:
            while piece := begun or self._take():
                begun = None
                start, end = piece
                here, failure = self._fetch(session, first, start, end)
                first = None
                try:
                    self.part.mark(start, here)
                except Exception as error:
                    failure = error
                if here < end:
                    self._give_back((here, end))
                if failure and not self._goes_on(failure, here - start):
                    return

    def _fetch(
        self, session: requests.Session, first: RangeResponse | None, start: int, end: int
    ) -> tuple[int, BaseException | None]:
        """Fetch one piece; the end of what came of it, and what went wrong."""
        here = start
        try:
            with self._answer(session, first, start, end) as answer:
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
            return here, TryAgain("the server sent less than it was asked for")
        return here, None

    @contextlib.contextmanager
    def _answer(
        self, session: requests.Session, first: RangeResponse | None, start: int, end: int
    ) -> Iterator[RangeResponse]:
        """The answer for one piece, known to `stop` while it is read."""
        with contextlib.ExitStack() as stack:
            if first:
                answer = first
                stack.callback(first.response.close)  # more than the piece would come
            else:
                answer = stack.enter_context(
                    request(session, self.url, self.timeout, start=start, end=end, known=self.version)
                )
            with self._lock:
                self._open.add(answer.response)
            if self._stopped.is_set():
                raise TryAgain("stopped")
            try:
                yield answer
            finally:
                with self._lock:
                    self._open.discard(answer.response)

    def _take(self) -> Range | None:
        with self._lock:
            if self.waiting and not self._stopped.is_set():
                return self.waiting.popleft()
            self.active -= 1
            return None

    def _give_back(self, piece: Range) -> None:
        with self._lock:
            self.waiting.appendleft(piece)

    def _goes_on(self, failure: BaseException, came: int) -> bool:
        """Whether a thread asks again after a failure."""
        if isinstance(failure, TryAgain) and came >= ENOUGH:
            self._stopped.wait(self.pause)
            return True
        with self._lock:
            self.active -= 1
            left_to_others = self.active > 0 and isinstance(failure, TryAgain | DownloadFailed)
            if not left_to_others and not self._stopped.is_set():
                self.error = failure
        if not left_to_others:
            self.stop()
        return False

    def stop(self) -> None:
        """Make all threads end soon, whatever they are waiting for."""
        self._stopped.set()
        with self._lock:
            for response in self._open:
                with contextlib.suppress(Exception):  # it may end by itself at this very moment
                    response.raw.shutdown()
