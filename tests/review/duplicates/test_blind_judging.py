"""A pair sample is made once, is judged blind, and is reported as outdated if the detector has changed."""

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

from pipeline.audit import pair_sample
from pipeline.audit.false_removal_rate import estimate
from pipeline.core.errors import BadParameters, MissingInput
from pipeline.dedup.decision.verdicts import read_verdicts
from pipeline.dedup.results.result_folders import find_folders
from pipeline.imageset.format.image_set import ImageSet
from pipeline.review.duplicates.blind_judging import BlindJudging, SampleOptions, find_rows, open_sample
from pipeline.review.duplicates.dedup_result import DedupResult
from pipeline.review.duplicates.verdict_store import VerdictStore
from tests.review.duplicates.results import HOSTILE, make_result, remove_again
from tests.webapp.serving import Server, serving

DETECTOR = "d" * 64


@pytest.fixture
def found(tmp_path: Path) -> Path:
    return make_result(tmp_path / "found", 12, 3, hostile=HOSTILE)


def opened(found: Path, **options: Any) -> tuple[pair_sample.PairSample, list[str]]:
    return open_sample(find_folders(found), DETECTOR, SampleOptions(**options))


def judging(found: Path, rater: str = "me", **options: Any) -> BlindJudging:
    folders = find_folders(found)
    sample, notes = opened(found, **options)
    return BlindJudging(sample, DedupResult(folders), VerdictStore(folders.verdicts, rater, sample.name), notes)


def test_a_sample_is_made_once(found: Path) -> None:
    """It is made with the defaults, beside the verdicts; later calls use the same file, byte for byte."""
    sample, notes = opened(found, count=20)
    path = found / "samples" / "first.csv"
    frozen = path.read_bytes()
    assert pair_sample.read_pair_sample(path) == sample and notes == []
    assert (sample.name, sample.detector, sample.seed) == ("first", DETECTOR, 1)
    controls = [pair for pair in sample.pairs if pair.stratum == pair_sample.CONTROL]
    assert (len(sample.pairs), len(controls)) == (22, 2)
    for options in ({"count": 20}, {"name": "first"}, {"count": 20, "controls": 0.1, "seed": 1}):
        assert opened(found, **options) == (sample, [])
    remove_again(found)
    assert opened(found, name="first") == (sample, []), "a new result of the same detector"
    other, _ = opened(found, name="other", count=10**6, controls=0.0, seed=2)
    assert opened(found, name="other", count=10**6) == (other, []), "all pairs were requested, and the sample has them"
    assert path.read_bytes() == frozen


def test_two_processes_make_one_sample(found: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second of two simultaneous calls gets the sample of the first, and a note that its seed was ignored."""
    sampled, sample_pairs = threading.Event(), pair_sample.sample_pairs

    def slowly(*args: Any, **options: Any) -> pair_sample.PairSample:
        sample = sample_pairs(*args, **options)
        if sampled.is_set():
            return sample
        sampled.set()
        time.sleep(0.5)  # by then, the second call has looked for the file
        return sample

    monkeypatch.setattr(pair_sample, "sample_pairs", slowly)
    with ThreadPoolExecutor() as threads:
        first = threads.submit(opened, found, count=20, seed=1)
        sampled.wait()
        second = threads.submit(opened, found, count=20, seed=2)
    assert first.result()[0] == second.result()[0] == pair_sample.read_pair_sample(found / "samples" / "first.csv")
    assert first.result()[1] == [] and "--seed ignored" in second.result()[1][0]


def test_notes_on_a_sample_that_differs(found: Path) -> None:
    """If count, share, seed or detector differ, the existing sample is used, with a note for each difference."""
    sample, _ = opened(found, count=20)
    same, notes = opened(found, count=21, controls=0.5, seed=2)
    assert same == sample and len(notes) == 1
    assert "20 removed pairs, 2 controls and seed 1" in notes[0] and "--sample, --controls, --seed" in notes[0]
    folders = find_folders(found)
    same, notes = open_sample(folders, "e" * 64, SampleOptions(count=20))
    assert same == sample and len(notes) == 1 and "first is outdated" in notes[0] and "another detector" in notes[0]
    assert len(open_sample(folders, "e" * 64, SampleOptions(count=5))[1]) == 2


def test_wrong_sample_options(found: Path) -> None:
    """No sample is made, and the message names the wrong option."""
    with pytest.raises(MissingInput, match=r"--name none: .*none.csv does not exist; .*--sample"):
        opened(found, name="none")
    for options in ({"seed": 3}, {"name": "first", "controls": 0.2}):
        with pytest.raises(BadParameters, match="--sample as well"):
            opened(found, **options)
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
    """A picture is found by key and contents, else by contents; a missing one is left out."""
    images = ImageSet(make_imageset(np.arange(4, dtype=np.uint8).repeat(192).reshape(4, 8, 8, 3)[[0, 1, 1, 3]]))
    contents = images.index.column("sha256").to_pylist()
    sides = [(contents[2], images.keys[2]), (contents[1], "renamed"), (contents[3], "x"), ("f" * 64, images.keys[0])]
    assert find_rows(images, sides) == {sides[0]: 2, sides[1]: 1, sides[2]: 3}


def test_verdicts_name_the_sample_and_can_be_undone(found: Path) -> None:
    """They do not replace browsing verdicts on the same pair; undo affects only this rater's last edit."""
    page = judging(found, count=10)
    browsing = VerdictStore(page.store.path, "me")
    pair = page.sample.pairs[3]
    page.judge({"number": 3, "label": "near"})
    page.judge({"number": 4, "label": "similar"})
    assert page.judge({"number": 3, "label": "different"}) == {"number": 3, "label": "different", "undoable": 3}
    verdicts = {frozenset((v.sha256_a, v.sha256_b)): v for v in read_verdicts(page.store.path)}
    verdict = verdicts[pair.contents]
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


def test_a_sample_is_unchanged_after_verdicts_are_applied(found: Path) -> None:
    """Restored pictures are still shown in the sample, and the estimate does not change."""
    page = judging(found, count=10)
    for number in range(len(page.sides)):
        page.judge({"number": number, "label": "different" if number % 2 else "near"})
    before = page.estimate()
    assert before["judged"] == 10 and 0 < before["wrong"] < 10 and not before["stale"]
    assert remove_again(found)["restored"] > 0
    after = judging(found, name="first")
    assert after.estimate() == before and after.session()["labels"] == page.session()["labels"]
    assert not any(after.session()["missing"])
    assert (after.rows == page.rows).all() and after.picture(0, 0) == page.picture(0, 0)


def test_a_pair_that_is_not_in_the_set_cannot_be_judged(found: Path) -> None:
    """A pair whose picture left the set remains in the sample, but cannot be judged."""
    opened(found, count=10)
    path = found / "samples" / "first.csv"
    first = pair_sample.read_pair_sample(path).pairs[0]
    path.write_text(path.read_text().replace(first.sha256_a, "f" * 64).replace(first.key_a, "gone"))
    page = judging(found, name="first")
    missing = page.session()["missing"]
    assert missing[0] and sum(missing) < len(missing)
    assert page.picture(0, 0) is None and page.picture(0, 1) and page.picture(len(missing), 0) is None
    with pytest.raises(BadParameters, match="no longer in the set"):
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


def test_no_answer_reveals_anything_about_a_pair(served: Path, server: Server, browser: requests.Session) -> None:
    """Neither page nor answers contain a key, contents, row, distance, score, reason or stratum of a pair."""
    origin = server.origin
    sample = pair_sample.read_pair_sample(served / "samples" / "first.csv")
    headers = {"Origin": origin}
    posted = [
        browser.post(f"{origin}/api/sample/verdict", json={"number": number, "label": "near"}, headers=headers)
        for number in range(len(sample.pairs))
    ]
    posted.append(browser.post(f"{origin}/api/sample/undo", json={"nonce": "n"}, headers=headers))
    session = browser.get(f"{origin}/api/sample/session")
    assert all(answer.status_code == 200 for answer in [*posted, session])
    assert all(answer.json().keys() == {"number", "label", "undoable"} for answer in posted)
    assert set(session.json()) == {"name", "rater", "verdicts", "notes", "labels", "missing", "sources", "undoable"}
    page, estimated = browser.get(f"{origin}/sample"), browser.get(f"{origin}/api/sample/estimate")
    pictures = [
        browser.get(f"{origin}/sample/{number}/{side}.png") for number in range(len(sample.pairs)) for side in "ab"
    ]
    assert all(picture.headers["content-type"] == "image/png" for picture in pictures)
    texts = [answer.text for answer in (page, estimated, session, *posted)]
    texts += [json.dumps(dict(answer.headers)) for answer in pictures]
    for text in texts:
        for pair in sample.pairs:
            for secret in (pair.key_a, pair.key_b, json.dumps(pair.key_a)[1:-1], pair.sha256_a, pair.sha256_b):
                assert secret not in text
    for text in texts[2 : 3 + len(posted)]:  # not the estimate, which names strata but no pair
        assert not any(word in text for word in ("_code", "control", "hamming", "score", "similarity", "kept"))
    assert not any(word in page.text for word in ("near_code", "near code", "hamming", "score"))
    verdicts = read_verdicts(served / "verdicts.csv")
    assert estimated.json() == estimate(sample, verdicts, detector=DETECTOR)


ROUTES = ("/sample", "/api/sample/session", "/api/sample/estimate", "/sample/0/a.png", "/sample/0/source/b.png")


@pytest.mark.parametrize("path", ROUTES)
def test_access_checks_protect_the_sample_routes(server: Server, browser: requests.Session, path: str) -> None:
    """Refused: requests without the cookie, for other hosts, and with the token for anything but the page."""
    assert requests.get(server.origin + path).status_code == 403
    token = server.link.partition("?")[2]
    assert requests.get(f"{server.origin}{path}?{token}").status_code == (200 if path == "/sample" else 403)
    foreign = browser.get(server.origin + path, headers={"Host": "evil.example"})
    assert foreign.status_code == 403 and len(foreign.content) < 200
    answer = browser.get(server.origin + path)
    assert answer.status_code == (404 if "source" in path else 200)
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


@pytest.mark.parametrize("path", ["/api/sample/verdict", "/api/sample/undo"])
def test_posts_of_other_pages_are_refused(served: Path, server: Server, browser: requests.Session, path: str) -> None:
    """A refused POST writes nothing."""
    verdicts = served / "verdicts.csv"
    before, body = verdicts.read_bytes(), {"number": 0, "label": "different", "nonce": "z"}
    for headers in ({}, {"Origin": "null"}, {"Origin": "http://evil.example"}):
        assert browser.post(server.origin + path, json=body, headers=headers).status_code == 403
    good = {"Origin": server.origin}
    assert requests.post(server.origin + path, json=body, headers=good).status_code == 403
    assert browser.post(server.origin + path, data=json.dumps(body), headers=good).status_code == 415
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
def test_unknown_pairs_and_sides_are_not_found(server: Server, browser: requests.Session, path: str) -> None:
    """Numbers outside the sample and sides other than a and b give 404."""
    assert browser.get(f"{server.origin}/sample/{path}").status_code == 404


def test_without_a_sample_there_is_no_sample_page(tmp_path: Path) -> None:
    """The browsing page then has no link to it either."""
    with serving(make_result(tmp_path / "found", 3, 1)) as server, requests.Session() as session:
        assert "/sample" not in session.get(server.link).text
        assert session.get(f"{server.origin}/sample").status_code == 404
