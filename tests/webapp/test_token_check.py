"""Only browsers that opened the link get answers, and no file outside the set is served."""

import contextlib
import http.client
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.review.duplicates.results import HOSTILE, make_result
from tests.webapp.serving import Server, serving

GROUPS, COPIES = 12, 2
ROUTES = (
    *("/", "/static/review.js", "/static/page.css", "/static/icon.svg", "/api/session", "/api/pairs"),
    *("/picture/0.png", "/source/0.png", "/nothing", "/static/../app.py", "/favicon.ico"),
)
VERDICT = {"kind": "removed", "id": 0, "label": "near", "keep": False, "always": False, "group": False}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_result(tmp_path_factory.mktemp("security") / "found", GROUPS, COPIES, hostile=HOSTILE)


@pytest.fixture(scope="module")
def server(found: Path) -> Iterator[Server]:
    with serving(found) as running:
        yield running


@pytest.fixture(scope="module")
def browser(server: Server) -> Iterator[requests.Session]:
    """A client that has opened the link."""
    with requests.Session() as session:
        assert session.get(server.link).status_code == 200
        yield session


def raw(server: Server, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> tuple[int, bytes]:
    """Status and body of the answer to a request that is sent without any normalisation."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)) as connection:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders(body or None)
        answer = connection.getresponse()
        return answer.status, answer.read()


def allowed(server: Server, browser: requests.Session) -> dict[str, str]:
    """The headers of an accepted request."""
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    return {
        "Host": f"127.0.0.1:{server.port}",
        "Cookie": cookie,
        "Origin": server.origin,
        "Content-Type": "application/json",
    }


@pytest.mark.parametrize("path", ROUTES)
def test_without_the_token_every_route_is_forbidden(server: Server, path: str) -> None:
    """Also static files and unknown paths; the answer has no picture and no key."""
    for wrong in (path, f"{path}?token=", f"{path}?token=wrong"):
        answer = requests.get(server.origin + wrong)
        assert answer.status_code == 403 and len(answer.content) < 200 and not answer.cookies
    headers = {"Host": f"127.0.0.1:{server.port}", "Cookie": f"dcgan-review-{server.port}=wrong"}
    assert raw(server, "GET", path, headers)[0] == 403


def test_the_link_lets_in_every_browser_until_the_end(found: Path) -> None:
    """Each browser gets the cookie from the printed link; after a restart, link and cookie are useless."""
    with serving(found) as server:
        token = server.link.partition("?")[2]
        assert requests.get(f"{server.origin}/api/session?{token}").status_code == 403, (
            "only the page accepts the token"
        )
        assert requests.head(server.link).status_code == 403
        first = requests.get(server.link)
        assert first.status_code == 200
        cookie = first.headers["set-cookie"]
        assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and token.partition("=")[2] not in cookie
        second = requests.get(server.link)
        assert second.status_code == 200
        for cookies in (first.cookies, second.cookies):
            assert requests.get(f"{server.origin}/api/session", cookies=cookies).status_code == 200
        link, port = server.link, server.port
        server.end()
    with serving(found, "--port", port):
        assert requests.get(link).status_code == 403
        assert requests.get(link, cookies=first.cookies).status_code == 403


def test_the_opened_link_works_once(found: Path, tmp_path: Path) -> None:
    """The link of the started browser is in its command line, which other users can read; it is not the printed one."""
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/opening && mv {tmp_path}/opening {tmp_path}/opened\n')
    browser.chmod(0o755)
    with serving(found, browser=browser) as server:
        for _ in range(200):
            if (tmp_path / "opened").exists():
                break
            time.sleep(0.05)
        link = (tmp_path / "opened").read_text().strip()
        assert link.startswith(f"{server.origin}/?token=") and link != server.link
        first = requests.get(link)
        assert first.status_code == 200
        assert requests.get(link).status_code == 403
        assert requests.get(link, cookies=first.cookies).status_code == 200, "a reload of the page"
        assert requests.get(server.link).status_code == 200


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "localhost:{port}", "127.0.0.1:{port}.evil.example", ""])
def test_another_host_is_refused(server: Server, browser: requests.Session, path: str, host: str) -> None:
    """Another host name that resolves to 127.0.0.1 (DNS rebinding) is refused, with or without the cookie."""
    headers = {**allowed(server, browser), "Host": host.format(port=server.port)}
    assert raw(server, "GET", path, headers)[0] in (400, 403)
    del headers["Host"]
    assert raw(server, "GET", path, headers)[0] in (400, 403)


@pytest.mark.parametrize("path", ["/api/verdict", "/api/undo"])
@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Origin": "https://127.0.0.1:{port}"}, 403),
        ({"Origin": ""}, 403),
        ({"Cookie": ""}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Length": "70000"}, 413),
    ],
)
def test_posts_of_other_pages_are_refused(
    found: Path, server: Server, browser: requests.Session, path: str, changed: dict[str, str], status: int
) -> None:
    """A refused POST writes nothing."""
    before = (found / "verdicts.csv").read_bytes()
    body = json.dumps(VERDICT).encode()
    headers = {**allowed(server, browser), "Content-Length": str(len(body)), **changed}
    headers = {name: value.format(port=server.port) for name, value in headers.items() if value}
    assert raw(server, "POST", path, headers, body)[0] == status
    assert (found / "verdicts.csv").read_bytes() == before


@pytest.mark.parametrize(
    "path",
    [
        *("/nothing", "/picture/99999.png", "/picture/-1.png", "/picture/1e3.png", "/picture/0", "/picture/../0.png"),
        *("/picture/" + "9" * 40 + ".png", "/picture/" + "9" * 5000 + ".png", "/source/0.png", "/source/99999.png"),
        *("/static/", "/static/app.py"),
        *("/static/../app.py", "/static/..%2fapp.py", "/static/%2e%2e/app.py", "//etc/passwd", "/static//etc/passwd"),
        *("/picture/%2e%2e%2fverdicts.csv", "/api", "/docs", "/api/verdict", "/api/verdict/"),
    ],
)
def test_unknown_paths_are_not_found(server: Server, browser: requests.Session, path: str) -> None:
    """404 for rows beyond the set, files outside the app, and unavailable sources."""
    status, body = raw(server, "GET", path, allowed(server, browser))
    assert status == (405 if path == "/api/verdict" else 404) and b"def " not in body


@pytest.mark.parametrize("path", ["/", "/static/review.js", "/api/session", "/picture/3.png", "/nothing"])
def test_headers_of_every_answer(server: Server, browser: requests.Session, path: str) -> None:
    """No resources of other hosts, no caching, no frames."""
    for answer in (browser.get(server.origin + path), requests.get(server.origin + path)):
        policy = answer.headers["content-security-policy"]
        assert policy == (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
            "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
        )
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert "server" not in answer.headers


@pytest.mark.parametrize(
    "body",
    [
        *({}, [], None, "x", {**VERDICT, "id": 10**9}, {**VERDICT, "id": -1}, {**VERDICT, "id": True}),
        *({**VERDICT, "id": "0"}, {**VERDICT, "kind": "kept"}, {**VERDICT, "kind": ["removed"]}),
        *({**VERDICT, "label": "nice"}, {**VERDICT, "label": 3}, {**VERDICT, "keep": "yes"}),
        *({**VERDICT, "kind": "mirrored", "always": True}, {**VERDICT, "label": "", "keep": True}),
    ],
)
def test_wrong_verdicts_are_refused(found: Path, server: Server, browser: requests.Session, body: Any) -> None:
    """The answer has a reason, and the file is unchanged."""
    before = (found / "verdicts.csv").read_bytes()
    headers = {"Origin": server.origin, "Content-Type": "application/json"}
    answer = browser.post(f"{server.origin}/api/verdict", data=json.dumps(body), headers=headers)
    assert answer.status_code == 400 and answer.json()["error"]
    assert (found / "verdicts.csv").read_bytes() == before


@pytest.mark.parametrize(
    "query", ["sort=size", "kind=kept", "distance_least=x", "position=-1", "position=1e9", "seek=all", "verdict=nice"]
)
def test_wrong_queries_are_refused(server: Server, browser: requests.Session, query: str) -> None:
    """A wrong parameter is an error, not ignored."""
    assert browser.get(f"{server.origin}/api/pairs?{query}").status_code == 400


def test_keys_are_only_in_json(server: Server, browser: requests.Session) -> None:
    """Hostile keys are unchanged in JSON answers and do not occur in the page."""
    page = browser.get(f"{server.origin}/").text
    pairs = browser.get(f"{server.origin}/api/pairs").json()["pairs"]
    keys = {pair[side]["key"] for pair in pairs for side in ("removed", "kept")}
    assert set(HOSTILE) <= keys and not any(key in page for key in HOSTILE)


def test_a_damaged_file_of_verdicts(tmp_path: Path) -> None:
    """If an editor has damaged the file, the answer is 503, so that the page keeps the edit; the file is unchanged."""
    found = make_result(tmp_path / "found", 3, 1)
    with serving(found) as server, requests.Session() as session:
        session.get(server.link)
        whole = (found / "verdicts.csv").read_text()
        (found / "verdicts.csv").write_text("notes\n")
        answer = session.post(f"{server.origin}/api/verdict", json=VERDICT, headers={"Origin": server.origin})
        assert answer.status_code == 503 and "line 1" in answer.json()["error"]
        assert (found / "verdicts.csv").read_text() == "notes\n"
        (found / "verdicts.csv").write_text(whole)
        answer = session.post(f"{server.origin}/api/verdict", json=VERDICT, headers={"Origin": server.origin})
        assert answer.status_code == 200 and answer.json()["pair"]["verdict"]["label"] == "near"
