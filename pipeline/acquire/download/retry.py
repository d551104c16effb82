"""Retry a download over HTTP until the partial file is complete or too many attempts have failed."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import requests

from pipeline.acquire.download import range_download
from pipeline.acquire.download.http_client import (
    FileChanged,
    RangeResponse,
    RangesUnsupported,
    RetryableError,
    new_session,
    redacted,
    request,
)
from pipeline.acquire.download.partial_file import FileVersion, PartialFile
from pipeline.core import progress
from pipeline.core.disk import require_free_space
from pipeline.core.errors import DownloadFailed

TRIES = 8
"""Attempts in a row without progress before giving up; with the pauses, about one and a half minutes."""

ACCEPT_ANY = "if this one is meant, accept any checksum (--any-checksum, or checksum: any)"
"""Advice in an error about a file that is not the expected one."""

_RESTARTS = 2  # if the file changes during the download, or the server contradicts itself
_LONGEST_PAUSE = 60.0
_LONGEST_ASKED_PAUSE = 600.0


@dataclass
class RetryingDownload:
    """Attempts until the partial file is complete.

    Attributes:
        url, length, pause, timeout, connections: as in `download`.
        has_digest: whether the complete file will be compared with a digest.
        best: maximum number of bytes of the present version received so far. failures: attempts in a row that did not
            increase `best`.
        restarts: how often the file changed during the download.
    """

    url: str
    part: PartialFile
    length: int | None
    has_digest: bool
    pause: float
    timeout: float
    connections: int
    best: int = 0
    failures: int = 0
    restarts: int = 0

    def run(self) -> None:
        """Download the rest of the file; raises as `download` does."""
        if self._known() is None and self.part.received:
            self.part.reset(None)
        self.best = self.part.received
        with new_session() as session:
            while not self._is_whole():
                try:
                    self._attempt(session)
                except RetryableError as error:
                    self._pause(error)
                except RangesUnsupported:
                    self.connections = 1
                except FileChanged as error:
                    self._restart(error)

    def _known(self) -> FileVersion | None:
        """The version of the partial file; None if it came from another address, whose ETags mean other bytes."""
        version = self.part.version
        if version and version.url != redacted(self.url) and not self.has_digest:
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
                    f"{redacted(self.url)}: the server offers {total:,} bytes, expected {self.length:,}; it is another "
                    f"file, or, {ACCEPT_ANY}"
                )
            if not (answer.response.status_code == 206 or answer.version.same_as(known)):
                part.reset(answer.version)
            rest = max(0, (total or self.length or 0) - part.received)
            require_free_space(part.path.parent, rest, f"fetching {part.path.stem}")
            several = (
                self.connections > 1
                and answer.ranges
                and rest >= range_download.MIN_BYTES
                and answer.start == part.prefix
            )
            with progress.bar(
                f"fetching {part.path.stem}", total or self.length, "bytes", done=part.received
            ) as advance:
                if several:
                    range_download.download_ranges(
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
        """Download over one connection, in order. If the server sends the whole file, received bytes are skipped."""
        part = self.part
        part.require_order()
        part.update_version(answer.version)
        total = answer.version.total if self.length is None else self.length
        if total is None and not answer.delimited and not self.has_digest:
            raise DownloadFailed(
                f"{redacted(self.url)}: the server does not state the length of the file, so a "
                "truncated download would go unnoticed; use another address"
            )
        here, place = part.prefix, answer.start
        for block in answer.blocks(self.timeout):
            fresh = block[max(0, here - place) :]
            place += len(block)
            if total is not None and place > total:
                raise DownloadFailed(f"{redacted(self.url)}: the server sends more than {total:,} bytes; {ACCEPT_ANY}")
            part.write(place - len(fresh), fresh)
            advance(len(fresh))
        if total is None:
            part.update_version(replace(answer.version, total=place))
        elif place < total:
            raise RetryableError(f"the connection closed after {place:,} of {total:,} bytes")

    def _pause(self, error: RetryableError) -> None:
        """Pause before the next attempt; progress resets the count of failures.

        Raises:
            DownloadFailed: too many attempts failed in a row, or the server asks for a pause of more than ten minutes.
        """
        if (received := self.part.received) >= self.best + range_download.PROGRESS_BYTES:
            self.best, self.failures = received, 0
        self.failures += 1
        kept = f"{received:,} bytes are kept in {self.part.path}: run this again"
        if self.failures >= TRIES:
            raise DownloadFailed(f"{redacted(self.url)}: {error}, {TRIES} times in a row; {kept} to go on")
        if error.pause > _LONGEST_ASKED_PAUSE:
            raise DownloadFailed(
                f"{redacted(self.url)}: {error}, the server asks to wait {error.pause:,.0f} s; {kept} then"
            )
        # Jitter: clients that were cut off at the same time must not all retry at the same time.
        drawn = random.SystemRandom().uniform(0.5, 1.0) * min(self.pause * 2 ** (self.failures - 1), _LONGEST_PAUSE)
        seconds = max(drawn, error.pause)
        progress.say(f"{redacted(self.url)}: {error}; trying again in {seconds:.0f} s")
        time.sleep(seconds)

    def _restart(self, error: FileChanged) -> None:
        self.part.reset(None)
        self.best = 0
        self.restarts += 1
        if self.restarts > _RESTARTS:
            raise DownloadFailed(f"{redacted(self.url)}: {error}, {self.restarts} times; run this again later")
        progress.say(f"{redacted(self.url)}: {error}; starting over")
