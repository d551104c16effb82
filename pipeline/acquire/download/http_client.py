"""One request for a file or a part of it: what the answer means, and its body, block by block (RFC 9110).

Nothing here writes. Whatever may pass becomes `TryAgain`, whatever will not becomes `DownloadFailed`.
"""

import contextlib
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import requests
import urllib3

from pipeline.acquire.download.partial_file import Version
from pipeline.core.errors import DownloadFailed

TIMEOUT = 120.0
"""Seconds without a byte, or with next to none, until a connection counts as dead."""

_BLOCK = 1 << 18
_CONNECT_TIMEOUT = 30.0
_SLOWEST = 1024  # bytes a second; less is a stall, however alive the other side seems


class TryAgain(Exception):
    """This request failed in a way that may pass; `pause` seconds are what the server asked for."""

    def __init__(self, reason: str, pause: float = 0.0) -> None:
        super().__init__(reason)
        self.pause = pause


class Changed(Exception):
    """The server's file is not, or no longer, the one that the part is of."""


class NoRanges(Exception):
    """A range was asked for, and the server sends the whole of the same file."""


@dataclass(frozen=True)
class RangeResponse:
    """What a server sends, its body not yet read.

    Attributes:
        response: the response, open.
        version: what the server says of the file.
        start: place in the file of the body's first byte.
        length: bytes of the body; None where the server does not tell.
        delimited: whether a cut body can be told from a whole one.
        ranges: whether parts of this version can be asked for.
    """

    response: requests.Response
    version: Version
    start: int
    length: int | None
    delimited: bool
    ranges: bool

    def blocks(self, timeout: float) -> Iterator[bytes]:
        """The body as it comes in, without waiting for a block to fill, so that a cut loses nothing.

        Raises:
            TryAgain: it broke off, or stalled.
        """
        raw = self.response.raw
        came = recent = 0
        since = time.monotonic()
        while True:
            try:
                block = raw.read1(_BLOCK, decode_content=False)
            except urllib3.exceptions.HTTPError as error:
                raise TryAgain(f"{type(error).__name__} ({_root_cause(error)}) after {came:,} bytes") from None
            if not block:
                break
            yield block
            came, recent = came + len(block), recent + len(block)
            if (passed := time.monotonic() - since) >= timeout:
                if recent < _SLOWEST * passed:
                    raise TryAgain(f"stalled: {recent:,} bytes in {passed:.0f} s")
                since, recent = time.monotonic(), 0
        if self.length is not None and came != self.length:
            raise TryAgain(f"the connection closed after {came:,} of {self.length:,} bytes")


def new_session() -> requests.Session:
    """A session for one thread: it keeps its connection, and takes proxies and certificates from the environment."""
    session = requests.Session()
    session.headers.update({"Accept-Encoding": "identity", "User-Agent": "dcgan-pipeline"})
    return session


@contextlib.contextmanager
def request(
    session: requests.Session,
    url: str,
    timeout: float,
    *,
    start: int = 0,
    end: int | None = None,
    known: Version | None = None,
) -> Iterator[RangeResponse]:
    """Ask for the file from `start` on, and only for the version `known`.

    Args:
        timeout: seconds to wait for the next byte.
        start: the first byte wanted; where it is not 0, `known` must have a validator.
        end: the byte after the last one wanted; None for all that follows.

    Raises:
        TryAgain: no connection, or the server has a passing trouble.
        Changed: the file is another one than `known`.
        NoRanges: `end` was given, and all of the same file comes.
        DownloadFailed: the server refuses, or sends something else than the file.
    """
    headers = {}
    if start or end is not None:
        assert known and known.validator
        headers = {"Range": f"bytes={start}-{'' if end is None else end - 1}", "If-Range": known.validator}
    limits = (min(_CONNECT_TIMEOUT, timeout), timeout)
    try:
        response = session.get(url, headers=headers, stream=True, timeout=limits)
    except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
        if isinstance(error, requests.exceptions.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error):
            raise DownloadFailed(f"{shown(url)}: the server's certificate is not trusted ({error})") from None
        raise TryAgain(f"{type(error).__name__} ({_root_cause(error)})") from None
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise DownloadFailed(f"{shown(url)}: {error}; correct the address") from None
    with response:
        yield _judge(response, url, start, end, known)


def shown(url: str) -> str:
    """An address as it may be printed and noted: without a password."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl() if "@" in parts.netloc else url


def _judge(response: requests.Response, url: str, start: int, end: int | None, known: Version | None) -> RangeResponse:
    """What a response means; raises as `ask` does."""
    status = response.status_code
    if status in (408, 429) or status >= 500:
        raise TryAgain(f"the server answered {status} {response.reason}", retry_after(response))
    if status == 416:
        raise Changed("the server's file ends before the part that is here")
    if status not in (200, 206):
        raise DownloadFailed(
            f"{shown(url)}: the server answered {status} {response.reason}; fetch the file in another way"
        )
    _refuse_other_things(response, url)
    sent = response.headers.get("Content-Length", "").strip()
    chunked = "chunked" in response.headers.get("Transfer-Encoding", "").lower()
    length = int(sent) if sent.isdecimal() and not chunked else None
    first, total = 0, length
    if status == 206:
        match = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", response.headers.get("Content-Range", "").strip())
        first, covered = (int(match[1]), int(match[2]) + 1 - int(match[1])) if match else (-1, 0)
        if match is None or first != start or length not in (None, covered):
            raise Changed("the server sent another range than the one it was asked for")
        length, total = covered, None if match[3] == "*" else int(match[3])
    version = _version(response, url, total)
    if status == 206:  # it need not repeat all that was said with the whole file
        if known is None or known.differs(version):
            raise Changed("the file on the server has changed")
        version = replace(known, url=version.url, total=known.total if total is None else total)
    elif end is not None:
        if version.same_as(known):
            raise NoRanges("the server no longer sends parts of the file")
        raise Changed("the file on the server has changed")
    by_range = status == 206 or "bytes" in response.headers.get("Accept-Ranges", "").lower()
    ranges = version.validator is not None and total is not None and by_range
    return RangeResponse(response, version, first, length, chunked or length is not None, ranges)


def _refuse_other_things(response: requests.Response, url: str) -> None:
    """A page that asks to log in, a body that is packed on the way."""
    if response.headers.get("Content-Type", "").strip().lower().startswith("text/html"):
        raise DownloadFailed(f"{shown(url)}: a web page came instead of the file; look at the address in a browser")
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    # Many servers say gzip of a file that itself is one.
    own = encoding in ("gzip", "x-gzip") and urlsplit(url).path.lower().endswith((".gz", ".tgz"))
    if encoding not in ("", "identity") and not own:
        raise DownloadFailed(f"{shown(url)}: the server packs the file as {encoding}, unasked; use another address")


def _version(response: requests.Response, url: str, total: int | None) -> Version:
    """The head's words on the file. A date is strong only when it was a second old (RFC 9110, section 8.8.2.2), and
    does not replace an ETag that is weak (section 13.1.5)."""
    etag, modified = response.headers.get("ETag"), response.headers.get("Last-Modified")
    validator = None
    if etag and etag.startswith('"'):
        validator = etag
    elif modified and not etag:
        changed, answered = _time(modified), _time(response.headers.get("Date", ""))
        if changed and answered and (answered - changed).total_seconds() >= 1:
            validator = modified
    return Version(shown(url), etag, modified, validator, total)


def retry_after(response: requests.Response) -> float:
    """Seconds that a server asks to be left alone for, 0 where it does not; Retry-After is a number or a date."""
    asked = response.headers.get("Retry-After", "").strip()
    if asked.isdecimal():
        return float(asked)
    then = _time(asked)
    return max(0.0, (then - datetime.now(UTC)).total_seconds()) if then else 0.0


def _time(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _root_cause(error: BaseException) -> str:
    """The innermost cause, without urllib3's object addresses."""
    while error.args and isinstance(error.args[-1], BaseException):
        error = error.args[-1]
    return getattr(error, "strerror", None) or type(error).__name__
