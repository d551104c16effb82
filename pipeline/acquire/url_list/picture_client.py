"""Send one HTTP request for a picture or a robots.txt, and classify the reply."""

import hashlib
import http.cookiejar
import os
import re
import threading
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import requests
import requests.adapters
import urllib3

from pipeline.acquire.download.http_client import retry_after
from pipeline.acquire.url_list import robots
from pipeline.core.errors import BadParameters

PROGRAM = "dcgan-pipeline"
"""The name of this program in a robots.txt."""

_LONGEST_URL = 8000
_BLOCK = 1 << 16
_START = 64  # bytes that identify the format of a picture
_PATIENCE = 20  # maximum total time per picture, in timeouts
_MAGIC = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|GIF8[79]a|II[*+]\0|MM\0[*+]|RIFF....WEBP"
    rb"|BM....\0\0\0\0....[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0",  # the last byte is the length of a known BMP header
    re.DOTALL,
)


@dataclass(frozen=True)
class PictureRequest:
    """A request to send.

    Attributes:
        number: number of the picture.
        to: file for its bytes.
        robots_of: the site whose robots.txt is requested; None for a picture.
        hops: redirects followed so far.
        tries: failed attempts so far.
    """

    number: int
    url: str
    to: Path = Path()
    robots_of: str | None = None
    hops: int = 0
    tries: int = 0


@dataclass(frozen=True)
class Outcome:
    """The final status of a picture; `bytes` and `sha256` are set if the status is `fetched`."""

    status: str
    http_status: int | None = None
    bytes: int | None = None
    sha256: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Redirect:
    """The server redirects to another address."""

    url: str
    http_status: int


@dataclass(frozen=True)
class RetryLater:
    """A failure that may be temporary.

    The server asks to wait `pause` seconds; if `whole_host`, the pause applies to all requests to the host.
    """

    reason: str
    http_status: int | None = None
    pause: float = 0.0
    whole_host: bool = False
    unreachable: bool = False


Reply = Outcome | Redirect | RetryLater | robots.Rules


def user_agent(contact: str) -> str:
    """The User-Agent header: the program and its user's address, so that the operator of a host can contact the user.

    Raises:
        BadParameters: `contact` is neither an e-mail address nor a web address.
    """
    if not re.fullmatch(r"(https?://[!-~]+|[!-~]+@[!-~]+\.[!-~]+)", contact) or set(contact) & set('()<>\\"'):
        raise BadParameters(f"--contact {contact!r}: expected an e-mail address or a web address of yours")
    return f"{PROGRAM} ({contact})"


def clean_url(url: str) -> str:
    """`url` as it is sent: quoted, without `..` and fragment; robots.txt is applied to the same text.

    Raises:
        ValueError: the URL cannot be requested; the message gives the reason.
    """
    if not url or len(url) > _LONGEST_URL:
        raise ValueError(f"longer than {_LONGEST_URL} characters" if url else "empty")
    if re.search(r"[\s\x00-\x20\x7f-\x9f\ud800-\udfff]", url):
        raise ValueError("a space or control character in it")
    if not re.match("https?:", url, re.IGNORECASE):
        raise ValueError("not http or https")
    prepared = requests.PreparedRequest()
    try:
        parts = urllib.parse.urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0 and "@" not in parts.netloc
        prepared.prepare_url(url, None)
        prepared.prepare_url(str(prepared.url), None)  # the first call may have turned `%2e%2e` into `..`
    except (ValueError, requests.RequestException, urllib3.exceptions.HTTPError):
        usable = False
    if not usable:
        raise ValueError("not a web address or one with a login in it")
    return urllib.parse.urldefrag(str(prepared.url)).url


def too_large(max_bytes: int) -> Outcome:
    """The outcome for a picture of more than `max_bytes`."""
    return Outcome("too_large", 200, detail=f"more than {max_bytes} bytes")


class PictureClient:
    """A session without cookies or logins, so that replies are independent. Proxies are taken from the environment."""

    def __init__(self, agent: str, *, per_host: int, workers: int, max_bytes: int, timeout: float) -> None:
        self._max_bytes, self._timeout = max_bytes, timeout
        self._session = requests.Session()
        self._session.headers.update({"User-Agent": agent, "Accept-Encoding": "identity"})
        self._session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
        self._session.auth = lambda prepared: prepared  # else logins from ~/.netrc would be sent
        # Servers also count idle connections, so no more are kept than may be used.
        adapter = requests.adapters.HTTPAdapter(pool_connections=2 * workers, pool_maxsize=per_host)
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, adapter)

    def close(self) -> None:
        self._session.close()

    def send(self, request: PictureRequest, stop: threading.Event) -> Reply:
        """Send one request; the caller follows redirects and tries again.

        Args:
            stop: when set, the body is read no further.

        Raises:
            OSError: the picture could not be written.
        """
        try:
            with self._session.get(request.url, stream=True, allow_redirects=False, timeout=self._timeout) as response:
                return self._read(request, response, stop)
        except (requests.ConnectTimeout, requests.ConnectionError) as error:
            causes = " ".join(_types(error))
            if "NewConnectionError" in causes or "NameResolutionError" in causes or "ConnectTimeout" in causes:
                return RetryLater("the host cannot be reached", unreachable=True)
            secure = isinstance(error, requests.exceptions.SSLError)
            return RetryLater("no secure connection" if secure else "the connection broke")
        except (requests.Timeout, urllib3.exceptions.ReadTimeoutError):
            return RetryLater("the host stopped answering")
        except (requests.exceptions.ChunkedEncodingError, urllib3.exceptions.HTTPError):
            return RetryLater("the connection broke")
        except requests.RequestException as error:
            return Outcome("failed", detail=f"the address cannot be requested ({type(error).__name__})")

    def _read(self, request: PictureRequest, response: requests.Response, stop: threading.Event) -> Reply:
        status = response.status_code
        if status == 429 or status >= 500:
            reason = f"the server answered {status}"
            return RetryLater(reason, status, retry_after(response), whole_host=status in (429, 503))
        if response.is_redirect:
            target = self._session.get_redirect_target(response) or ""
            try:
                return Redirect(requests.utils.requote_uri(urllib.parse.urljoin(request.url, target)), status)
            except ValueError:
                return Outcome("failed", status, detail="redirected to no web address")
        blocks = _blocks(response, time.monotonic() + _PATIENCE * self._timeout, stop)
        if request.robots_of is not None:
            return robots.parse(_first(blocks, robots.READ_BYTES) if status == 200 else b"", PROGRAM)
        if status != 200:
            return Outcome("failed", status, detail=f"the server answered {status}")
        length = response.headers.get("Content-Length", "")
        if length.isdecimal() and int(length) > self._max_bytes:
            return too_large(self._max_bytes)
        return self._save(request.to, blocks)

    def _save(self, to: Path, blocks: Iterator[bytes]) -> Outcome:
        """Write a picture's bytes; stop reading as soon as the body turns out too large, or not to be a picture."""
        digest, total, start = hashlib.sha256(), 0, b""
        with to.open("wb") as file:
            for block in blocks:
                total += len(block)
                if total > self._max_bytes:
                    return too_large(self._max_bytes)
                if len(start) < _START:
                    start += block[:_START]
                    if len(start) >= _START and not _MAGIC.match(start):
                        break
                digest.update(block)
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
        if _MAGIC.match(start):
            return Outcome("fetched", 200, total, digest.hexdigest())
        page = start.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<"
        return Outcome(
            "not_an_image", 200, detail="a web page arrived" if page else "not a picture" if start else "empty"
        )


def _blocks(response: requests.Response, deadline: float, stop: threading.Event) -> Iterator[bytes]:
    """The body as it arrives. (`iter_content` waits for whole blocks: a slow server could keep it waiting for days.)"""
    while block := response.raw.read1(_BLOCK, decode_content=True):
        yield block
        if stop.is_set() or time.monotonic() > deadline:
            raise requests.Timeout


def _first(blocks: Iterator[bytes], length: int) -> bytes:
    body = b""
    for block in blocks:
        body += block
        if len(body) >= length:
            break
    return body


def _types(error: BaseException | None) -> Iterator[str]:
    """The type names of an error and of its causes."""
    while error is not None:
        yield type(error).__name__
        inner = [cause for cause in (*error.args, getattr(error, "reason", None)) if isinstance(cause, BaseException)]
        error = inner[-1] if inner else None
