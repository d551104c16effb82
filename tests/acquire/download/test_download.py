"""Downloads over a real server: dropped, resumed, refused, replaced under way."""

import fcntl
import hashlib
import json
import re
import shutil
import threading
import time
from collections import deque

import pytest
import rich.console

from pipeline.acquire.download import range_download, retry
from pipeline.acquire.download.download import TRIES, download
from pipeline.core import disk, progress
from pipeline.core.errors import Busy, ChecksumMismatch, CorruptData, DownloadFailed, PipelineError
from tests.acquire.scripted_server import PAGE, Behaviour, serving, zip_of

CONTENT = zip_of(1, 2_999_872)
OTHER = zip_of(2, 1_999_872)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def fetch(server, tmp_path):
    """A function that downloads the server's file to `tmp_path/x.zip`."""
    server.content = CONTENT

    def fetch(**options):
        return download(f"{server.url}/x.zip", tmp_path / "x.zip", pause=0.002, **options)

    return fetch


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_whole_file_with_digests_of_one_pass(fetch, tmp_path):
    """The file stands under its name and nothing else is left; length, SHA-256 and MD5 are right."""
    sums = fetch(length=len(CONTENT), sha256=SHA256)
    assert (tmp_path / "x.zip").read_bytes() == CONTENT
    assert (sums.bytes, sums.sha256, sums.md5) == (len(CONTENT), SHA256, hashlib.md5(CONTENT).hexdigest())
    assert names(tmp_path) == ["x.zip"]


def test_dropped_connections_are_resumed_where_they_broke(fetch, server, tmp_path):
    """Each attempt asks for the rest only, and only of the same version."""
    server.drops = [1_000_000, 500_000]
    fetch(sha256=SHA256)
    ranges = [(request.get("Range"), request.get("If-Range")) for request in server.requests]
    assert ranges[0] == (None, None)
    assert [version for _, version in ranges[1:]] == ['"one"', '"one"']
    starts = [int(asked[6:-1]) for asked, _ in ranges[1:]]
    assert 0 < starts[0] < starts[1] <= 1_500_000
    assert (tmp_path / "x.zip").read_bytes() == CONTENT


def test_a_later_call_resumes_an_earlier_one(fetch, server, tmp_path):
    """What arrived before giving up is kept, under no final name, and used."""
    server.drops = [1_000_000]
    server.answers = [200] + [503] * TRIES
    with pytest.raises(DownloadFailed, match=rf"503 .*{TRIES} times in a row.*bytes are kept in .*x\.zip\.part"):
        fetch()
    kept = (tmp_path / "x.zip.part").stat().st_size
    assert 0 < kept <= 1_000_000 and "x.zip" not in names(tmp_path)
    server.requests.clear()
    server.answers.clear()
    fetch(sha256=SHA256)
    assert [request["Range"] for request in server.requests] == [f"bytes={kept}-"]


def test_a_changed_file_starts_over(fetch, server, tmp_path):
    """Halves of two versions are never glued together."""
    server.drops, server.answers = [1_000_000], [200, *[500] * TRIES]
    with pytest.raises(DownloadFailed):
        fetch()
    server.content, server.validators = OTHER, {"ETag": '"two"'}
    fetch()
    assert (tmp_path / "x.zip").read_bytes() == server.content


@pytest.mark.parametrize("validators", [{}, {"ETag": 'W/"weak"'}])
def test_without_a_strong_validator_nothing_is_resumed(fetch, server, tmp_path, validators):
    """A server that cannot vouch for the same bytes is asked for all of them."""
    server.validators, server.drops = validators, [1_000_000]
    fetch(sha256=SHA256)
    assert len(server.requests) == 2 and "Range" not in server.requests[1]


def test_a_date_serves_as_validator(fetch, server):
    """Without a strong ETag the time of last change names the version."""
    server.validators, server.drops = {"Last-Modified": "Thu, 19 Nov 2015 00:00:00 GMT"}, [1_000_000]
    fetch(sha256=SHA256)
    assert server.requests[1]["If-Range"] == "Thu, 19 Nov 2015 00:00:00 GMT"


@pytest.mark.parametrize("status", [429, 500, 503])
def test_passing_troubles_pass(fetch, server, tmp_path, status):
    """Too many requests and errors of the server are tried again."""
    server.answers = [status, status]
    fetch()
    assert len(server.requests) == 3 and (tmp_path / "x.zip").exists()


@pytest.mark.parametrize("status", [403, 404, 410])
def test_refusals_are_final(fetch, server, tmp_path, status):
    """What will not change is not asked for again, and leaves no file."""
    server.answers = [status]
    with pytest.raises(DownloadFailed, match=f"the server answered {status}"):
        fetch()
    assert len(server.requests) == 1 and "x.zip" not in names(tmp_path)


def test_a_web_page_is_not_an_archive(fetch, server, tmp_path):
    """A login or quota page answers 200; it must not be saved as a zip."""
    server.content, server.kind = b"<html>Quota exceeded</html>", "text/html; charset=utf-8"
    with pytest.raises(DownloadFailed, match="a web page arrived instead"):
        fetch()
    assert "x.zip" not in names(tmp_path)


def test_another_length_is_refused_before_the_first_byte(fetch, tmp_path):
    """46 GB of the wrong file are not fetched to find that out."""
    with pytest.raises(DownloadFailed, match="offers 3,000,000 bytes, expected 4,000,000"):
        fetch(length=4_000_000)
    assert names(tmp_path) == []


def test_a_wrong_digest_is_not_kept(fetch, tmp_path):
    """Resuming a damaged part for ever would never end well."""
    with pytest.raises(ChecksumMismatch, match=f"sha256 {SHA256} arrived, expected"):
        fetch(sha256="0" * 64)
    assert names(tmp_path) == []


def test_a_stale_part_is_discarded(fetch, tmp_path):
    """A part longer than the server's file, or of an unknown version, does not end up in the result."""
    (tmp_path / "x.zip.part").write_bytes(b"?" * 4_000_000)
    (tmp_path / "x.zip.part.version").write_text('"one"')
    fetch(sha256=SHA256)
    assert (tmp_path / "x.zip").read_bytes() == CONTENT


def test_no_room_is_found_before_writing(fetch, tmp_path, monkeypatch):
    """A full disk is an error of one line, before the transfer."""
    usage = shutil.disk_usage(tmp_path)._replace(free=1_000_000)
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(PipelineError, match=r"fetching x\.zip needs 0\.00 GB"):
        fetch()


def test_two_processes_do_not_write_one_file(fetch, tmp_path):
    """The second one is told."""
    with (tmp_path / "x.zip.part").open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(Busy, match="another process is downloading"):
            fetch()


def test_nobody_listens(tmp_path, monkeypatch):
    """A dead server is named with its cause, without object addresses."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(DownloadFailed, match=rf"127\.0\.0\.1:9/x.zip: ConnectionError .*{TRIES} times") as caught:
        download("http://127.0.0.1:9/x.zip", tmp_path / "x.zip", pause=0.001)
    assert " at 0x" not in str(caught.value)


def test_files_of_this_machine(tmp_path):
    """A path or a file: address is copied under the same checks."""
    original = tmp_path / "my archive.zip"
    original.write_bytes(CONTENT)
    for number, address in enumerate((str(original), original.as_uri())):
        assert download(address, tmp_path / f"{number}.zip", sha256=SHA256).bytes == len(CONTENT)
    with pytest.raises(DownloadFailed, match="no such file"):
        download(str(tmp_path / "nowhere.zip"), tmp_path / "x.zip")


def test_md5_counts_as_a_digest(fetch, tmp_path):
    """Some owners publish nothing better."""
    fetch(md5=hashlib.md5(CONTENT).hexdigest().upper())
    with pytest.raises(ChecksumMismatch, match=r"with md5 .* arrived, expected .* md5 0000"):
        fetch(md5="0" * 32)


def test_a_page_or_half_a_zip_does_not_pass_for_a_zip(fetch, server, tmp_path):
    """Without a digest, what is called a zip is held against its own checksums."""
    for content, words in (
        (PAGE, "a web page, not a zip"),
        (CONTENT[:-500], "not a whole zip"),
        (CONTENT[:5000] + b"?" + CONTENT[5001:], "x_lmdb/data.mdb' is damaged"),
    ):
        server.content = content
        with pytest.raises(CorruptData, match=words):
            fetch()
        assert names(tmp_path) == []


@pytest.mark.parametrize(("asked", "seconds"), [("3", 3.0), ("Thu, 01 Jan 2015 00:00:00 GMT", 0.0), ("soon", 0.0)])
def test_a_pause_that_the_server_asks_for_is_kept(server, tmp_path, monkeypatch, asked, seconds):
    """Retry-After is a number or a date; a longer one than anyone sits through ends the call with advice."""
    server.content, server.answers = CONTENT, [429, 429]
    paused = []
    monkeypatch.setattr(retry.time, "sleep", paused.append)
    original = server.RequestHandlerClass.send_response

    def send_response(self, code, message=None):
        original(self, code, message)
        if code == 429:
            self.send_header("Retry-After", asked)

    monkeypatch.setattr(server.RequestHandlerClass, "send_response", send_response)
    download(f"{server.url}/x.zip", tmp_path / "x.zip", pause=0.004)
    low, high = (seconds, seconds) if seconds else (0.002, 0.008)
    assert len(paused) == 2 and all(low <= pause <= high for pause in paused)
    asked, server.answers = "86400", [429]
    with pytest.raises(DownloadFailed, match="the server asks to wait 86,400 s"):
        download(f"{server.url}/x.zip", tmp_path / "x.zip", pause=0.001)


def test_an_untold_length_needs_another_proof(tmp_path, monkeypatch):
    """Where only the end of the connection says that this was all, a cut looks the same."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for options, right in (({}, False), ({"sha256": SHA256}, True), ({"length": len(CONTENT)}, True)):
        with serving(Behaviour([CONTENT], deque([("undelimited", 1.0)]), "none")) as server:
            if right:
                assert download(f"{server.url}/x.zip", tmp_path / "x.zip", **options).sha256 == SHA256
            else:
                with pytest.raises(DownloadFailed, match="does not state the length"):
                    download(f"{server.url}/x.zip", tmp_path / "x.zip", **options)


def test_an_endless_body_is_cut_off(tmp_path, monkeypatch):
    """More than was expected is not written until the disk is full."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with (
        serving(Behaviour([CONTENT], deque([("chunked", 0.4)]), "none")) as server,
        pytest.raises(DownloadFailed, match="sends more than 1,000 bytes"),
    ):
        download(f"{server.url}/x.zip", tmp_path / "x.zip", length=1000)


def test_a_trickle_is_a_stall(tmp_path, monkeypatch):
    """A server that sends a byte now and then keeps nobody waiting for ever."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    content = zip_of(1, 2000)
    with serving(Behaviour([content], rate=100.0)) as server:
        monkeypatch.setattr("tests.acquire.scripted_server.Handler.send", _trickle)
        begun = time.monotonic()
        with pytest.raises(DownloadFailed, match=r"stalled: \d+ bytes"):
            download(f"{server.url}/x.zip", tmp_path / "x.zip", pause=0.001, timeout=0.1)
        assert time.monotonic() - begun < 10


def _trickle(self, body):
    for number in range(len(body)):
        if self.server.ended.wait(0.02):
            return
        self.wfile.write(body[number : number + 1])


def test_another_address_resumes_only_under_a_digest(fetch, server, tmp_path):
    """Two servers may call different bytes by one name; a digest would tell."""
    server.drops, server.answers = [1_000_000], [200, *[503] * TRIES]
    with pytest.raises(DownloadFailed):
        fetch()
    server.requests.clear()
    server.answers.clear()
    options = {"to": tmp_path / "x.zip", "pause": 0.002}
    server.drops, server.answers = [0], [200, *[503] * TRIES]
    with pytest.raises(DownloadFailed):
        download(f"{server.url}/mirror/x.zip", sha256=SHA256, **options)
    assert server.requests[0]["Range"]
    server.requests.clear()
    server.answers.clear()
    download(f"{server.url}/third/x.zip", **options)
    assert "Range" not in server.requests[0]
    assert (tmp_path / "x.zip").read_bytes() == CONTENT


def test_a_whole_part_is_not_fetched_again(fetch, server, tmp_path, monkeypatch):
    """Killed between the last byte and the final name."""
    monkeypatch.setattr("pipeline.acquire.download.download.checksums", lambda path: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        fetch()
    monkeypatch.undo()
    server.requests.clear()
    fetch()
    assert server.requests == [] and (tmp_path / "x.zip").read_bytes() == CONTENT


def test_addresses_that_are_none(tmp_path):
    """What cannot be fetched is said at once; a password is not repeated."""
    for address, words in (("ftp://host/x", "ftp is not supported"), ("http://", "correct the address")):
        with pytest.raises(DownloadFailed, match=words):
            download(address, tmp_path / "x")
    with pytest.raises(DownloadFailed) as caught:
        download("http://me:secret@127.0.0.1:9/x", tmp_path / "x", pause=0.0001)
    assert "secret" not in str(caught.value) and names(tmp_path) == []


def test_a_proxy_of_the_environment_is_used(server, tmp_path, monkeypatch):
    """As everywhere else on a machine behind one."""
    server.content = CONTENT
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, server.url)
    download("http://nowhere.invalid/x.zip", tmp_path / "x.zip", sha256=SHA256)
    assert server.requests[0]["Host"] == "nowhere.invalid"


@pytest.fixture
def pieces(monkeypatch):
    """Let files of this size be fetched in pieces of 100,000 bytes."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(range_download, "MIN_BYTES", 1_000_000)
    monkeypatch.setattr(range_download, "RANGE_BYTES", 100_000)


@pytest.mark.parametrize("validators", ["etag", "date"])
def test_several_connections_give_the_same_bytes(pieces, tmp_path, validators):
    """At once, each byte once, over connections that are kept."""
    with serving(Behaviour([CONTENT], validators=validators, rate=2e6)) as server:
        download(f"{server.url}/x.zip", tmp_path / "x.zip", sha256=SHA256)
        assert server.busiest > 1
        spans = [tuple(map(int, asked[6:].split("-"))) for asked in server.asked[1:]]
        assert all(end - start < 100_000 for start, end in spans) and len(spans) == 29
    assert (tmp_path / "x.zip").read_bytes() == CONTENT and names(tmp_path) == ["x.zip"]


def test_whichever_thread_is_quickest(pieces, tmp_path, monkeypatch):
    """The answer that is already open goes with the piece that it was asked for."""
    real = range_download._RangeDownload.run

    def late(self, *arguments):
        if arguments:
            time.sleep(0.2)
        real(self, *arguments)

    monkeypatch.setattr(range_download._RangeDownload, "run", late)
    with serving(Behaviour([CONTENT], rate=5e6)) as server:
        download(f"{server.url}/x.zip", tmp_path / "x.zip", sha256=SHA256)


@pytest.mark.parametrize("validators", ["weak", "none"])
def test_one_connection_where_nothing_vouches_for_equal_bytes(pieces, tmp_path, validators):
    """Pieces of two versions would fit together all too well."""
    with serving(Behaviour([CONTENT], validators=validators)) as server:
        download(f"{server.url}/x.zip", tmp_path / "x.zip", sha256=SHA256)
        assert server.asked == [None]


def test_a_server_that_allows_two_connections_is_read_by_two(pieces, tmp_path):
    """What is refused to the third is no failure."""
    with serving(Behaviour([CONTENT], rate=2e6, limit=2)) as server:
        download(f"{server.url}/x.zip", tmp_path / "x.zip", sha256=SHA256, pause=30)
        assert len(server.asked) <= 29 + 1 + 4


def test_a_server_that_stops_sending_parts_is_read_to_the_end(pieces, tmp_path):
    """What is here from the front is kept and passed over when all comes again."""
    faults = deque([("", 1.0)] * 10 + [("no ranges", 1.0)])
    with serving(Behaviour([CONTENT], faults, rate=5e6)) as server:
        download(f"{server.url}/x.zip", tmp_path / "x.zip", pause=0.002)
        assert server.asked[-1].endswith("-")
    assert (tmp_path / "x.zip").read_bytes() == CONTENT


def test_a_file_that_changes_under_several_connections(pieces, tmp_path):
    """All of them start over."""
    faults = deque([("", 1.0)] * 10 + [("change", 1.0)])
    with serving(Behaviour([CONTENT, OTHER], faults, rate=5e6)) as server:
        download(f"{server.url}/x.zip", tmp_path / "x.zip", pause=0.002)
    assert (tmp_path / "x.zip").read_bytes() == OTHER


def test_an_interruption_ends_all_connections_soon(pieces, tmp_path, monkeypatch):
    """Ctrl-C does not wait for servers that say nothing; what is here is kept."""
    faults = deque([("", 1.0)] * 8 + [("stall", 0.5)] * 50)
    real = threading.Thread.join
    part = tmp_path / "x.zip.part"

    def here():
        return 512 * part.stat().st_blocks if part.exists() else 0

    def interrupted(self, timeout=None):
        # When every connection has stalled, however long a busy machine takes to get there.
        seen = -1
        while self.is_alive() and not seen == here() >= 900_000 and time.monotonic() < begun + 60:
            seen = here()
            real(self, 0.4)
        if self.is_alive() and not interrupted.at:
            interrupted.at = time.monotonic()
            raise KeyboardInterrupt
        real(self, timeout)

    interrupted.at = None
    with serving(Behaviour([CONTENT], faults, stall=20)) as server:
        monkeypatch.setattr(threading.Thread, "join", interrupted)
        begun = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            download(f"{server.url}/x.zip", tmp_path / "x.zip", timeout=60)
        assert time.monotonic() - interrupted.at < 15  # none waits for the end of a stall
        monkeypatch.undo()
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        server.behaviour.faults.clear()
        kept = json.loads((tmp_path / "x.zip.part.version").read_text())["ranges"]
        assert sum(end - start for start, end in kept) >= 800_000
        before = len(server.asked)
        download(f"{server.url}/x.zip", tmp_path / "x.zip", sha256=SHA256)
        for asked in server.asked[before:]:  # the first has no end, and its answer is left when its piece has come
            first, last = re.fullmatch(r"bytes=(\d+)-(\d*)", asked).groups()
            assert not any(start <= int(last or first) and int(first) < end for start, end in kept)


def test_the_bar_of_bytes_has_a_rate(monkeypatch, capsys):
    """A person sees how much came, how fast, and how long it will take."""
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(
        rich.console, "Console", lambda **_: real_console(file=progress.sys.stderr, force_terminal=True, width=150)
    )
    progress.set_quiet(False)
    with progress.bar("fetching x", 5_000_000, "bytes", done=1_000_000) as advance:
        for _ in range(4):
            time.sleep(0.02)
            advance(1_000_000)
    shown = capsys.readouterr().err
    assert "5.0/5.0 MB" in shown and "MB/s" in shown and "left" in shown
    with progress.bar("fetching x", None, "bytes") as advance:
        advance(1)


real_console = rich.console.Console
