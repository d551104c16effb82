"""Many pictures from many hosts, fetched as a considerate guest would.

Every request, be it for a picture, for a robots.txt or after a redirect, waits in the queue of its host. One thread
decides which is due; the others only ask. So a limit holds whoever asks, and nobody sleeps over a host that is slow.
"""

import heapq
import queue
import random
import threading
import time
import urllib.parse
from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from pipeline.acquire.url_list.picture_client import (
    Again,
    Moved,
    Outcome,
    PictureClient,
    PictureRequest,
    Reply,
    clean_url,
)
from pipeline.acquire.url_list.robots import Rules

REDIRECTS = 5
LONGEST_PAUSE = 300.0
"""Seconds; a host that asks for a longer one is left alone until the next run."""

_BACKOFF = 4  # the first second try waits so many pauses, each further one twice as long


@dataclass(frozen=True)
class CrawlLimits:
    """How hard to press.

    Attributes:
        per_host: requests to a host at a time.
        workers: requests in all at a time.
        pause: seconds between the starts of two requests to a host.
        tries: attempts for a picture before it has failed.
    """

    per_host: int
    workers: int
    pause: float
    tries: int


@dataclass
class _Host:
    pause: float
    waiting: list[tuple[float, int, PictureRequest]] = field(default_factory=list)  # heap: when due, order of coming
    running: int = 0
    next_start: float = 0.0
    queued_for: float | None = None  # the one entry of the calendar that counts
    unreachable: int = 0  # times in a row
    closed: Outcome | None = None


@dataclass
class _Site:
    rules: Rules | None = None
    refused: Outcome | None = None
    waiting: list[PictureRequest] = field(default_factory=list)


class CrawlScheduler:
    """One run over a list of pictures."""

    def __init__(self, asker: PictureClient, limits: CrawlLimits) -> None:
        self._asker, self._limits = asker, limits
        self._hosts: dict[str, _Host] = {}
        self._sites: dict[str, _Site] = {}
        self._calendar: list[tuple[float, int, str]] = []
        self._order = 0
        self._open = 0  # pictures without an outcome
        self._done: deque[tuple[int, Outcome]] = deque()
        self._answers: queue.SimpleQueue[tuple[PictureRequest, Reply | Exception]] = queue.SimpleQueue()
        self._running = 0

    def fetch(self, asks: Iterable[PictureRequest]) -> Generator[tuple[int, Outcome], None, None]:
        """Yield each picture's number and outcome, in the order in which they finish.

        Raises:
            OSError: a picture could not be written.
        """
        stop = threading.Event()
        pool = ThreadPoolExecutor(self._limits.workers, "fetch")
        try:
            for ask in asks:
                self._open += 1
                self._admit(ask)
            while self._open or self._done:
                while self._running < self._limits.workers and (due := self._due()):
                    self._running += 1
                    pool.submit(self._ask, due, stop)
                while self._done:
                    yield self._done.popleft()
                if not self._open:
                    return
                assert self._running or self._calendar, "a picture waits for nothing"
                try:
                    ask, answer = self._answers.get(timeout=self._until_next())
                except queue.Empty:
                    continue
                self._running -= 1
                if isinstance(answer, Exception):
                    raise answer
                self._settle(ask, answer)
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)

    def _ask(self, ask: PictureRequest, stop: threading.Event) -> None:
        try:
            self._answers.put((ask, self._asker.ask(ask, stop)))
        except Exception as error:  # raised again by the thread that reads the answers
            self._answers.put((ask, error))

    def _admit(self, ask: PictureRequest) -> None:
        """Queue a request at its host, after its site's robots.txt."""
        if ask.robots_of is None:
            parts = urllib.parse.urlsplit(ask.url)
            name = f"{parts.scheme}://{parts.netloc.lower()}"
            if name not in self._sites:
                self._sites[name] = _Site(waiting=[ask])
                self._admit(PictureRequest(-1, f"{name}/robots.txt", robots_of=name))
                return
            site = self._sites[name]
            if site.refused:
                self._finish(ask, site.refused)
                return
            if site.rules is None:
                site.waiting.append(ask)
                return
            if not site.rules.allow(ask.url):
                self._finish(ask, Outcome("refused_by_robots", detail=f"{name}/robots.txt forbids {ask.url}"))
                return
        self._queue(ask, 0.0)

    def _queue(self, ask: PictureRequest, due: float) -> None:
        name = _host_name(ask.url)
        host = self._hosts.setdefault(name, _Host(self._limits.pause))
        if host.closed:
            self._finish(ask, host.closed)
            return
        self._order += 1
        heapq.heappush(host.waiting, (due, self._order, ask))
        self._note(name, host)

    def _note(self, name: str, host: _Host) -> None:
        """Put a host into the calendar for its next request, if it has one and may ask it."""
        if host.waiting and host.running < self._limits.per_host:
            when = max(host.waiting[0][0], host.next_start)
            if host.queued_for is None or when < host.queued_for:
                host.queued_for = when
                self._order += 1
                heapq.heappush(self._calendar, (when, self._order, name))

    def _due(self) -> PictureRequest | None:
        """The next request that may start now."""
        now = time.monotonic()
        while self._calendar and self._calendar[0][0] <= now:
            when, _, name = heapq.heappop(self._calendar)
            host = self._hosts[name]
            if when != host.queued_for:
                continue
            host.queued_for = None
            if not host.waiting or max(host.waiting[0][0], host.next_start) > now:
                self._note(name, host)
                continue
            if host.running >= self._limits.per_host:
                continue
            _, _, ask = heapq.heappop(host.waiting)
            host.running += 1
            host.next_start = now + host.pause
            self._note(name, host)
            return ask
        return None

    def _until_next(self) -> float | None:
        """Seconds to wait for an answer before another request is due; None when none can be."""
        if not self._calendar or self._running >= self._limits.workers:
            return None
        return max(0.0, self._calendar[0][0] - time.monotonic())

    def _settle(self, ask: PictureRequest, answer: Reply) -> None:
        name = _host_name(ask.url)
        host = self._hosts[name]
        host.running -= 1
        host.unreachable = host.unreachable + 1 if isinstance(answer, Again) and answer.unreachable else 0
        if isinstance(answer, Outcome):
            self._finish(ask, answer)
        elif isinstance(answer, Rules):
            self._learn(ask, answer)
        elif isinstance(answer, Moved):
            self._follow(ask, answer)
        else:
            self._again(ask, host, answer)
        self._note(name, host)

    def _learn(self, ask: PictureRequest, rules: Rules) -> None:
        assert ask.robots_of is not None
        # A robots.txt may have come from another host by redirect; it speaks for the one that was asked.
        host = self._hosts[_host_name(ask.robots_of)]
        if rules.delay > host.pause:
            host.pause = rules.delay
            host.next_start = time.monotonic() + rules.delay
        site = self._sites[ask.robots_of]
        site.rules = rules
        if rules.delay > LONGEST_PAUSE:
            site.refused = Outcome(
                "refused_by_robots", detail=f"{ask.robots_of}/robots.txt asks for {rules.delay:.0f} s between requests"
            )
        waiting, site.waiting = site.waiting, []
        for other in waiting:
            self._admit(other)

    def _follow(self, ask: PictureRequest, moved: Moved) -> None:
        try:
            url = clean_url(moved.url)
        except ValueError as error:
            self._finish(ask, Outcome("failed", moved.http_status, detail=f"redirected to a bad address: {error}"))
            return
        if ask.hops == REDIRECTS:
            self._finish(ask, Outcome("failed", moved.http_status, detail=f"more than {REDIRECTS} redirects"))
        else:
            self._admit(replace(ask, url=url, hops=ask.hops + 1))

    def _again(self, ask: PictureRequest, host: _Host, answer: Again) -> None:
        """Try once more, later; or give up on this picture, or on the whole host."""
        tries = ask.tries + 1
        now = time.monotonic()
        if answer.pause > LONGEST_PAUSE:
            detail = f"the host asked to be left alone for more than {LONGEST_PAUSE:.0f} s"
            self._close(ask, host, Outcome("failed", answer.http_status, detail=detail))
        elif host.unreachable >= 2 * self._limits.tries:
            self._close(ask, host, Outcome("failed", detail=answer.reason))
        elif tries >= self._limits.tries:
            self._finish(ask, Outcome("failed", answer.http_status, detail=f"{answer.reason} ({tries} times)"))
        else:
            if answer.whole_host:
                host.next_start = max(host.next_start, now + answer.pause)
            # Jitter, so that what failed together does not come back together; it decides no byte of the result.
            backoff = min(LONGEST_PAUSE, _BACKOFF * self._limits.pause * 2**ask.tries) * random.uniform(0.5, 1)
            self._queue(replace(ask, tries=tries), now + max(backoff, answer.pause))

    def _close(self, ask: PictureRequest, host: _Host, outcome: Outcome) -> None:
        host.closed = outcome
        waiting, host.waiting = host.waiting, []
        for other in [ask, *(other for _, _, other in waiting)]:
            self._finish(other, outcome)

    def _finish(self, ask: PictureRequest, outcome: Outcome) -> None:
        if ask.robots_of is None:
            self._open -= 1
            self._done.append((ask.number, outcome))
            return
        # Without its robots.txt a site is not entered (RFC 9309, section 2.3.1.4); the next run asks again.
        site = self._sites[ask.robots_of]
        site.refused = replace(outcome, status="failed", detail=f"{ask.robots_of}/robots.txt: {outcome.detail}")
        waiting, site.waiting = site.waiting, []
        for other in waiting:
            self._finish(other, site.refused)


def _host_name(url: str) -> str:
    """Whatever the port: they are one machine's."""
    return (urllib.parse.urlsplit(url).hostname or "").rstrip(".")
