"""Download one file over HTTP, with retries until it is complete.

Received bytes are kept in `NAME.part` next to the final file; see `partial_file`. A broken or killed transfer is
resumed from these bytes. Bytes of two versions of a file are never mixed. Only a complete and verified file gets its
final name.
"""

import urllib.parse
import urllib.request
import zipfile
import zlib
from pathlib import Path

from pipeline.acquire.download.checksums import Checksums, checksums
from pipeline.acquire.download.http_client import TIMEOUT, redacted
from pipeline.acquire.download.partial_file import PartialFile, open_partial_file
from pipeline.acquire.download.retry import ACCEPT_ANY, TRIES, RetryingDownload
from pipeline.core import progress
from pipeline.core.disk import require_free_space
from pipeline.core.errors import ChecksumMismatch, CorruptData, DownloadFailed

__all__ = ["CONNECTIONS", "TRIES", "download"]

CONNECTIONS = 4
"""Maximum number of connections at a time for a large file, if the server supports ranges."""

_BLOCK = 1 << 20


def download(
    url: str,
    to: Path,
    *,
    length: int | None = None,
    sha256: str | None = None,
    md5: str | None = None,
    pause: float = 1.0,
    timeout: float = TIMEOUT,
    connections: int = CONNECTIONS,
) -> Checksums:
    """Download `url` to the file `to`, and resume what an earlier call received.

    A server may replace a file without changing ETag, Last-Modified and length. Only a digest shows this. For a zip
    without a known digest, the checksums inside the zip are compared.

    Args:
        url: `http:`, `https:` or `file:`, or a plain path.
        to: final name; its folder is made.
        length: bytes to expect, if known.
        sha256, md5: digests to expect, if known.
        pause: seconds before the second attempt; doubled for each further one.
        timeout: seconds without a byte until a connection counts as dead. connections: maximum number of connections at
            a time, for a large file.

    Returns:
        Length and digests of the file.

    Raises:
        DownloadFailed: the server refused, sent something else, or kept failing; received bytes are kept.
        ChecksumMismatch: the complete file is not the expected one; it is deleted.
        CorruptData: the complete file is named `.zip` but is not a valid zip; it is deleted.
        Busy: another process is downloading this file.
        PipelineError: the disk has too little free space.
    """
    with open_partial_file(to) as part:
        scheme = urllib.parse.urlsplit(url).scheme
        if scheme in ("http", "https"):
            RetryingDownload(url, part, length, bool(sha256 or md5), pause, timeout, connections).run()
        elif scheme != "file" and "://" in url:
            part.discard()
            raise DownloadFailed(f"{url}: {scheme} is not supported; give an http, https or file address, or a path")
        else:
            _copy(Path(urllib.request.url2pathname(urllib.parse.urlsplit(url).path) if scheme == "file" else url), part)
        found = checksums(part.path)
        wrong = [
            f"{name} {theirs}"
            for name, ours, theirs in (("sha256", sha256, found.sha256), ("md5", md5, found.md5))
            if ours and ours.lower() != theirs
        ]
        if wrong or length not in (None, found.bytes):
            part.discard()
            raise ChecksumMismatch(
                f"{redacted(url)}: {found.bytes:,} bytes with {wrong[0] if wrong else f'sha256 {found.sha256}'} "
                f"arrived, expected {'any number of' if length is None else f'{length:,}'} bytes with "
                f"{f'sha256 {sha256}' if sha256 else f'md5 {md5}' if md5 else 'any digest'}; they were deleted: run "
                f"this again, or, {ACCEPT_ANY}"
            )
        if to.suffix.lower() == ".zip" and not (sha256 or md5) and (problem := _problem_of_zip(part.path)):
            part.discard()
            raise CorruptData(
                f"{redacted(url)}: {found.bytes:,} bytes arrived, {problem}; they were deleted: check the address, "
                "or run this again"
            )
        part.publish(to)
    return found


def _copy(source: Path, part: PartialFile) -> None:
    """Copy a local file; a copy is not resumed."""
    if not source.is_file():
        part.discard()
        raise DownloadFailed(f"{source}: no such file; correct the address")
    length = source.stat().st_size
    require_free_space(part.path.parent, length, f"copying {source.name}")
    part.reset(None)
    with source.open("rb") as original, progress.bar(f"copying {source.name}", length, "bytes") as advance:
        while block := original.read(_BLOCK):
            part.write(original.tell() - len(block), block)
            advance(len(block))


def _problem_of_zip(path: Path) -> str | None:
    """Read every member of a file that should be a zip; return what is wrong with it, or None for a valid zip."""
    with path.open("rb") as file:
        if file.read(512).lstrip()[:1] == b"<":
            return "a web page, not a zip"
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
        return f"not a whole zip ({error})"
    except RuntimeError:  # encrypted, or an unknown compression
        return None
    return f"whose member {damaged!r} is damaged" if damaged else None
