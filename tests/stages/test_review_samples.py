"""`dcgan review-samples` in a real browser, used by mouse and keyboard, with a crash."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from pipeline.review.samples.boxes import Rectangle, read_boxes
from pipeline.review.samples.exemplars import read_exemplars
from pipeline.review.samples.model_samples import ModelSamples
from tests.review.samples.conftest import tiny_model
from tests.webapp.browsing import CONTRAST, Watched, press, ready, saved, until
from tests.webapp.serving import Running

__all__ = ["tiny_model"]

CONCEPTS = {"smiling woman": [3, 14, 15], "neutral woman": [9, 26, 53], '<img src=x onerror="alert(1)">': [58, 97, 202]}
"""Exemplars of each concept: numbers of samples, from 0."""


@pytest.fixture
def audit(tmp_path: Path) -> Path:
    return tmp_path / "audit" / "tiny"


@pytest.fixture
def start(tiny_model: Path, audit: Path) -> Iterator[Callable[..., Running]]:
    """A function that starts the command; it is stopped at the end of the test."""
    started: list[Running] = []

    def start(*options: object, port: int = 0) -> Running:
        started.append(Running("review_samples", "--model", tiny_model, "--to", audit, *options, port=port))
        return started[-1]

    yield start
    for running in started:
        if running.process.poll() is None:
            running.kill()


def drag(page: Page, start: tuple[int, int], end: tuple[int, int], modifier: str = "") -> None:
    """Drag from the centre of one pixel of the sample (32 pixels wide) to the centre of another."""
    box = page.locator("#canvas").bounding_box()
    assert box
    (x, y), (to_x, to_y) = (
        (box["x"] + (column + 0.5) * box["width"] / 32, box["y"] + (row + 0.5) * box["height"] / 32)
        for column, row in (start, end)
    )
    if modifier:
        page.keyboard.down(modifier)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(to_x, to_y, steps=4)
    page.mouse.up()
    if modifier:
        page.keyboard.up(modifier)


def places(audit: Path, sample: int) -> list[Rectangle | None]:
    return [box.rectangle for box in read_boxes(audit / "boxes.csv") if box.sample == sample]


def keys(page: Page, *names: str) -> None:
    for name in names:
        page.keyboard.press(name)


@pytest.mark.long
def test_a_session_with_a_crash(start: Callable[..., Running], tiny_model: Path, audit: Path, watched: Watched) -> None:
    """Boxes by mouse and keyboard, undo, nine exemplars, a reload, kill -9: all acknowledged edits are saved."""
    server = start()
    page = watched.open(server.link)
    expect(page.locator("#counter")).to_have_text("0 boxes on 0 of 150 samples")
    drag(page, (2, 3), (11, 20))
    drag(page, (30, 25), (20, 22))  # starting at the lower right corner
    keys(page, "ArrowRight", "ArrowRight")
    expect(page.locator("#position")).to_have_text("Sample 3 of 150")
    drag(page, (0, 0), (31, 31))
    keys(page, "ArrowRight", "b", "ArrowLeft", "ArrowUp", "ArrowUp", "Shift+ArrowRight", "Shift+ArrowDown", "Enter")
    expect(page.locator("#counter")).to_have_text("4 boxes on 3 of 150 samples")
    saved(page)
    assert places(audit, 0) == [(2, 3, 10, 18), (20, 22, 11, 4)]
    assert places(audit, 1) == [None], "viewed, without a window"
    assert places(audit, 2) == [(0, 0, 32, 32)]
    assert places(audit, 3) == [(11, 10, 9, 9)]
    assert {box.sample for box in read_boxes(audit / "boxes.csv")} == {0, 1, 2, 3}, "sample 4 was not viewed"

    keys(page, "u")  # undoes all edits of that box by keyboard
    expect(page.locator("#counter")).to_have_text("3 boxes on 2 of 150 samples")
    saved(page)
    assert places(audit, 3) == []
    keys(page, "Home")
    drag(page, (25, 23), (23, 20))  # drags a box
    saved(page)
    assert places(audit, 0) == [(2, 3, 10, 18), (18, 19, 11, 4)]
    keys(page, "ArrowDown", "Escape")
    drag(page, (4, 5), (6, 8), modifier="Shift")  # a new box inside a box
    saved(page)
    assert places(audit, 0) == [(2, 3, 10, 18), (4, 5, 3, 4), (18, 20, 11, 4)]
    keys(page, "Delete")  # the last one
    saved(page)
    keys(page, "s", "Delete")  # the selected one
    saved(page)
    assert places(audit, 0) == [(18, 20, 11, 4)]
    page.reload()
    expect(page.locator("#counter")).to_have_text("2 boxes on 2 of 150 samples")
    keys(page, "u")  # also after a reload
    saved(page)
    assert places(audit, 0) == [(2, 3, 10, 18), (18, 20, 11, 4)]
    keys(page, "n")
    expect(page.locator("#position")).to_have_text("Sample 4 of 150")
    boxes = (audit / "boxes.csv").read_bytes()

    page.click("text=Exemplars")
    expect(page.locator("#grid li")).to_have_count(200)
    expect(page.locator("#hint")).to_contain_text("Name a concept")
    for number, (concept, samples) in enumerate(CONCEPTS.items()):
        keys(page, "c")
        expect(page.locator("#name input")).to_be_focused()
        page.keyboard.type(concept)
        keys(page, "Enter")
        for sample in samples:
            if number == 0:
                page.locator(f"[data-sample='{sample}']").click()
            else:
                go_to(page, sample)
                keys(page, "Space")
        expect(page.locator("#concepts .concept").nth(number)).to_contain_text("3 exemplars")
    keys(page, "1", "Space", "u", "u")  # undoes this exemplar, and the last one of the third concept
    saved(page)
    assert chosen(audit) == {**CONCEPTS, list(CONCEPTS)[2]: [58, 97]}
    keys(page, "Space")  # undo has selected that sample
    saved(page)
    assert chosen(audit) == CONCEPTS
    means = page.locator("img.mean")
    expect(means).to_have_count(3)
    for number, (concept, samples) in enumerate(
        sorted(CONCEPTS.items(), key=lambda item: list(CONCEPTS).index(item[0]))
    ):
        expect(means.nth(number)).to_have_attribute("alt", f"Mean of 3 exemplars of {concept}")
        expect(means.nth(number)).to_have_attribute("src", f"/mean.png?samples={','.join(map(str, samples))}")
        until(page, f"document.querySelectorAll('img.mean')[{number}].naturalWidth === 32")
    assert page.locator("#layout [onerror]").count() == 0
    watched.check()

    server.kill()
    keys(page, "2", "Space")
    expect(page.locator("#save-error")).to_contain_text("Not saved yet (1 edit): the server does not answer")
    assert chosen(audit) == CONCEPTS and (audit / "boxes.csv").read_bytes() == boxes
    restarted = start(port=server.port)
    other = watched.open(restarted.link)  # the old page has the new cookie as well
    expect(page.locator("#save-error")).to_be_hidden(timeout=20_000)
    saved(page)
    assert chosen(audit)["neutral woman"] == [9, 26, 53, 202]
    watched.errors.clear()  # the browser reports the lost connection
    expect(other.locator("#counter")).to_have_text("3 boxes on 2 of 150 samples")
    other.click("text=Exemplars")
    expect(other.locator("#concepts .concept")).to_have_count(3)
    watched.check()
    status, output = restarted.end()
    assert status == 0 and "3 boxes on 2 of 150 samples (3 viewed), 10 exemplars of 3 concepts" in output
    model = ModelSamples(tiny_model, 0).digest
    for row in (*read_boxes(audit / "boxes.csv"), *read_exemplars(audit / "exemplars.csv")):
        assert (row.model, row.seed, row.rater) == (model, 0, "ann")


def go_to(page: Page, sample: int) -> None:
    """Go to a sample by keyboard."""
    at = int(page.evaluate("document.activeElement.dataset.sample"))
    while sample // 200 > at // 200:
        keys(page, "PageDown")
        at = int(page.evaluate("document.activeElement.dataset.sample"))
    columns = page.evaluate("getComputedStyle(document.querySelector('#grid')).gridTemplateColumns.split(' ').length")
    for _ in range(abs(sample // columns - at // columns)):
        keys(page, "ArrowDown" if sample > at else "ArrowUp")
    at = int(page.evaluate("document.activeElement.dataset.sample"))
    for _ in range(abs(sample - at)):
        keys(page, "ArrowRight" if sample > at else "ArrowLeft")
    expect(page.locator(f"[data-sample='{sample}']")).to_be_focused()


def chosen(audit: Path) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for exemplar in read_exemplars(audit / "exemplars.csv"):
        found.setdefault(exemplar.concept, []).append(exemplar.sample)
    return found


@pytest.mark.long
def test_two_tabs_and_two_raters(start: Callable[..., Running], audit: Path, watched: Watched) -> None:
    """Edits of two tabs are all saved; a second rater starts without boxes, and both raters' boxes are saved."""
    server = start("--count", 5)
    one = watched.open(server.link)
    two = watched.open(f"{server.origin}/")
    drag(one, (1, 1), (4, 4))
    drag(two, (8, 8), (12, 12))
    saved(one)
    saved(two)
    assert places(audit, 0) == [(1, 1, 4, 4), (8, 8, 5, 5)]
    keys(two, "u")
    saved(two)
    assert places(audit, 0) == [(1, 1, 4, 4)]
    keys(one, "End", "ArrowRight", "ArrowRight")  # there is no next sample, but the last one counts as viewed
    saved(one)
    assert places(audit, 4) == [None]
    server.end()
    page = watched.open(start("--count", 5, "--rater", "bob", "--object", "bed").link)
    expect(page.locator("#counter")).to_have_text("0 boxes on 0 of 5 samples")
    expect(page.locator(".task")).to_have_text("Draw a box around each bed.")
    drag(page, (1, 1), (4, 4))
    saved(page)
    assert {(box.rater, box.object) for box in read_boxes(audit / "boxes.csv")} == {("ann", "window"), ("bob", "bed")}
    watched.check()


@pytest.mark.parametrize("width", [1280, 390])
def test_accessibility(start: Callable[..., Running], watched: Watched, width: int) -> None:
    """Both pages: see `check_accessibility`."""
    server = start()
    page = watched.open(server.link)
    page.set_viewport_size({"width": width, "height": 844})
    drag(page, (1, 1), (4, 4))
    saved(page)
    check_accessibility(page, width)
    page.click("text=Exemplars")
    ready(page)
    keys(page, "c")
    page.keyboard.type("facing left, of a long name, of a very long name, without an end")
    keys(page, "Enter", "Space")
    expect(page.locator("img.mean")).to_be_visible()
    check_accessibility(page, width)
    watched.check()


def check_accessibility(page: Page, width: int) -> None:
    """No sideways scrolling; controls have names, pictures alternative texts; enough contrast in light and dark."""
    expect(page.locator("[role=option]").first).to_have_attribute("aria-label", re.compile("^Sample 1, "))
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("img:not([alt])").count() == 0
    controls = page.locator("button:visible, input:visible, [role=listbox]")
    name = "e => e.getAttribute('aria-label') || e.labels?.[0]?.textContent || e.textContent"
    assert all(controls.evaluate_all(f"all => all.map({name}).map((text) => text.trim())"))
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for selector in ("h1", ".quiet", "header a", "header a[aria-current]", "#hint", ".badge:not(:empty)"):
            assert page.evaluate(CONTRAST, selector) >= 4.5, (scheme, selector)
    press(page, "?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_wrong_options(tmp_path: Path, tiny_model: Path, call_stage: Callable[..., Any]) -> None:
    """The error is one line that names the option or line."""
    options = ["--to", tmp_path / "audit", "--no-browser"]
    missing = call_stage("review_samples", "--model", tmp_path, *options)
    assert missing.returncode == 1 and "model.json" in missing.stderr
    (tmp_path / "audit").mkdir()
    (tmp_path / "audit" / "exemplars.csv").write_text("notes\n")
    broken = call_stage("review_samples", "--model", tiny_model, *options)
    assert broken.returncode == 1 and "line 1" in broken.stderr and broken.stderr.count("\n") == 1
