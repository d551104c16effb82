"""`dcgan review-duplicates --sample N` in a real browser: judging a pair sample blind by keyboard, and the estimate."""

import json
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from pipeline.audit import pair_sample
from pipeline.audit.false_removal_rate import estimate
from pipeline.dedup.decision.verdicts import read_verdicts
from tests.review.duplicates.results import make_result
from tests.webapp.browsing import CONTRAST, Watched, press, saved, until
from tests.webapp.serving import serving

RunStage = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def found(tmp_path: Path) -> Path:
    return make_result(tmp_path / "found", 20, 3)


def judge(page: Page, sample: pair_sample.PairSample, keys: dict[int, str]) -> None:
    """Judge all pairs in their order: controls as different, others as near, exceptions by `keys`."""
    for number, pair in enumerate(sample.pairs):
        expect(page.locator("#position")).to_have_text(f"Pair {number + 1} of {len(sample.pairs)}")
        page.keyboard.press(keys.get(number, "d" if pair.stratum == pair_sample.CONTROL else "n"))
    expect(page.locator("#saved")).to_have_text("saved; you have judged every pair")
    expect(page.locator("#judged")).to_have_text(f"{len(sample.pairs)} of {len(sample.pairs)} judged")


def figures(page: Page) -> dict[str, str]:
    """The figures of the estimate on the page."""
    names, values = (page.locator(f"#figures {tag}").all_text_contents() for tag in ("dt", "dd"))
    return dict(zip(names, values, strict=True))


def percent(value: float) -> str:
    return f"{100 * value:.2f} %"


@pytest.mark.long
def test_two_raters_judge_a_sample(
    tmp_path: Path, scenes: Callable[[int, int], np.ndarray], run_stage: RunStage, watched: Watched
) -> None:
    """From pictures to metrics.json: it has the figures of the page, and applied verdicts do not change them."""
    pictures, out = tmp_path / "pictures", tmp_path / "out"
    pictures.mkdir()
    for number, picture in enumerate(scenes(40, 3)):
        large = Image.fromarray(picture).resize((160, 120))
        large.save(pictures / f"{number:02d}.png")
        if number < 15:
            large.save(pictures / f"copy of {number:02d}.jpg", quality=80 + number % 2)
    dedup = run_stage("dedup", pictures, "--to", out, "-j", 1)
    assert dedup.returncode == 0, dedup.stderr
    path = out / "samples" / "first.csv"
    with serving(out, "--sample", 10, "--controls", 0.2, "--archives", tmp_path) as server:
        page = watched.context.new_page()
        page.goto(server.link)
        expect(page.locator("#position")).to_have_text("Pair 1 of 12")
        sample = pair_sample.read_pair_sample(path)
        wrong = next(n for n, pair in enumerate(sample.pairs) if pair.stratum != pair_sample.CONTROL)
        assert Counter(pair.stratum == pair_sample.CONTROL for pair in sample.pairs) == {False: 10, True: 2}
        press(page, "co")
        until(page, "document.querySelector('.right img').naturalWidth === 160")
        until(page, "document.querySelector('canvas').width === 160")  # the difference of the sources
        judge(page, sample, {wrong: "s"})
        press(page, "e")
        expect(page.locator("#figures dt")).to_have_count(5)
        expected = estimate(sample, read_verdicts(out / "verdicts.csv"), detector=sample.detector)
        rate, low, high = (percent(expected[f"false_removal_rate{end}"]) for end in ("", "_low", "_high"))
        shown = figures(page)
        assert shown["False removals"] == f"{rate} (95 %: {low} to {high})"
        assert shown["Judged by all raters"] == "10 of 10 removed pairs, 1 wrong"
        assert shown["Your controls"] == "0 of 2 called duplicates"
        assert shown["Agreement"] == "no pair has two raters yet"
        assert expected["method"] in str(page.locator("#method").text_content())
        assert page.locator("#strata tbody tr").count() == len(expected["strata"])
        assert server.end()[0] == 0
    with serving(out, "--name", "first", "--rater", "bob") as server:
        other = watched.context.new_page()
        other.goto(server.link)
        control = next(n for n, pair in enumerate(sample.pairs) if pair.stratum == pair_sample.CONTROL)
        judge(other, sample, {control: "n"})
        press(other, "e")
        expect(other.locator("#figures dt")).to_have_count(5)
        shown = figures(other)
        assert shown["Your controls"] == "1 of 2 called duplicates"
        assert shown["Agreement"] == "9 of 10 removed pairs with several raters"
        answered = other.evaluate("fetch('/api/sample/estimate').then((answer) => answer.json())")
        status, output = server.end()
        assert status == 0 and "12 of 12 sampled pairs judged" in output
    assert watched.other_hosts == [] and watched.errors == []
    people = read_verdicts(out / "verdicts.csv")
    assert Counter((v.rater, v.sample) for v in people) == {("ann", "first"): 12, ("bob", "first"): 12}
    assert answered == estimate(sample, people, detector=sample.detector)
    frozen = path.read_bytes()
    acted = run_stage("dedup", pictures, "--to", out, "-j", 1, "--json")
    assert acted.returncode == 0 and json.loads(acted.stdout)["restored"] == 1, acted.stderr
    assert json.loads((out / "steps/gallery/metrics.json").read_text())["sampled"] == {"first": answered}
    assert path.read_bytes() == frozen


def test_undo_reload_and_navigation(found: Path, watched: Watched) -> None:
    """A reload restores verdicts and position; undo goes to its pair; keys of the browsing page do nothing."""
    verdicts = found / "verdicts.csv"
    with serving(found, "--sample", 20) as server:
        page = watched.context.new_page()
        page.goto(server.link)
        expect(page.locator("#position")).to_have_text("Pair 1 of 22")
        assert page.url == f"{server.origin}/sample", "the address has no token"
        press(page, "nsd")
        saved(page)
        expect(page.locator("#position")).to_have_text("Pair 4 of 22")
        press(page, "rag")
        assert [v.label for v in sorted(read_verdicts(verdicts), key=lambda v: v.label)] == [
            *("different", "near", "similar")
        ]
        press(page, "u")
        expect(page.locator("#position")).to_have_text("Pair 3 of 22")
        expect(page.locator("#verdict-text")).to_have_text("none yet")
        assert {v.label for v in read_verdicts(verdicts)} == {"near", "similar"}
        page.reload()
        expect(page.locator("#position")).to_have_text("Pair 3 of 22")
        expect(page.locator("#judged")).to_have_text("2 of 22 judged")
        press(page, "u")  # undoes an edit from before the reload
        expect(page.locator("#position")).to_have_text("Pair 2 of 22")
        expect(page.locator("#judged")).to_have_text("1 of 22 judged")
        page.keyboard.press("ArrowLeft")
        expect(page.locator("#verdict-text")).to_have_text("near – saved")
        page.keyboard.press("PageDown")
        expect(page.locator("#position")).to_have_text("Pair 2 of 22")
        page.keyboard.press("End")
        press(page, "m")
        expect(page.locator("#position")).to_have_text("Pair 2 of 22")  # past the end, to the next unjudged pair
        press(page, "k")
        press(page, "x")
        expect(page.locator("#verdict-text")).to_have_text("none yet")
        saved(page)
        assert [v.label for v in read_verdicts(verdicts)] == ["mirrored"]
        page.click("text=Browse all removals")
        expect(page.locator("#position")).to_have_text("Pair 1 of 60")
        press(page, "n")
        saved(page)
        assert {(v.label, v.sample) for v in read_verdicts(verdicts)} == {("mirrored", "first"), ("near", "")}
        page.click("text=Judge the sample")
        expect(page.locator("#judged")).to_have_text("1 of 22 judged")
        watched.check()


def test_the_page_reveals_nothing(found: Path, watched: Watched) -> None:
    """The estimate is hidden until it is requested; requests name pairs only by their place in the sample."""
    requested: list[str] = []
    watched.context.on("request", lambda request: requested.append(request.url.partition("/sample/")[2]))
    with serving(found, "--sample", 20) as server:
        page = watched.context.new_page()
        page.goto(server.link)
        expect(page.locator("#position")).to_have_text("Pair 1 of 22")
        press(page, "nn")
        saved(page)
        expect(page.locator("#estimate")).to_be_hidden()
        assert page.locator("#figures").text_content() == page.locator("#strata tbody").text_content() == ""
        until(page, "[...document.querySelectorAll('.left img, .right img')].every((image) => image.naturalWidth)")
        assert {"0/a.png", "0/b.png", "2/a.png", "2/b.png"} <= set(requested) and "estimate" not in requested
        content = page.content()
        for pair in pair_sample.read_pair_sample(found / "samples" / "first.csv").pairs:
            stratum = pair.stratum.partition(" ")[0]
            secrets = [pair.key_a, pair.key_b, pair.sha256_a, pair.sha256_b]
            secrets += [] if stratum == pair_sample.CONTROL else [stratum, stratum.replace("_", " ")]
            assert not any(text in content for text in secrets)
        press(page, "e")
        expect(page.locator("#figures dt")).to_have_count(5)
        expect(page.locator("#figures")).to_contain_text("of 20 removed pairs")
        for key in "nd":
            before = str(page.locator("#figures").text_content())
            press(page, key)
            expect(page.locator("#figures")).not_to_have_text(before)
        press(page, "e")
        expect(page.locator("#estimate")).to_be_hidden()
        watched.check()


def test_an_outdated_sample_is_reported(found: Path, watched: Watched) -> None:
    """Warnings on stderr and notes on the page; the sample can still be judged."""
    with serving(found, "--sample", 20) as server:
        assert "warning" not in server.output
    path = found / "samples" / "first.csv"
    path.write_text(path.read_text().replace("d" * 64, "e" * 64))
    with serving(found, "--sample", 30, "--quiet") as server:
        assert "warning: sample first is outdated" in server.output and "another detector" in server.output
        assert "warning: sample first already exists" in server.output and "--sample ignored" in server.output
        page = watched.context.new_page()
        page.goto(server.link)
        expect(page.locator("#notes li")).to_have_count(2)
        expect(page.locator("#notes")).to_contain_text("is outdated: it holds pairs that another detector removed")
        expect(page.locator("#notes")).to_contain_text("with 20 removed pairs, 2 controls and seed 1")
        press(page, "ne")
        expect(page.locator("#figures")).to_contain_text("Outdated")
        watched.check()


@pytest.mark.long
def test_a_lost_server_loses_nothing(found: Path, watched: Watched) -> None:
    """After a kill and a restart on the same port, edits made in between are saved."""
    with serving(found, "--sample", 20) as server:
        page = watched.context.new_page()
        page.goto(server.link)
        expect(page.locator("#position")).to_have_text("Pair 1 of 22")
        press(page, "nn")
        saved(page)
        server.kill()
        press(page, "s")
        expect(page.locator("#save-error")).to_contain_text("Not saved yet (1 edit): the server does not answer")
        assert len(read_verdicts(found / "verdicts.csv")) == 2
    watched.errors.clear()  # the browser reports the lost connection
    with serving(found, "--name", "first", "--port", server.port) as restarted:
        watched.context.new_page().goto(restarted.link)
        expect(page.locator("#save-error")).to_be_hidden(timeout=20_000)
        saved(page)
        assert sorted(v.label for v in read_verdicts(found / "verdicts.csv")) == ["near", "near", "similar"]


@pytest.mark.parametrize("width", [1280, 390])
def test_accessibility(found: Path, watched: Watched, width: int) -> None:
    """No sideways scrolling; controls have names, pictures alternative texts; enough contrast; help shows the keys."""
    with serving(found, "--sample", 20) as server:
        page = watched.context.new_page()
        page.set_viewport_size({"width": width, "height": 844})
        page.goto(server.link)
        expect(page.locator("#position")).to_have_text("Pair 1 of 22")
        press(page, "se")
        expect(page.locator("#figures dt")).to_have_count(5)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(
            "(({scrollWidth, clientWidth}) => scrollWidth <= clientWidth)(document.querySelector('.wide'))"
        )
        for name in ("first picture", "second picture"):
            expect(page.get_by_alt_text(name)).to_be_visible()
        for control in page.locator("button:visible, a:visible, [role=region]").all():
            named = control.evaluate("e => e.getAttribute('aria-label') || e.textContent")
            assert named.strip()
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            for selector in ("h1", "header a", ".quiet", "figcaption", "dt", "caption", "td", "[data-label=near]"):
                assert page.evaluate(CONTRAST, selector) >= 4.5, (scheme, selector)
        press(page, "?")
        expect(page.get_by_role("dialog")).to_contain_text("next pair without a verdict of yours")
        page.keyboard.press("Escape")
        watched.check()


def test_wrong_options(found: Path, call_stage: Callable[..., Any]) -> None:
    """The error is one line that names the option."""
    failed = call_stage("review_duplicates", "--dedup", found, "--no-browser", "--name", "none")
    assert failed.returncode == 1 and "--name none" in failed.stderr and "--sample" in failed.stderr
    failed = call_stage("review_duplicates", "--dedup", found, "--no-browser", "--seed", 3)
    assert failed.returncode == 1 and "--sample as well" in failed.stderr
    (found / "samples").mkdir()
    (found / "samples" / "first.csv").write_text("notes\n")
    failed = call_stage("review_duplicates", "--dedup", found, "--no-browser", "--sample", 3)
    assert failed.returncode == 1 and "first.csv, line 1" in failed.stderr
