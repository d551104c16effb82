"""Over HTTP: access checks protect all routes, wrong input is refused, and hostile names are escaped."""

import contextlib
import http.client
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from PIL import Image

from pipeline.review.samples.boxes import read_boxes
from pipeline.review.samples.exemplars import read_exemplars
from pipeline.review.samples.model_samples import ModelSamples
from tests.webapp.serving import Running

OBJECT = "</title><script>alert(1)</script>"
ROUTES = (
    *("/", "/exemplars", "/static/boxes.js", "/static/judging.css", "/static/saving.js", "/api/boxes"),
    *("/api/exemplars", "/picture/0.png", "/mean.png?samples=1", "/nothing"),
)


@pytest.fixture(scope="module")
def to(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("audit")


@pytest.fixture(scope="module")
def server(tiny_model: Path, to: Path) -> Iterator[Running]:
    running = Running("review_samples", "--model", tiny_model, "--to", to, "--object", OBJECT, "--count", 20)
    yield running
    running.kill()


@pytest.fixture(scope="module")
def browser(server: Running) -> Iterator[requests.Session]:
    """A client that has opened the link."""
    with requests.Session() as session:
        assert session.get(server.link).status_code == 200
        session.headers["Origin"] = server.origin
        yield session


def raw(server: Running, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> int:
    """Status of the answer to a request that is sent without any normalisation."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)) as connection:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders(body or None)
        return connection.getresponse().status


@pytest.mark.parametrize("path", ROUTES)
def test_all_routes_are_protected(server: Running, browser: requests.Session, path: str) -> None:
    """403 without the cookie and for other hosts; every answer has the content security policy."""
    assert requests.get(server.origin + path).status_code == 403
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    for host in ("evil.example", f"localhost:{server.port}"):
        assert raw(server, "GET", path, {"Host": host, "Cookie": cookie}) == 403
    answer = browser.get(server.origin + path)
    assert answer.status_code == (404 if path == "/nothing" else 200)
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


@pytest.mark.parametrize("path", ["/api/boxes", "/api/exemplars"])
def test_posts_of_other_pages_are_refused(server: Running, browser: requests.Session, to: Path, path: str) -> None:
    """A refused POST writes nothing."""
    body = json.dumps({"sample": 0, "before": None, "after": [], "concept": "x", "chosen": True}).encode()
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    headers = {"Host": f"127.0.0.1:{server.port}", "Cookie": cookie, "Content-Length": str(len(body))}
    headers["Content-Type"] = "application/json"
    before = sorted(to.iterdir())
    for origin in ({}, {"Origin": "http://evil.example"}, {"Origin": "null"}):
        assert raw(server, "POST", path, headers | origin, body) == 403
    assert raw(server, "POST", path, {**headers, "Cookie": "", "Origin": server.origin}, body) == 403
    assert sorted(to.iterdir()) == before


@pytest.mark.parametrize(
    "body",
    [
        *({}, [], {"sample": "0"}, {"sample": True}, {"sample": 20}, {"sample": -1}, {"after": 3}, {"before": 0}),
        *(
            {"after": [[0, 0, 1]]},
            {"after": [[0, 0, 1, True]]},
            {"after": [[0, 0, 1, 1.5]]},
            {"after": [[0, 0, 33, 1]]},
        ),
        *({"after": [[-1, 0, 1, 1]]}, {"after": [[0, 0, 0, 1]]}, {"after": ["0011"]}, {"after": [[0, 0, 1, 1]] * 101}),
        {"after": [[0, 10**30, 1, 1]]},
    ],
)
def test_wrong_boxes_are_refused(server: Running, browser: requests.Session, to: Path, body: Any) -> None:
    """The answer has a reason, and nothing is written."""
    posted = {"sample": 0, "before": None, "after": None, **body} if body else body
    answer = browser.post(f"{server.origin}/api/boxes", json=posted)
    assert answer.status_code == 400 and answer.json()["error"]
    assert not (to / "boxes.csv").exists()


@pytest.mark.parametrize(
    "body",
    [
        *({}, [], {"sample": "0"}, {"sample": 2000}, {"concept": 3}, {"concept": ""}, {"concept": "x" * 65}),
        *({"concept": "\ud800"}, {"chosen": 1}, {"chosen": None}),
    ],
)
def test_wrong_exemplars_are_refused(server: Running, browser: requests.Session, to: Path, body: Any) -> None:
    """The answer has a reason, and nothing is written."""
    posted = {"sample": 0, "concept": "x", "chosen": True, **body} if body else body
    answer = browser.post(f"{server.origin}/api/exemplars", json=posted)
    assert answer.status_code == 400 and answer.json()["error"]
    assert not (to / "exemplars.csv").exists()


@pytest.mark.parametrize(
    ("path", "status"),
    [
        *(("/picture/2000.png", 404), ("/picture/-1.png", 404), ("/picture/1e1.png", 404), ("/static/app.py", 404)),
        *(
            ("/mean.png", 400),
            ("/mean.png?samples=", 400),
            ("/mean.png?samples=1,,2", 400),
            ("/mean.png?samples=x", 400),
        ),
        *(("/mean.png?samples=" + ",".join(["1"] * 101), 400), ("/mean.png?samples=999999999", 400)),
        ("/mean.png?samples=-1", 400),
    ],
)
def test_unknown_samples_and_files(server: Running, browser: requests.Session, path: str, status: int) -> None:
    """Samples beyond the last one and files outside the app are not served."""
    assert browser.get(server.origin + path).status_code == status


def test_pictures_are_the_samples(server: Running, browser: requests.Session, tiny_model: Path) -> None:
    """Served pictures equal the samples in every pixel, so boxes refer to the shown pixels."""
    samples = ModelSamples(tiny_model, 0)
    for path, expected in (
        ("/picture/3.png", samples.picture(3)),
        ("/mean.png?samples=1,2,3", samples.mean([1, 2, 3])),
    ):
        shown = np.asarray(Image.open(io.BytesIO(browser.get(server.origin + path).content)))
        assert np.array_equal(shown, expected)


def test_hostile_names_and_a_damaged_file(tiny_model: Path, tmp_path: Path) -> None:
    """Names are escaped in the page and are one field of one line; a damaged file gives an error and is unchanged."""
    server = Running("review_samples", "--model", tiny_model, "--to", tmp_path, "--object", OBJECT)
    with contextlib.ExitStack() as stack, requests.Session() as browser:
        stack.callback(server.kill)
        browser.get(server.link)
        browser.headers["Origin"] = server.origin
        for path in ("/", "/exemplars"):
            assert "<script>alert" not in browser.get(server.origin + path).text
        hostile = '=1+1,"\n<img src=x onerror=alert(1)>%\u202e'
        body = {"sample": 3, "concept": hostile, "chosen": True}
        assert browser.post(f"{server.origin}/api/exemplars", json=body).status_code == 200
        edit = {"sample": 3, "before": None, "after": [[1, 2, 3, 4]]}
        assert browser.post(f"{server.origin}/api/boxes", json=edit).status_code == 200
        assert [(one.concept, one.sample) for one in read_exemplars(tmp_path / "exemplars.csv")] == [(hostile, 3)]
        assert [(box.object, box.rectangle) for box in read_boxes(tmp_path / "boxes.csv")] == [(OBJECT, (1, 2, 3, 4))]
        for name in ("boxes.csv", "exemplars.csv"):
            text = (tmp_path / name).read_text()
            assert text.count("\n") == 2 and '"' not in text and ",=" not in text
        assert browser.get(f"{server.origin}/api/exemplars").json()["exemplars"] == {hostile: [3]}
        (tmp_path / "boxes.csv").write_text("notes\n")
        answer = browser.post(f"{server.origin}/api/boxes", json={"sample": 1, "before": None, "after": []})
        assert answer.status_code == 503 and "line 1" in answer.json()["error"]
        assert (tmp_path / "boxes.csv").read_text() == "notes\n"
