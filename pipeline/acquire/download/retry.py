"""Attempts to fetch a file over HTTP, one after another, until its part is whole or hope is lost."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import requests

from pipeline.acquire.download import range_download
from pipeline.acquire.download.http_client import (
    Changed,
    NoRanges,
    RangeResponse,
    TryAgain,
    new_session,
    request,
    shown,
)
from pipeline.acquire.download.partial_file import Part, Version
from pipeline.core import progress
from pipeline.core.disk import require_free_space
from pipeline.core.errors import DownloadFailed

TRIES = 8
"""Attempts in a row that bring next to nothing before giving up; with their pauses, some one and a half minutes."""

INTENDED = "if this one is meant, accept any checksum (--any-checksum, or checksum: any)"
"""Advice for people whose file is another one than was expected."""

_RESTARTS = 2  # of a file that changes under way, or whose server contradicts itself
_LONGEST_PAUSE = 60.0
_LONGEST_ASKED_PAUSE = 600.0


@dataclass
class Attempts:
    """Attempts until the part is whole.

    Attributes:
        url, length, pause, timeout, connections: as in `download`.
        has_digest: whether the whole file will be compared with a digest.
        best: most bytes of the present version that were ever here.
        failures: attempts in a row that did not add to them.
        restarts: how often the file changed under way.
    """

    url: str
    part: Part
    length: int | None
    has_digest: bool
    pause: float
    timeout: float
    connections: int
    best: int = 0
    failures: int = 0
    restarts: int = 0

    def run(self) -> None:
        """Raises as `download` does."""
        if self._known() is None and self.part.received:
            self.part.start_over(None)
        self.best = self.part.received
        with new_session() as session:
            while not self._is_whole():
                try:
                    self._attempt(session)
                except TryAgain as error:
                    self._wait(error)
                except NoRanges:
                    self.connections = 1
                except Changed as error:
                    self._start_over(error)

    def _known(self) -> Version | None:
        """What the part is of, as far as that helps here: another address may call other bytes by the same name."""
        version = self.part.version
        if version and version.url != shown(self.url) and not self.has_digest:
            return None
        return version

    def _is_whole(self) -> bool:
        known = self._known()
        return known is not None and self.part.prefix == (known.total if self.length is None else self.length)

    def _attempt(self, session: requests.Session) -> None:
        part, known = self.part, self._known()
        start = part.prefix if known and known.validator else 0
        with request(session, self.url, self.timeout, start=start, known=known) as answer:
            total = answer.version.total
            if None not in (self.length, total) and total != self.length:
                raise DownloadFailed(
                    f"{shown(self.url)}: the server offers {total:,} bytes, expected {self.length:,}; it is another "
                    f"file, or, {INTENDED}"
                )
            if not (answer.response.status_code == 206 or answer.version.same_as(known)):
                part.start_over(answer.version)
            rest = max(0, (total or self.length or 0) - part.received)
            require_free_space(part.path.parent, rest, f"fetching {part.path.stem}")
            several = (
                self.connections > 1 and answer.ranges and rest >= range_download.LARGE and answer.start == part.prefix
            )
            with progress.bar(
                f"fetching {part.path.stem}", total or self.length, "bytes", done=part.received
            ) as advance:
                if several:
                    range_download.fetch_pieces(
                        self.url,
                        part,
                        answer,
                        connections=self.connections,
                        pause=self.pause,
                        timeout=self.timeout,
                        advance=advance,
                    )
                else:
                    self._stream(answer, advance)

    def _stream(self, answer: RangeResponse, advance: Callable[[int], None]) -> None:
        """One connection, in order. Where all comes again, what is here is passed over."""
        part = self.part
        part.gather()
        part.note(answer.version)
        total = answer.version.total if self.length is None else self.length
        if total is None and not answer.delimited and not self.has_digest:
            raise DownloadFailed(
                f"{shown(self.url)}: the server does not say how long the file is, so a cut could not be noticed; use "
                "another address"
            )
        here, place = part.prefix, answer.start
        for block in answer.blocks(self.timeout):
            fresh = block[max(0, here - place) :]
            place += len(block)
            if total is not None and place > total:
                raise DownloadFailed(f"{shown(self.url)}: the server sends more than {total:,} bytes; {INTENDED}")
            part.write(place - len(fresh), fresh)
            advance(len(fresh))
        if total is None:
            part.note(replace(answer.version, total=place))
        elif place < total:
            raise TryAgain(f"the connection closed after {place:,} of {total:,} bytes")

    def _wait(self, error: TryAgain) -> None:
        """Pause before the next attempt; one that brought something starts the count anew.

        Raises:
            DownloadFailed: there have been enough, or the server asks for a longer pause than anyone sits through.
        """
        if (received := self.part.received) >= self.best + range_download.ENOUGH:
            self.best, self.failures = received, 0
        self.failures += 1
        kept = f"{received:,} bytes are kept in {self.part.path}: run this again"
        if self.failures >= TRIES:
            raise DownloadFailed(f"{shown(self.url)}: {error}, {TRIES} times in a row; {kept} to go on")
        if error.pause > _LONGEST_ASKED_PAUSE:
            raise DownloadFailed(f"{shown(self.url)}: {error}, come back in {error.pause:,.0f} s; {kept} then")
        # Many who were cut off at once must not all come back at once.
        drawn = random.SystemRandom().uniform(0.5, 1.0) * min(self.pause * 2 ** (self.failures - 1), _LONGEST_PAUSE)
        seconds = max(drawn, error.pause)
        progress.say(f"{shown(self.url)}: {error}; trying again in {seconds:.0f} s")
        time.sleep(seconds)

    def _start_over(self, error: Changed) -> None:
        self.part.start_over(None)
        self.best = 0
        self.restarts += 1
        if self.restarts > _RESTARTS:
            raise DownloadFailed(f"{shown(self.url)}: {error}, {self.restarts} times; run this again later")
        progress.say(f"{shown(self.url)}: {error}; starting over")
