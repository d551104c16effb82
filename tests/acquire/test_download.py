"""Downloads over a real server: dropped, resumed, refused, replaced under way."""

import fcntl
import hashlib
import os
import shutil

import pytest

from pipeline.acquire import disk
from pipeline.acquire.download import TRIES, download
from pipeline.errors import Busy, ChecksumMismatch, DownloadFailed, PipelineError

CONTENT = os.urandom(3_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def fetch(server, tmp_path):
    """A function that downloads the server's file to `tmp_path/x.zip`."""
    server.content = CONTENT

    def fetch(**options):
        return download(f"{server.url}/x.zip", tmp_path / "x.zip", pause=0.01, **options)

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
    server.content, server.validators = os.urandom(2_000_000), {"ETag": '"two"'}
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
    with pytest.raises(DownloadFailed, match="a web page came instead"):
        fetch()
    assert "x.zip" not in names(tmp_path)


def test_another_length_is_refused_before_the_first_byte(fetch, tmp_path):
    """46 GB of the wrong file are not fetched to find that out."""
    with pytest.raises(DownloadFailed, match="offers 3,000,000 bytes, expected 4,000,000"):
        fetch(length=4_000_000)
    assert (tmp_path / "x.zip.part").stat().st_size == 0


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
        with pytest.raises(Busy, match="another process is fetching"):
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
