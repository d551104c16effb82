"""A draw is made once and goes on, is judged blind, and says so when it is not of the detector of today."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

from pipeline.audit import estimates, frozen_draw
from pipeline.core.errors import BadParameters, MissingInput
from pipeline.dedup.decision.verdicts import read_verdicts
from pipeline.imageset.format.image_set import ImageSet
from pipeline.review.duplicates.draw import Asked, find_rows, open_draw
from pipeline.review.duplicates.judging import Judging
from pipeline.review.duplicates.locate import locate
from pipeline.review.duplicates.result import Result
from pipeline.review.duplicates.verdict_store import VerdictStore
from tests.review.duplicates.results import HOSTILE, again, make_result
from tests.webapp.serving import Server, serving

DETECTOR = "d" * 64


@pytest.fixture
def found(tmp_path: Path) -> Path:
    return make_result(tmp_path / "found", 12, 3, hostile=HOSTILE)


def opened(found: Path, **asked: Any) -> tuple[frozen_draw.Sample, list[str]]:
    return open_draw(locate(found), DETECTOR, Asked(**asked))


def judging(found: Path, rater: str = "me", **asked: Any) -> Judging:
    folders = locate(found)
    sample, notes = opened(found, **asked)
    return Judging(sample, Result(folders), VerdictStore(folders.verdicts, rater, sample.name), notes)


def test_a_draw_is_made_once(found: Path) -> None:
    """With the defaults, beside the verdicts; asked for again, with or without a number, it goes on, byte for byte."""
    sample, notes = opened(found, count=20)
    path = found / "samples" / "first.csv"
    frozen = path.read_bytes()
    assert frozen_draw.read(path) == sample and notes == []
    assert (sample.name, sample.detector, sample.seed) == ("first", DETECTOR, 1)
    controls = [pair for pair in sample.pairs if pair.stratum == frozen_draw.CONTROL]
    assert (len(sample.pairs), len(controls)) == (22, 2)
    for asked in ({"count": 20}, {"name": "first"}, {"count": 20, "controls": 0.1, "seed": 1}):
        assert opened(found, **asked) == (sample, [])
    again(found)
    assert opened(found, name="first") == (sample, []), "a result made anew by the same detector"
    other, _ = opened(found, name="other", count=10**6, controls=0.0, seed=2)
    assert opened(found, name="other", count=10**6) == (other, []), "all there are was asked for, and is there"
    assert path.read_bytes() == frozen


def test_two_who_draw_at_once_have_one_draw(found: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one gets that of the first, and is told that it is not the one that was asked for."""
    drawn, draw = threading.Event(), frozen_draw.draw

    def slowly(*args: Any, **options: Any) -> frozen_draw.Sample:
        sample = draw(*args, **options)
        if drawn.is_set():
            return sample
        drawn.set()
        time.sleep(0.5)  # the second one has looked for the draw by then
        return sample

    monkeypatch.setattr(frozen_draw, "draw", slowly)
    with ThreadPoolExecutor() as threads:
        first = threads.submit(opened, found, count=20, seed=1)
        drawn.wait()
        second = threads.submit(opened, found, count=20, seed=2)
    assert first.result()[0] == second.result()[0] == frozen_draw.read(found / "samples" / "first.csv")
    assert first.result()[1] == [] and "--seed would differ" in second.result()[1][0]


def test_what_differs_from_what_was_asked_is_said(found: Path) -> None:
    """Another number, share or seed, or another detector: the draw goes on, and each is named."""
    sample, _ = opened(found, count=20)
    same, notes = opened(found, count=21, controls=0.5, seed=2)
    assert same == sample and len(notes) == 1
    assert "20 removed pairs, 2 controls and seed 1" in notes[0] and "--sample, --controls, --seed" in notes[0]
    folders = locate(found)
    same, notes = open_draw(folders, "e" * 64, Asked(count=20))
    assert same == sample and len(notes) == 1 and "first is stale" in notes[0] and "another detector" in notes[0]
    assert len(open_draw(folders, "e" * 64, Asked(count=5))[1]) == 2


def test_wrong_use_of_draws(found: Path) -> None:
    """Nothing is drawn, and the option to mend is named."""
    with pytest.raises(MissingInput, match=r"--name none: .*none.csv is not there; .*--sample"):
        opened(found, name="none")
    for asked in ({"seed": 3}, {"name": "first", "controls": 0.2}):
        with pytest.raises(BadParameters, match="--sample as well"):
            opened(found, **asked)
    for name in ("../verdicts", "", "a b"):
        with pytest.raises(BadParameters, match="--name"):
            opened(found, name=name, count=3)
    with pytest.raises(BadParameters, match="--controls"):
        opened(found, count=3, controls=2.0)
    assert not (found / "samples").exists()
    opened(found, count=3)
    for share in (float("nan"), float("inf"), -1.0):
        with pytest.raises(BadParameters, match="--controls"):
            opened(found, count=3, controls=share)


def test_pictures_are_found_by_contents(tmp_path: Path, make_imageset: Callable[..., Path]) -> None:
    """Under the name they had, else under any other; one that is gone is left out."""
    images = ImageSet(make_imageset(np.arange(4, dtype=np.uint8).repeat(192).reshape(4, 8, 8, 3)[[0, 1, 1, 3]]))
    contents = images.index.column("sha256").to_pylist()
    asked = [(contents[2], images.keys[2]), (contents[1], "renamed"), (contents[3], "x"), ("f" * 64, images.keys[0])]
    assert find_rows(images, asked) == {asked[0]: 2, asked[1]: 1, asked[2]: 3}


def test_verdicts_name_the_draw_and_can_be_undone(found: Path) -> None:
    """Each stands beside the browsing verdict on the same pair; undo takes back this rater's last one alone."""
    page = judging(found, count=10)
    browsing = VerdictStore(page.store.path, "me")
    pair = page.sample.pairs[3]
    page.judge({"number": 3, "label": "near"})
    page.judge({"number": 4, "label": "similar"})
    assert page.judge({"number": 3, "label": "different"}) == {"number": 3, "label": "different", "undoable": 3}
    said = {frozenset((v.sha256_a, v.sha256_b)): v for v in read_verdicts(page.store.path)}
    verdict = said[pair.contents]
    assert (verdict.label, verdict.keep, verdict.rater, verdict.sample) == ("different", "", "me", "first")
    assert {verdict.key_a, verdict.key_b} == {pair.key_a, pair.key_b} and browsing.mine() == {}
    assert page.undo({"nonce": "x"}) == page.undo({"nonce": "x"}) == {"number": 3, "label": "near", "undoable": 2}
    assert page.undo({"nonce": "y"}) == {"number": 4, "label": "", "undoable": 1}
    assert page.judge({"number": 3, "label": ""})["label"] == ""
    assert read_verdicts(page.store.path) == []
    for nonsense in ({}, {"number": 99, "label": "near"}, {"number": True, "label": "near"}, {"number": 1, "label": 2}):
        with pytest.raises(BadParameters):
            page.judge(nonsense)
    with pytest.raises(BadParameters, match="label"):
        page.judge({"number": 1, "label": "nice"})


def test_it_goes_on_after_its_verdicts_have_acted(found: Path) -> None:
    """Pictures that were brought back are no removals any more, but the draw shows them, and its estimate stays."""
    page = judging(found, count=10)
    for number in range(len(page.sides)):
        page.judge({"number": number, "label": "different" if number % 2 else "near"})
    before = page.estimate()
    assert before["judged"] == 10 and 0 < before["wrong"] < 10 and not before["stale"]
    assert again(found)["restored"] > 0
    after = judging(found, name="first")
    assert after.estimate() == before and after.session()["said"] == page.session()["said"]
    assert not any(after.session()["missing"])
    assert (after.rows == page.rows).all() and after.picture(0, 0) == page.picture(0, 0)


def test_a_pair_that_is_not_in_the_set_cannot_be_judged(found: Path) -> None:
    """It is there, for the draw is frozen, but has no pictures."""
    opened(found, count=10)
    path = found / "samples" / "first.csv"
    first = frozen_draw.read(path).pairs[0]
    path.write_text(path.read_text().replace(first.sha256_a, "f" * 64).replace(first.key_a, "gone"))
    page = judging(found, name="first")
    missing = page.session()["missing"]
    assert missing[0] and sum(missing) < len(missing)
    assert page.picture(0, 0) is None and page.picture(0, 1) and page.picture(len(missing), 0) is None
    with pytest.raises(BadParameters, match="not in the set"):
        page.judge({"number": 0, "label": "near"})


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_result(tmp_path_factory.mktemp("blind") / "found", 12, 3, hostile=HOSTILE)


@pytest.fixture(scope="module")
def server(served: Path) -> Iterator[Server]:
    with serving(served, "--sample", 12, "--controls", 0.25) as running:
        yield running


@pytest.fixture(scope="module")
def browser(server: Server) -> Iterator[requests.Session]:
    with requests.Session() as session:
        assert session.get(server.link).status_code == 200
        yield session


def test_nothing_tells_how_a_pair_came_about(served: Path, server: Server, browser: requests.Session) -> None:
    """Not its page, nor any answer: no key, content, row, distance, score, reason or stratum of a pair."""
    origin = server.origin
    sample = frozen_draw.read(served / "samples" / "first.csv")
    headers = {"Origin": origin}
    posted = [
        browser.post(f"{origin}/api/sample/verdict", json={"number": number, "label": "near"}, headers=headers)
        for number in range(len(sample.pairs))
    ]
    posted.append(browser.post(f"{origin}/api/sample/undo", json={"nonce": "n"}, headers=headers))
    session = browser.get(f"{origin}/api/sample/session")
    assert all(answer.status_code == 200 for answer in [*posted, session])
    assert all(answer.json().keys() == {"number", "label", "undoable"} for answer in posted)
    assert set(session.json()) == {"name", "rater", "verdicts", "notes", "said", "missing", "sources", "undoable"}
    page, estimate = browser.get(f"{origin}/sample"), browser.get(f"{origin}/api/sample/estimate")
    pictures = [
        browser.get(f"{origin}/sample/{number}/{side}.png") for number in range(len(sample.pairs)) for side in "ab"
    ]
    assert all(picture.headers["content-type"] == "image/png" for picture in pictures)
    texts = [answer.text for answer in (page, estimate, session, *posted)]
    texts += [json.dumps(dict(answer.headers)) for answer in pictures]
    for text in texts:
        for pair in sample.pairs:
            for secret in (pair.key_a, pair.key_b, json.dumps(pair.key_a)[1:-1], pair.sha256_a, pair.sha256_b):
                assert secret not in text
    for text in texts[2 : 3 + len(posted)]:  # the estimate names strata, of no pair
        assert not any(word in text for word in ("_code", "control", "hamming", "score", "similarity", "kept"))
    assert not any(word in page.text for word in ("near_code", "near code", "hamming", "score"))
    verdicts = read_verdicts(served / "verdicts.csv")
    assert estimate.json() == estimates.estimate(sample, verdicts, detector=DETECTOR)


ROUTES = ("/sample", "/api/sample/session", "/api/sample/estimate", "/sample/0/a.png", "/sample/0/source/b.png")


@pytest.mark.parametrize("path", ROUTES)
def test_the_rules_hold_for_its_routes(server: Server, browser: requests.Session, path: str) -> None:
    """Closed without the cookie, to other hosts, and once the link was used."""
    assert requests.get(server.origin + path).status_code == 403
    assert requests.get(server.link).status_code == 403
    foreign = browser.get(server.origin + path, headers={"Host": "evil.example"})
    assert foreign.status_code == 403 and len(foreign.content) < 200
    answer = browser.get(server.origin + path)
    assert answer.status_code == (404 if "source" in path else 200)
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


@pytest.mark.parametrize("path", ["/api/sample/verdict", "/api/sample/undo"])
def test_what_another_page_posts_is_refused(served: Path, server: Server, browser: requests.Session, path: str) -> None:
    """And writes nothing."""
    verdicts = served / "verdicts.csv"
    before, said = verdicts.read_bytes(), {"number": 0, "label": "different", "nonce": "z"}
    for headers in ({}, {"Origin": "null"}, {"Origin": "http://evil.example"}):
        assert browser.post(server.origin + path, json=said, headers=headers).status_code == 403
    good = {"Origin": server.origin}
    assert requests.post(server.origin + path, json=said, headers=good).status_code == 403
    assert browser.post(server.origin + path, data=json.dumps(said), headers=good).status_code == 415
    assert browser.post(server.origin + path, json=[], headers=good).status_code == 400
    assert browser.get(server.origin + path).status_code == 405
    assert verdicts.read_bytes() == before


@pytest.mark.parametrize(
    "path",
    [
        "/sample/",
        "/sample/99/a.png",
        "/sample/-1/a.png",
        "/sample/0/c.png",
        "/sample/0/ab.png",
        "/sample/0/a",
        "/sample/0",
    ],
)
def test_what_is_not_there_is_not_found(server: Server, browser: requests.Session, path: str) -> None:
    """Pairs outside the draw, and sides that a pair has not."""
    assert browser.get(f"{server.origin}/sample/{path}").status_code == 404


def test_without_a_draw_there_is_no_such_page(tmp_path: Path) -> None:
    """Nor a link to it."""
    with serving(make_result(tmp_path / "found", 3, 1)) as server, requests.Session() as session:
        assert "/sample" not in session.get(server.link).text
        assert session.get(f"{server.origin}/sample").status_code == 404
