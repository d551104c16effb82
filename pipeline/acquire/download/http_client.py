"""Request a file or a range of it over HTTP, interpret the response, and read its body block by block (RFC 9110).

This module writes no files. A failure that may be temporary becomes `RetryableError`, any other `DownloadFailed`.
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

from pipeline.acquire.download.partial_file import FileVersion
from pipeline.core.errors import DownloadFailed

TIMEOUT = 120.0
"""Seconds without data, or at less than 1 kB/s, until a connection counts as dead."""

_BLOCK = 1 << 18
_CONNECT_TIMEOUT = 30.0
_SLOWEST = 1024  # bytes per second; a slower transfer counts as stalled


class RetryableError(Exception):
    """A failure that may be temporary; `pause` is the number of seconds that the server asks to wait."""

    def __init__(self, reason: str, pause: float = 0.0) -> None:
        super().__init__(reason)
        self.pause = pause


class FileChanged(Exception):
    """The server's file is another version than the partial file."""


class RangesUnsupported(Exception):
    """A range was requested, and the server sends the whole file."""


@dataclass(frozen=True)
class RangeResponse:
    """The response of a server, whose body has not been read yet.

    Attributes:
        response: the response, open.
        version: what the response headers say about the file.
        start: offset of the body's first byte in the file.
        length: bytes of the body; None if the server does not state it.
        delimited: whether a truncated body can be recognised.
        ranges: whether ranges of this version can be requested.
    """

    response: requests.Response
    version: FileVersion
    start: int
    length: int | None
    delimited: bool
    ranges: bool

    def blocks(self, timeout: float) -> Iterator[bytes]:
        """Yield the body as it arrives, without waiting for full blocks, so that no received byte is ever lost.

        Raises:
            RetryableError: the transfer broke off or stalled.
        """
        raw = self.response.raw
        came = recent = 0
        since = time.monotonic()
        while True:
            try:
                block = raw.read1(_BLOCK, decode_content=False)
            except urllib3.exceptions.HTTPError as error:
                raise RetryableError(f"{type(error).__name__} ({_root_cause(error)}) after {came:,} bytes") from None
            if not block:
                break
            yield block
            came, recent = came + len(block), recent + len(block)
            if (passed := time.monotonic() - since) >= timeout:
                if recent < _SLOWEST * passed:
                    raise RetryableError(f"stalled: {recent:,} bytes in {passed:.0f} s")
                since, recent = time.monotonic(), 0
        if self.length is not None and came != self.length:
            raise RetryableError(f"the connection closed after {came:,} of {self.length:,} bytes")


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
    known: FileVersion | None = None,
) -> Iterator[RangeResponse]:
    """Request the file from `start` on, if it is still the version `known`.

    Args:
        timeout: seconds to wait for the next byte.
        start: offset of the first byte; if it is not 0, `known` must have a validator.
        end: offset after the last byte; None for the rest of the file.

    Raises:
        RetryableError: no connection, or a temporary failure of the server.
        FileChanged: the file is another version than `known`.
        RangesUnsupported: `end` was given, and the server sends the whole file.
        DownloadFailed: the server refuses, or sends something other than the file.
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
            raise DownloadFailed(f"{redacted(url)}: the server's certificate is not trusted ({error})") from None
        raise RetryableError(f"{type(error).__name__} ({_root_cause(error)})") from None
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise DownloadFailed(f"{redacted(url)}: {error}; correct the address") from None
    with response:
        yield _interpret(response, url, start, end, known)


def redacted(url: str) -> str:
    """An address without its user name and password, to print and to store."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl() if "@" in parts.netloc else url


def _interpret(
    response: requests.Response, url: str, start: int, end: int | None, known: FileVersion | None
) -> RangeResponse:
    """Interpret the headers of a response; raises as `request` does."""
    status = response.status_code
    if status in (408, 429) or status >= 500:
        raise RetryableError(f"the server answered {status} {response.reason}", retry_after(response))
    if status == 416:
        raise FileChanged("the server's file is shorter than the part already received")
    if status not in (200, 206):
        raise DownloadFailed(
            f"{redacted(url)}: the server answered {status} {response.reason}; fetch the file in another way"
        )
    _check_content(response, url)
    sent = response.headers.get("Content-Length", "").strip()
    chunked = "chunked" in response.headers.get("Transfer-Encoding", "").lower()
    length = int(sent) if sent.isdecimal() and not chunked else None
    first, total = 0, length
    if status == 206:
        match = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", response.headers.get("Content-Range", "").strip())
        first, covered = (int(match[1]), int(match[2]) + 1 - int(match[1])) if match else (-1, 0)
        if match is None or first != start or length not in (None, covered):
            raise FileChanged("the server sent another range than the requested one")
        length, total = covered, None if match[3] == "*" else int(match[3])
    version = _version(response, url, total)
    if status == 206:  # such a response need not repeat every header of the whole file
        if known is None or known.differs(version):
            raise FileChanged("the file on the server has changed")
        version = replace(known, url=version.url, total=known.total if total is None else total)
    elif end is not None:
        if version.same_as(known):
            raise RangesUnsupported("the server no longer sends ranges of the file")
        raise FileChanged("the file on the server has changed")
    by_range = status == 206 or "bytes" in response.headers.get("Accept-Ranges", "").lower()
    ranges = version.validator is not None and total is not None and by_range
    return RangeResponse(response, version, first, length, chunked or length is not None, ranges)


def _check_content(response: requests.Response, url: str) -> None:
    """Refuse a web page, such as a login form, and a body that is compressed for the transfer."""
    if response.headers.get("Content-Type", "").strip().lower().startswith("text/html"):
        raise DownloadFailed(
            f"{redacted(url)}: a web page arrived instead of the file; look at the address in a browser"
        )
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    # Many servers declare the encoding gzip for a file that is itself a gzip.
    own = encoding in ("gzip", "x-gzip") and urlsplit(url).path.lower().endswith((".gz", ".tgz"))
    if encoding not in ("", "identity") and not own:
        raise DownloadFailed(
            f"{redacted(url)}: the server sends the file compressed as {encoding}; use another address"
        )


def _version(response: requests.Response, url: str, total: int | None) -> FileVersion:
    """The version that the headers describe.

    A Last-Modified date is a strong validator only if it is at least a second old (RFC 9110, section 8.8.2.2). It does
    not replace a weak ETag (section 13.1.5).
    """
    etag, modified = response.headers.get("ETag"), response.headers.get("Last-Modified")
    validator = None
    if etag and etag.startswith('"'):
        validator = etag
    elif modified and not etag:
        changed, answered = _time(modified), _time(response.headers.get("Date", ""))
        if changed and answered and (answered - changed).total_seconds() >= 1:
            validator = modified
    return FileVersion(redacted(url), etag, modified, validator, total)


def retry_after(response: requests.Response) -> float:
    """Seconds that the header Retry-After, a number or a date, asks to wait; 0 without it."""
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
