"""Lists of URLs over a real server: robots, limits, faults, hostile rows, kill -9."""

import csv
import fcntl
import hashlib
import itertools
import json
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.acquire.url_list import picture_client, robots
from pipeline.acquire.url_list.fetch_urls import STATUSES, fetch_urls
from pipeline.core.errors import BadParameters, Busy, MissingInput
from pipeline.csv_text import encode_key
from tests.killing import running

ME = "me@example.org"


class Site(ThreadingHTTPServer):
    """Answers each path by its own script; the last answer of a script is repeated.

    Attributes:
        scripts: by path, a list of (status, headers, body); a body of None resets the connection.
        slow: seconds that each answer takes.
        asked: every path asked for so far, with the time and the user agent.
        most: the most requests that were under way at once.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.Lock()
        self.scripts, self.asked, self.slow = {}, [], 0.0
        self.now = self.most = 0

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def serve(self, path, *answers):
        self.scripts[path] = [(answer if isinstance(answer, tuple) else (200, {}, answer)) for answer in answers]

    def times(self):
        return Counter(path for path, _, _ in self.asked if path != "/robots.txt")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # head and body in one packet

    def log_message(self, *_):
        """Quiet."""

    def do_GET(self):
        site = self.server
        with site.lock:
            site.asked.append((self.path, time.monotonic(), self.headers["User-Agent"]))
            site.now += 1
            site.most = max(site.most, site.now)
            script = site.scripts.get(self.path, [(404, {}, b"")])
            status, headers, body = script.pop(0) if len(script) > 1 else script[0]
        time.sleep(site.slow)
        with site.lock:
            site.now -= 1
        if body is None:
            self.close_connection = True
            self.connection.shutdown(2)
            return
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if isinstance(body, list):
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for chunk in [*body, b""]:
                self.wfile.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
            return
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        else:
            self.close_connection = True
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def site(monkeypatch):
    """A running server; it ends with the test."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    with Site() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def fetch(site, tmp_path):
    """A function that fetches rows (name, URL or path of the site, licence) and gives the manifest by name."""

    def fetch(*rows, to="out", **options):
        full = [(name, f"{site.url}{url}" if url.startswith("/") else url, licence) for name, url, licence in rows]
        write_csv(tmp_path / "list.csv", full)
        settings = {"contact": ME, "pause": 0.005, **options}
        counts = fetch_urls(tmp_path / "list.csv", to=tmp_path / to, **settings)
        found = manifest(tmp_path / to)
        assert counts == {"rows": len(rows), **{s: Counter(row["status"] for row in found)[s] for s in STATUSES}}
        return {row["name"]: row for row in found}

    return fetch


def write_csv(path, rows, columns=("name", "url", "licence")):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])


def manifest(folder):
    with (folder / "manifest.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def row(name, licence="CC0"):
    return name, f"/{name}", licence


def test_pictures_arrive_with_their_digests(fetch, site, tmp_path, encode):
    """All six formats, with and without a length; the manifest is sorted; the host was told who asked."""
    bodies = {f"a/{kind}.jpg": encode(file_format=kind) for kind in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")}
    for name, body in bodies.items():
        site.serve(f"/{name}", body)
    bodies["chunked.png"] = bodies["a/PNG.jpg"]
    site.serve("/chunked.png", [bodies["chunked.png"][:10], bodies["chunked.png"][10:]])
    found = fetch(*map(row, reversed(bodies)))
    assert list(found) == sorted(bodies)
    for name, body in bodies.items():
        assert (tmp_path / "out/pictures" / name).read_bytes() == body
        assert found[name]["status"] == "fetched" and found[name]["http_status"] == "200"
        assert (found[name]["bytes"], found[name]["sha256"]) == (str(len(body)), hashlib.sha256(body).hexdigest())
    assert {agent for _, _, agent in site.asked} == {f"dcgan-pipeline ({ME})"}
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["journal.jsonl", "manifest.csv", "pictures"]


def test_robots_are_honoured_also_behind_a_redirect(fetch, site, encode):
    """What is forbidden is never asked for, however the way there is written."""
    site.serve("/robots.txt", b"User-agent: *\nDisallow: /no/\nDisallow: /*.gif$\n")
    site.serve("/yes/a.jpg", encode())
    site.serve("/redirect.jpg", (301, {"Location": "/yes/a.jpg"}, b""))
    site.serve("/trap.jpg", (302, {"Location": f"{site.url}/yes/../no/a.jpg"}, b""))
    site.serve("/odd.jpg", (302, {"Location": "file:///etc/passwd"}, b""))
    site.serve("/loop.jpg", (307, {"Location": "/loop.jpg"}, b""))
    found = fetch(
        *map(row, ("yes/a.jpg", "no/a.jpg", "redirect.jpg", "trap.jpg", "odd.jpg", "loop.jpg", "x.gif")),
        ("dots.jpg", "/yes/%2e%2e/no/b.jpg", "CC0"),
    )
    refused = {name for name, found_row in found.items() if found_row["status"] == "refused_by_robots"}
    assert refused == {"no/a.jpg", "trap.jpg", "x.gif", "dots.jpg"}
    assert found["redirect.jpg"]["sha256"] == found["yes/a.jpg"]["sha256"]
    assert (found["odd.jpg"]["status"], found["odd.jpg"]["detail"]) == (
        "failed",
        "redirected to a bad address: not http or https",
    )
    assert found["loop.jpg"]["detail"] == "more than 5 redirects" and site.times()["/loop.jpg"] == 6
    assert not any(path.startswith("/no/") or path.endswith("gif") for path in site.times())


def test_a_robots_txt_that_cannot_be_read_closes_the_site_for_this_run(fetch, site, encode):
    """No picture is asked for; the next run asks again. A missing robots.txt forbids nothing."""
    site.serve("/a.jpg", encode())
    site.serve("/robots.txt", (503, {}, b""))
    found = fetch(row("a.jpg"))
    assert found["a.jpg"]["status"] == "failed" and found["a.jpg"]["http_status"] == "503"
    assert "robots.txt" in found["a.jpg"]["detail"] and not site.times()
    site.serve("/robots.txt", (403, {}, b""))
    assert fetch(row("a.jpg"))["a.jpg"]["status"] == "fetched"


def test_crawl_delay_is_kept(fetch, site, encode):
    """A second asked for is a second waited, as far as a busy server can see it; a day is taken for a refusal."""
    site.serve("/robots.txt", b"User-agent: dcgan-pipeline\nCrawl-delay: 1\n\nUser-agent: *\nDisallow: /\n")
    for name in "abc":
        site.serve(f"/{name}.jpg", encode())
    found = fetch(*(row(f"{name}.jpg") for name in "abc"))
    assert {found_row["status"] for found_row in found.values()} == {"fetched"}
    starts = [when for path, when, _ in site.asked if path != "/robots.txt"]
    assert all(later - earlier > 0.5 for earlier, later in itertools.pairwise(starts))
    site.serve("/robots.txt", b"User-agent: *\nCrawl-delay: 86400\n")
    assert fetch(row("a.jpg"), to="other")["a.jpg"]["status"] == "refused_by_robots"


@pytest.mark.parametrize(
    ("text", "path", "allowed"),
    [
        ("User-agent: *\nDisallow: /", "/x", False),
        ("User-agent: *\nDisallow:", "/x", True),
        ("User-agent: *\nDisallow: /*", "/x", False),
        ("User-agent: *\nDisallow: /a\nAllow: /a/b", "/a/b/c", True),
        ("User-agent: *\nAllow: /a\nDisallow: /a", "/a", True),
        ("User-agent: other\nDisallow: /", "/x", True),
        ("User-agent: other\nUser-agent: DCGAN-Pipeline/1.0\nDisallow: /", "/x", False),
        ("User-agent: *\nDisallow: /\nUser-agent: dcgan-pipeline\nDisallow: /a", "/x", True),
        ("User-agent: *\n\nDisallow: /a # why\n", "/a", False),
        ("\ufeffUser-agent: *\r\nDisallow: /%7Ejoe\r\n", "/~joe/x", False),
        ("User-agent: *\nDisallow: /a?x=*&y$", "/a?x=1&y", False),
        ("User-agent: *\nDisallow: /a?x=*&y$", "/a?x=1&yy", True),
        ("User-agent: *\nDisallow: /ab*ba$", "/aba", True),
        ("<html>no such page</html>", "/x", True),
        ("Disallow: /", "/x", True),
        ("User-agent: *\nDisallow: /" + "*a" * 3000 + "b", "/" + "a" * 6000, True),
    ],
)
def test_rules_of_robots_txt(text, path, allowed):
    """RFC 9309: own group before `*`, longest pattern, wildcards, in no time whatever is sent."""
    assert robots.parse(text.encode(), "dcgan-pipeline").allow(f"http://example.org{path}") is allowed


def test_faults_that_pass_are_retried(fetch, site, encode):
    """503, a reset, a short body and a 429 with Retry-After end in the right bytes; the pause is kept."""
    body = encode()
    site.serve("/busy.jpg", (503, {}, b""), (500, {}, b""), body)
    site.serve("/reset.jpg", (200, {}, None), (200, {}, None), body)
    site.serve("/short.jpg", (200, {"Content-Length": str(len(body))}, body[:-9]), body)
    site.serve("/dead.jpg", (502, {}, b""))
    site.serve("/gone.jpg", (410, {}, b""))
    names = ("busy", "reset", "short", "dead", "gone")
    found = fetch(*(row(f"{name}.jpg") for name in names))
    digest = hashlib.sha256(body).hexdigest()
    assert [found[f"{name}.jpg"]["sha256"] for name in names] == [digest, digest, digest, "", ""]
    assert (found["dead.jpg"]["http_status"], found["dead.jpg"]["detail"]) == (
        "502",
        "the server answered 502 (4 times)",
    )
    assert site.times()["/dead.jpg"] == 4 and site.times()["/gone.jpg"] == 1

    site.serve("/await.jpg", (429, {"Retry-After": "1"}, b""), body)
    site.serve("/next.jpg", body)
    fetch(row("await.jpg"), row("next.jpg"), to="other", per_host=1)
    starts = {path: when for path, when, _ in site.asked}
    asked = [when for path, when, _ in site.asked if path == "/await.jpg"]
    assert asked[1] - asked[0] > 0.95
    assert starts["/next.jpg"] - asked[0] > 0.95  # it is the whole host that is waited for


def test_a_host_that_wants_to_be_left_alone_is(fetch, site, encode):
    """A Retry-After of a day ends the host's rows, and the run, at once; the next run goes on."""
    names = [f"{number}.jpg" for number in range(5)]
    for name in names:
        site.serve(f"/{name}", (429, {"Retry-After": "86400"}, b""))
    found = fetch(*map(row, names), per_host=1)
    assert {found_row["status"] for found_row in found.values()} == {"failed"}
    assert site.times().total() == 1
    for name in names:
        site.serve(f"/{name}", encode())
    assert {found_row["status"] for found_row in fetch(*map(row, names)).values()} == {"fetched"}


def test_what_is_no_picture_or_too_large_is_not_kept(fetch, site, tmp_path, encode):
    """By bytes, not by what the server calls it; the limit holds with and without a stated length."""
    big = encode(shape=(400, 400), file_format="BMP")
    site.serve("/page.jpg", (200, {"Content-Type": "image/jpeg"}, b"\n<!DOCTYPE html><title>no</title>" + bytes(99)))
    site.serve("/text.jpg", b"BMW has two first letters of a bitmap, and goes on for a good while from here on.")
    site.serve("/empty.jpg", b"")
    site.serve("/stated.bmp", big)
    site.serve("/chunked.bmp", [big[:50_000], big[50_000:]])
    names = ("page.jpg", "text.jpg", "empty.jpg", "stated.bmp", "chunked.bmp")
    found = fetch(*map(row, names), max_bytes=100_000)
    assert [found[name]["status"] for name in names] == ["not_an_image"] * 3 + ["too_large"] * 2
    assert [found[name]["detail"] for name in names[:3]] == ["a web page arrived", "not a picture", "empty"]
    assert not any((tmp_path / "out/pictures").iterdir())
    again = fetch(*map(row, names), max_bytes=1_000_000)
    assert [again[name]["status"] for name in names] == ["not_an_image"] * 3 + ["fetched"] * 2
    assert [site.times()[f"/{name}"] for name in names] == [1, 1, 1, 2, 2]


def test_a_dripping_server_is_left(fetch, site, monkeypatch, encode):
    """A body that comes byte by byte is given up, though no single wait is long."""
    body = encode()
    monkeypatch.setattr(picture_client, "_PATIENCE", 1)
    monkeypatch.setattr(Handler, "wbufsize", 0)
    stream = Handler.do_GET

    def drip(self):
        if self.path == "/robots.txt":
            return stream(self)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.close_connection = True
        try:
            for byte in body[:100]:
                self.wfile.write(bytes([byte]))
                time.sleep(0.05)
        except OSError:
            return

    monkeypatch.setattr(Handler, "do_GET", drip)
    found = fetch(row("a.jpg"), tries=1, timeout=0.3)
    assert found["a.jpg"]["detail"] == "the host stopped answering (1 times)"


def test_an_unreachable_host_keeps_nobody_waiting(fetch, site, encode):
    """Its rows fail together, by its robots.txt; another host's go on."""
    with Site() as closed:
        nowhere = closed.url
    site.serve("/a.jpg", encode())
    found = fetch(row("a.jpg"), *((f"{n}.jpg", f"{nowhere}/{n}.jpg", "CC0") for n in range(50)))
    assert Counter(found_row["status"] for found_row in found.values()) == {"fetched": 1, "failed": 50}
    assert "cannot be reached (4 times)" in found["0.jpg"]["detail"]


@pytest.mark.parametrize("per_host", [1, 3])
def test_a_host_is_never_pressed(fetch, site, encode, per_host):
    """The server counts: never more requests at once than agreed, whatever the port's name, and never too soon."""
    site.slow = 0.02
    for number in range(24):
        site.serve(f"/{number}.jpg", encode(number))
    found = fetch(*(row(f"{number}.jpg") for number in range(24)), per_host=per_host, workers=16)
    assert {found_row["status"] for found_row in found.values()} == {"fetched"}
    assert site.most == per_host
    starts = [when for _, when, _ in site.asked]
    assert (starts[-1] - starts[0]) / (len(starts) - 1) > 0.0045


def test_worker_count_and_kind_of_list_change_no_byte(site, tmp_path, encode):
    """One worker and eight, CSV and parquet, any order of rows: the same manifest and pictures, and the extras."""
    columns = ("licence", "who", "name", "url", "year")
    rows = []
    for number in range(20):
        site.serve(
            f"/{number}.jpg", *([(503, {}, b"")] * (number % 3)), *([encode(number)] if number % 7 else [b"<p>"])
        )
        rows.append(
            ("CC BY 4.0", f'=cmd, "{number}"\n', f"f{number % 4}/{number}.jpg", f"{site.url}/{number}.jpg?a=%20", 1990)
        )
        site.serve(f"/{number}.jpg?a=%20", *site.scripts[f"/{number}.jpg"])
    write_csv(tmp_path / "list.csv", rows, columns)
    table = pa.table({name: [values[place] for values in reversed(rows)] for place, name in enumerate(columns)})
    pq.write_table(table, tmp_path / "list.bin")
    found = []
    for listed, workers in (("list.csv", 1), ("list.csv", 8), ("list.bin", 8)):
        to = tmp_path / f"{listed}-{workers}"
        fetch_urls(tmp_path / listed, to=to, contact=ME, workers=workers, per_host=8, pause=0.001)
        pictures = {str(p.relative_to(to)): p.read_bytes() for p in (to / "pictures").rglob("*") if p.is_file()}
        found.append(((to / "manifest.csv").read_bytes(), pictures))
    assert found[0] == found[1] == found[2] and len(found[0][1]) == 17
    first = manifest(tmp_path / "list.csv-1")[0]
    assert list(first)[-2:] == ["who", "year"] and first["year"] == "1990"
    assert first["who"] == "%3Dcmd%2C %220%22%0A" == encode_key('=cmd, "0"\n')
    assert first["url"].endswith("?a=%2520")


def test_hostile_rows_are_refused_each_with_its_reason(fetch, site, tmp_path, encode):
    """Nothing is written outside and nothing is asked for."""
    site.serve("/a.jpg", encode())
    names = [
        *("", "/abs.jpg", "../up.jpg", "a/../../up.jpg", "a//b.jpg", "./a.jpg", "a/", ".hidden.jpg", "back\\slash.jpg"),
        *(
            "nul\x00.jpg",
            "line\nfeed.jpg",
            "\x1b[2J.jpg",
            "x" * 300 + ".jpg",
            "d/" * 500 + "x.jpg",
            "noending",
            "x.html",
        ),
    ]
    urls = [
        *(
            "",
            "a.jpg",
            "ftp://example.org/a.jpg",
            "file:///etc/passwd",
            "http://",
            "http:///a.jpg",
            "http://[::1/a.jpg",
        ),
        *(
            "http://me:secret@example.org/a",
            "http://exa mple.org/",
            "http://.example.org/",
            "http://h:99999/",
            "javascript:1",
        ),
        *("http://example.org/\x00", "HTTP:a.jpg", "http://" + "a" * 300 + ".org/\xe9" + "b" * 9000),
    ]
    found = fetch(
        *((name, "/a.jpg", "CC0") for name in names),
        *((f"url{number}.jpg", url, "CC0") for number, url in enumerate(urls)),
        *((f"licence{number}.jpg", "/a.jpg", licence) for number, licence in enumerate(("", "  ", "N/A", "unknown"))),
        *(("twice.jpg", f"/{number}.jpg", "CC0") for number in range(2)),
        row("folder.jpg"),
        ("folder.jpg/a.jpg", "/a.jpg", "CC0"),
    )
    statuses = {name: found_row["status"] for name, found_row in found.items()}
    assert {statuses[encode_key(name)] for name in names} == {"bad_name"}
    assert {statuses[f"url{number}.jpg"] for number in range(len(urls))} == {"bad_url"}
    assert {statuses[f"licence{number}.jpg"] for number in range(4)} == {"no_licence"}
    assert statuses["twice.jpg"] == statuses["folder.jpg"] == "bad_name"
    assert all(found_row["detail"] for found_row in found.values() if found_row["status"] != "fetched")
    assert [p for p in (tmp_path / "out/pictures").rglob("*") if p.is_file()] == [
        tmp_path / "out/pictures/folder.jpg/a.jpg"
    ]
    assert site.times() == {"/a.jpg": 1}


def test_lists_that_cannot_be_used_say_why(tmp_path):
    """Before anything is made."""

    def refused(data, reason, **options):
        (tmp_path / "list").write_bytes(data)
        with pytest.raises(BadParameters, match=reason):
            fetch_urls(tmp_path / "list", to=tmp_path / "out", **{"contact": ME, **options})
        assert not (tmp_path / "out").exists()

    good = b"name,url,licence\n"
    refused(b"", "no column url; no column name")
    refused(b"name,url\n", "no column licence")
    refused(b"name,url,licence,name\n", "column name 2 times")
    refused(b"name,url,licence,status\n", "a column status, which the manifest reserves")
    refused(good + b"a,b\n", "line 2: 2 fields, expected 3")
    refused(good + b'"a\n', "unexpected end of data")
    refused(b"\xff\xfe", "not UTF-8")
    refused(b"PAR1 but no more", "parquet file that is not readable")
    for contact in ("", "me", "me@host", "ftp://x", "a@b.c\r\nX: y", "me@ex.org)", "m\xe9@ex.org", "http://"):
        refused(good, "--contact", contact=contact)
    refused(good, "at least 1", per_host=0)
    refused(good, "at least 0", pause=-1.0)
    with pytest.raises(MissingInput):
        fetch_urls(tmp_path / "none.csv", to=tmp_path / "out", contact=ME)
    pq.write_table(pa.table({"url": ["a"], "name": [[1]], "licence": ["b"]}), tmp_path / "list")
    with pytest.raises(BadParameters, match="not readable as text"):
        fetch_urls(tmp_path / "list", to=tmp_path / "out", contact=ME)
    (tmp_path / "list").write_bytes(b"\xef\xbb\xbf" + good)
    assert fetch_urls(tmp_path / "list", to=tmp_path / "out", contact="https://example.org/me")["rows"] == 0


def test_only_what_is_new_failed_or_changed_is_asked_again(fetch, site, tmp_path, encode):
    """And a row that goes, or loses its licence, takes its picture along."""
    for name in ("a", "b", "c/d", "e"):
        site.serve(f"/{name}.jpg", encode())
    site.serve("/page.jpg", b"<html>")
    names = ("a.jpg", "b.jpg", "c/d.jpg", "fails.jpg", "page.jpg")
    first = fetch(*map(row, names))
    before = (tmp_path / "out/manifest.csv").read_bytes()
    site.asked.clear()
    assert fetch(*map(row, names)) == first and (tmp_path / "out/manifest.csv").read_bytes() == before
    assert site.times() == {"/fails.jpg": 1}

    site.asked.clear()
    (tmp_path / "out/pictures/a.jpg").write_bytes(b"short")
    site.serve("/fails.jpg", encode())
    found = fetch(row("a.jpg"), ("b.jpg", "/e.jpg", "CC0"), row("c/d.jpg", ""), row("fails.jpg"))
    assert {name: found_row["status"] for name, found_row in found.items()} == {
        **dict.fromkeys(("a.jpg", "b.jpg", "fails.jpg"), "fetched"),
        "c/d.jpg": "no_licence",
    }
    assert site.times() == {"/a.jpg": 1, "/e.jpg": 1, "/fails.jpg": 1}
    assert sorted(path.name for path in (tmp_path / "out/pictures").iterdir()) == ["a.jpg", "b.jpg", "fails.jpg"]


def test_folders_of_others_are_left_alone(fetch, site, tmp_path, encode):
    """Somebody's folder, another list's pictures, and a folder that another process is working on."""
    site.serve("/a.jpg", encode())
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/x").touch()
    with pytest.raises(BadParameters, match="has not made"):
        fetch(row("a.jpg"), to="mine")
    fetch(row("a.jpg"))
    with pytest.raises(BadParameters, match="another list"):
        fetch(row("b.jpg"))
    assert (tmp_path / "out/pictures/a.jpg").exists()
    with (tmp_path / "out/journal.jsonl").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(Busy, match="another process"):
            fetch(row("a.jpg"))


def test_a_full_disk_is_an_error_and_not_a_failed_row(fetch, site, monkeypatch, encode):
    """What goes wrong on this side is raised, and the run can be repeated."""
    site.serve("/a.jpg", encode())

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(picture_client.PictureClient, "_save", full)
        with pytest.raises(OSError, match="No space"):
            fetch(row("a.jpg"))
    assert fetch(row("a.jpg"))["a.jpg"]["status"] == "fetched"


def test_kill_9_loses_nothing_that_was_finished(site, tmp_path, encode):
    """Killed twice under way, with the journal's last line torn: no finished picture is asked for again."""
    for number in range(60):
        site.serve(f"/{number}.jpg", encode(number))
    write_csv(tmp_path / "list.csv", [(f"{n}.jpg", f"{site.url}/{n}.jpg", "CC0") for n in range(60)])
    code = (
        "import sys; from pathlib import Path; from pipeline.acquire.url_list.fetch_urls import fetch_urls; "
        f"fetch_urls(Path(sys.argv[1]), to=Path(sys.argv[2]), contact={ME!r}, pause=0.01)"
    )
    options = {"contact": ME, "pause": 0.001, "per_host": 8}
    fetch_urls(tmp_path / "list.csv", to=tmp_path / "whole", **options)
    site.asked.clear()
    journal = tmp_path / "out/journal.jsonl"
    finished = {}
    for goal in (15, 35):
        command = [sys.executable, "-c", code, tmp_path / "list.csv", tmp_path / "out"]
        with running(command, lambda: journal.exists() and len(journal.read_bytes().splitlines()) >= goal):  # noqa: B023
            pass
        assert not (tmp_path / "out/manifest.csv").exists()
        lines = [line for line in journal.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
        names = {json.loads(line)["name"] for line in lines[:-1]}  # the last may be without its picture yet
        finished |= {name: site.times()[f"/{name}"] for name in names - finished.keys()}
        with journal.open("ab") as file:
            file.write(b'{"name": "59.jpg", "url": "htt')
    fetch_urls(tmp_path / "list.csv", to=tmp_path / "out", **options)
    times = site.times()
    assert len(finished) > 30 and all(times[f"/{name}"] == asked for name, asked in finished.items())
    assert set(times) == {f"/{number}.jpg" for number in range(60)}
    for name in ("manifest.csv", *(f"pictures/{number}.jpg" for number in range(60))):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_proxy_of_the_environment_is_used(fetch, site, monkeypatch, encode):
    """For robots.txt and pictures alike."""
    monkeypatch.setenv("http_proxy", site.url)
    site.serve("http://pictures.example/a.jpg", encode())
    site.serve("http://pictures.example/robots.txt", b"User-agent: *\nDisallow: /b.jpg\n")
    found = fetch(*((f"{name}.jpg", f"http://pictures.example/{name}.jpg", "CC0") for name in "ab"))
    assert [found_row["status"] for found_row in found.values()] == ["fetched", "refused_by_robots"]
