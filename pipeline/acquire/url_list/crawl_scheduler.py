"""Download many pictures from many hosts within limits on each host.

Every request (for a picture, for a robots.txt, or after a redirect) waits in the queue of its host. One thread decides
which request is due; worker threads send it. So the limits apply to all requests to a host, and a slow host does not
delay other hosts.
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
    Outcome,
    PictureClient,
    PictureRequest,
    Redirect,
    Reply,
    RetryLater,
    clean_url,
)
from pipeline.acquire.url_list.robots import Rules

REDIRECTS = 5
LONGEST_PAUSE = 300.0
"""Longest pause in seconds; a host that asks for a longer one gets no more requests in this run."""

_BACKOFF = 4  # pauses to wait before the first retry; doubled for each further one


@dataclass(frozen=True)
class CrawlLimits:
    """Limits on the load of hosts.

    Attributes:
        per_host: maximum number of simultaneous requests to a host. workers: maximum number of simultaneous requests in
            total.
        pause: seconds between the starts of two requests to a host.
        tries: maximum number of attempts per picture.
    """

    per_host: int
    workers: int
    pause: float
    tries: int


@dataclass
class _Host:
    pause: float
    waiting: list[tuple[float, int, PictureRequest]] = field(default_factory=list)  # heap: time due, order of arrival
    running: int = 0
    next_start: float = 0.0
    queued_for: float | None = None  # the one valid entry of the host in `_queue_of_hosts`
    unreachable: int = 0  # failures in a row
    closed: Outcome | None = None


@dataclass
class _Site:
    rules: Rules | None = None
    refused: Outcome | None = None
    waiting: list[PictureRequest] = field(default_factory=list)


class CrawlScheduler:
    """One run over a list of pictures."""

    def __init__(self, client: PictureClient, limits: CrawlLimits) -> None:
        self._client, self._limits = client, limits
        self._hosts: dict[str, _Host] = {}
        self._sites: dict[str, _Site] = {}
        self._queue_of_hosts: list[tuple[float, int, str]] = []
        self._order = 0
        self._open = 0  # pictures without an outcome
        self._done: deque[tuple[int, Outcome]] = deque()
        self._replies: queue.SimpleQueue[tuple[PictureRequest, Reply | Exception]] = queue.SimpleQueue()
        self._running = 0

    def fetch(self, requests: Iterable[PictureRequest]) -> Generator[tuple[int, Outcome], None, None]:
        """Yield the number and the outcome of each picture, in the order in which they finish.

        Raises:
            OSError: a picture could not be written.
        """
        stop = threading.Event()
        pool = ThreadPoolExecutor(self._limits.workers, "fetch")
        try:
            for request in requests:
                self._open += 1
                self._admit(request)
            while self._open or self._done:
                while self._running < self._limits.workers and (due := self._due()):
                    self._running += 1
                    pool.submit(self._send, due, stop)
                while self._done:
                    yield self._done.popleft()
                if not self._open:
                    return
                assert self._running or self._queue_of_hosts, "a picture waits for nothing"
                try:
                    request, reply = self._replies.get(timeout=self._until_next())
                except queue.Empty:
                    continue
                self._running -= 1
                if isinstance(reply, Exception):
                    raise reply
                self._handle_reply(request, reply)
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)

    def _send(self, request: PictureRequest, stop: threading.Event) -> None:
        try:
            self._replies.put((request, self._client.send(request, stop)))
        except Exception as error:  # raised again by the thread that reads the replies
            self._replies.put((request, error))

    def _admit(self, request: PictureRequest) -> None:
        """Queue a request at its host, after its site's robots.txt."""
        if request.robots_of is None:
            parts = urllib.parse.urlsplit(request.url)
            name = f"{parts.scheme}://{parts.netloc.lower()}"
            if name not in self._sites:
                self._sites[name] = _Site(waiting=[request])
                self._admit(PictureRequest(-1, f"{name}/robots.txt", robots_of=name))
                return
            site = self._sites[name]
            if site.refused:
                self._finish(request, site.refused)
                return
            if site.rules is None:
                site.waiting.append(request)
                return
            if not site.rules.allow(request.url):
                self._finish(request, Outcome("refused_by_robots", detail=f"{name}/robots.txt forbids {request.url}"))
                return
        self._queue(request, 0.0)

    def _queue(self, request: PictureRequest, due: float) -> None:
        name = _host_name(request.url)
        host = self._hosts.setdefault(name, _Host(self._limits.pause))
        if host.closed:
            self._finish(request, host.closed)
            return
        self._order += 1
        heapq.heappush(host.waiting, (due, self._order, request))
        self._schedule(name, host)

    def _schedule(self, name: str, host: _Host) -> None:
        """Queue a host at the time of its next request, if it has one and the limits allow it."""
        if host.waiting and host.running < self._limits.per_host:
            when = max(host.waiting[0][0], host.next_start)
            if host.queued_for is None or when < host.queued_for:
                host.queued_for = when
                self._order += 1
                heapq.heappush(self._queue_of_hosts, (when, self._order, name))

    def _due(self) -> PictureRequest | None:
        """The next request that may start now."""
        now = time.monotonic()
        while self._queue_of_hosts and self._queue_of_hosts[0][0] <= now:
            when, _, name = heapq.heappop(self._queue_of_hosts)
            host = self._hosts[name]
            if when != host.queued_for:
                continue
            host.queued_for = None
            if not host.waiting or max(host.waiting[0][0], host.next_start) > now:
                self._schedule(name, host)
                continue
            if host.running >= self._limits.per_host:
                continue
            _, _, request = heapq.heappop(host.waiting)
            host.running += 1
            host.next_start = now + host.pause
            self._schedule(name, host)
            return request
        return None

    def _until_next(self) -> float | None:
        """Seconds until the next request is due; None when none can be sent before a reply arrives."""
        if not self._queue_of_hosts or self._running >= self._limits.workers:
            return None
        return max(0.0, self._queue_of_hosts[0][0] - time.monotonic())

    def _handle_reply(self, request: PictureRequest, reply: Reply) -> None:
        name = _host_name(request.url)
        host = self._hosts[name]
        host.running -= 1
        host.unreachable = host.unreachable + 1 if isinstance(reply, RetryLater) and reply.unreachable else 0
        if isinstance(reply, Outcome):
            self._finish(request, reply)
        elif isinstance(reply, Rules):
            self._apply_rules(request, reply)
        elif isinstance(reply, Redirect):
            self._follow_redirect(request, reply)
        else:
            self._retry(request, host, reply)
        self._schedule(name, host)

    def _apply_rules(self, request: PictureRequest, rules: Rules) -> None:
        assert request.robots_of is not None
        # A redirect may have led to another host; the rules apply to the host that was requested first.
        host = self._hosts[_host_name(request.robots_of)]
        if rules.delay > host.pause:
            host.pause = rules.delay
            host.next_start = time.monotonic() + rules.delay
        site = self._sites[request.robots_of]
        site.rules = rules
        if rules.delay > LONGEST_PAUSE:
            site.refused = Outcome(
                "refused_by_robots",
                detail=f"{request.robots_of}/robots.txt asks for {rules.delay:.0f} s between requests",
            )
        waiting, site.waiting = site.waiting, []
        for other in waiting:
            self._admit(other)

    def _follow_redirect(self, request: PictureRequest, redirect: Redirect) -> None:
        try:
            url = clean_url(redirect.url)
        except ValueError as error:
            self._finish(
                request, Outcome("failed", redirect.http_status, detail=f"redirected to a bad address: {error}")
            )
            return
        if request.hops == REDIRECTS:
            self._finish(request, Outcome("failed", redirect.http_status, detail=f"more than {REDIRECTS} redirects"))
        else:
            self._admit(replace(request, url=url, hops=request.hops + 1))

    def _retry(self, request: PictureRequest, host: _Host, reply: RetryLater) -> None:
        """Queue another attempt, or give up this picture or the whole host."""
        tries = request.tries + 1
        now = time.monotonic()
        if reply.pause > LONGEST_PAUSE:
            detail = f"the host asked for a pause of more than {LONGEST_PAUSE:.0f} s"
            self._close_host(request, host, Outcome("failed", reply.http_status, detail=detail))
        elif host.unreachable >= 2 * self._limits.tries:
            self._close_host(request, host, Outcome("failed", detail=reply.reason))
        elif tries >= self._limits.tries:
            self._finish(request, Outcome("failed", reply.http_status, detail=f"{reply.reason} ({tries} times)"))
        else:
            if reply.whole_host:
                host.next_start = max(host.next_start, now + reply.pause)
            # Jitter spreads the retries of requests that failed together; it does not affect the result.
            backoff = min(LONGEST_PAUSE, _BACKOFF * self._limits.pause * 2**request.tries) * random.uniform(0.5, 1)
            self._queue(replace(request, tries=tries), now + max(backoff, reply.pause))

    def _close_host(self, request: PictureRequest, host: _Host, outcome: Outcome) -> None:
        host.closed = outcome
        waiting, host.waiting = host.waiting, []
        for other in [request, *(other for _, _, other in waiting)]:
            self._finish(other, outcome)

    def _finish(self, request: PictureRequest, outcome: Outcome) -> None:
        if request.robots_of is None:
            self._open -= 1
            self._done.append((request.number, outcome))
            return
        # Without its robots.txt nothing is requested from a site (RFC 9309, section 2.3.1.4); the next run tries again.
        site = self._sites[request.robots_of]
        site.refused = replace(outcome, status="failed", detail=f"{request.robots_of}/robots.txt: {outcome.detail}")
        waiting, site.waiting = site.waiting, []
        for other in waiting:
            self._finish(other, site.refused)


def _host_name(url: str) -> str:
    """The host of an address, without the port: all ports are on one machine."""
    return (urllib.parse.urlsplit(url).hostname or "").rstrip(".")
