"""Fetch one file over HTTP, again and again until it is whole.

What arrives is kept in `NAME.part` beside the final name, with the server's name for this very version of the file
(`NAME.part.version`), so that a broken transfer goes on where it stopped (RFC 9110, sections 13.1.5 and 14) and never
glues two versions together. Only a whole and verified file gets its final name.
"""

import fcntl
import os
import shutil
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import BinaryIO

import requests

from pipeline import files, progress
from pipeline.acquire.disk import Checksums, checksums, require_room
from pipeline.errors import Busy, ChecksumMismatch, DownloadFailed

TRIES = 6
"""Attempts in a row that bring no byte before giving up."""

_LONGEST_PAUSE = 60.0
_TIMEOUT = (30, 120)  # seconds to connect, and between two blocks
_BLOCK = 1 << 16  # what is left of a block when the connection breaks is lost, so it is small


class _TryAgain(Exception):
    """This attempt failed in a way that may pass; `pause` seconds are what the server asked for."""

    def __init__(self, reason: str, pause: float = 0.0) -> None:
        super().__init__(reason)
        self.pause = pause


def download(
    url: str, to: Path, *, length: int | None = None, sha256: str | None = None, pause: float = 1.0
) -> Checksums:
    """Fetch `url` to the file `to`, resuming what an earlier call left.

    Args:
        url: `http:`, `https:` or `file:`, or a plain path.
        to: final name; its folder is made.
        length: bytes to expect, if known.
        sha256: digest to expect, if known.
        pause: seconds before the second attempt; doubled for each further one.

    Returns:
        Length and digests of the file.

    Raises:
        DownloadFailed: the other side refused, sent something else, or kept failing; what arrived is kept.
        ChecksumMismatch: all arrived, but it is not what was expected; it is deleted.
        Busy: another process is fetching this file.
        PipelineError: the disk has no room for it.
    """
    part = to.with_name(f"{to.name}.part")
    to.parent.mkdir(parents=True, exist_ok=True)
    with part.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(f"{part}: another process is fetching this file; wait for it, then run this again") from None
        scheme = urllib.parse.urlsplit(url).scheme
        if scheme in ("http", "https"):
            _fetch(url, file, part, length, pause)
        else:
            _copy(Path(urllib.request.url2pathname(urllib.parse.urlsplit(url).path) if scheme else url), file)
        file.flush()
        os.fsync(file.fileno())
        found = checksums(part)
        if (length is not None and found.bytes != length) or (sha256 is not None and found.sha256 != sha256):
            part.unlink()
            _version_file(part).unlink(missing_ok=True)
            raise ChecksumMismatch(
                f"{url}: {found.bytes:,} bytes with sha256 {found.sha256} arrived, expected "
                f"{f'{length:,}' if length is not None else 'any'} bytes with sha256 {sha256 or 'any'}; they were "
                "deleted: run this again, or fetch the file in another way"
            )
        part.replace(to)
    _version_file(part).unlink(missing_ok=True)
    return found


def _version_file(part: Path) -> Path:
    return part.with_name(f"{part.name}.version")


def _copy(source: Path, file: BinaryIO) -> None:
    """Copy a file of this machine; there is nothing to resume."""
    if not source.is_file():
        raise DownloadFailed(f"{source}: no such file; correct the address")
    require_room(Path(file.name).parent, source.stat().st_size, f"copying {source.name}")
    file.truncate(0)
    with source.open("rb") as original:
        shutil.copyfileobj(original, file, _BLOCK)


def _fetch(url: str, file: BinaryIO, part: Path, length: int | None, pause: float) -> None:
    """Attempts until the file is whole; an attempt that brought something starts the count anew."""
    failures = 0
    while length is None or _size(file) != length:
        before = _size(file)
        try:
            _attempt(url, file, part, length)
            return
        except _TryAgain as error:
            reason, asked = str(error), error.pause
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
            reason, asked = f"{type(error).__name__} ({_root_cause(error)})", 0.0
        except requests.RequestException as error:
            raise DownloadFailed(f"{url}: {error}; correct the address") from None
        failures = 1 if _size(file) > before else failures + 1
        if failures >= TRIES:
            raise DownloadFailed(
                f"{url}: {reason}, {TRIES} times in a row; {_size(file):,} bytes are kept in {part}: run this "
                "again to go on"
            )
        seconds = min(max(pause * 2 ** (failures - 1), asked), _LONGEST_PAUSE)
        progress.say(f"{url}: {reason}; trying again in {seconds:.0f} s")
        time.sleep(seconds)


def _attempt(url: str, file: BinaryIO, part: Path, length: int | None) -> None:
    """One request; appends what comes to `file`."""
    have = _size(file)
    version = _read_version(part)
    headers = {"Accept-Encoding": "identity", "User-Agent": "dcgan-pipeline"}
    if have and version:
        headers |= {"Range": f"bytes={have}-", "If-Range": version}
    with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as response:
        status = response.status_code
        if status == 429 or status >= 500:
            raise _TryAgain(f"the server answered {status} {response.reason}", _asked_pause(response))
        if status == 416 or (status == 206 and _range_start(response) != have):
            _start_over(file, part)
            raise _TryAgain("the server's file does not go with the part that is here")
        if status not in (200, 206):
            raise DownloadFailed(
                f"{url}: the server answered {status} {response.reason}; fetch the file in another way"
            )
        if response.headers.get("Content-Type", "").startswith("text/html"):
            raise DownloadFailed(f"{url}: a web page came instead of the file; look at the address in a browser")
        if status == 200:
            _start_over(file, part)
            have = 0
        coming = response.headers.get("Content-Length", "")
        total = have + int(coming) if coming.isdecimal() else None
        if length is not None and total is not None and total != length:
            raise DownloadFailed(f"{url}: the server offers {total:,} bytes, expected {length:,}; it is another file")
        require_room(part.parent, (total or length or have) - have, f"fetching {part.stem}")
        # A weak validator does not vouch for equal bytes, so it must not be sent in If-Range.
        etag = response.headers.get("ETag", "")
        if validator := etag if etag.startswith('"') else response.headers.get("Last-Modified"):
            files.write_text(_version_file(part), validator)
        with progress.bar(f"fetching {part.stem}", total or length or 0, "bytes", done=have) as advance:
            for block in response.iter_content(_BLOCK):
                file.write(block)
                advance(len(block))
        if total is not None and _size(file) != total:
            raise _TryAgain(f"the connection closed after {_size(file):,} of {total:,} bytes")


def _size(file: BinaryIO) -> int:
    file.flush()
    return os.fstat(file.fileno()).st_size


def _start_over(file: BinaryIO, part: Path) -> None:
    file.flush()
    file.truncate(0)
    _version_file(part).unlink(missing_ok=True)


def _read_version(part: Path) -> str | None:
    try:
        return _version_file(part).read_text()
    except FileNotFoundError:
        return None


def _range_start(response: requests.Response) -> int | None:
    start = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    return int(start) if start.isdecimal() else None


def _asked_pause(response: requests.Response) -> float:
    asked = response.headers.get("Retry-After", "")
    return float(asked) if asked.isdecimal() else 0.0


def _root_cause(error: BaseException) -> str:
    """The innermost cause, without urllib3's object addresses."""
    while error.args and isinstance(error.args[-1], BaseException):
        error = error.args[-1]
    return getattr(error, "strerror", None) or type(error).__name__
