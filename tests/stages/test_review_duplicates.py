"""`dcgan review-duplicates` in a real browser, used by keyboard, with crashes, on 10,000 removals."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from playwright.sync_api import Page, Route, expect

from pipeline.dedup.decision.restore import restore
from pipeline.dedup.decision.verdicts import Verdict, read_verdicts
from tests.review.duplicates import results
from tests.review.duplicates.results import HOSTILE, make_result, remove_again
from tests.webapp.browsing import CONTRAST, Watched, press, ready, saved, until
from tests.webapp.serving import Server, serving

GROUPS, COPIES = 2500, 4
SMALL = (30, 3)


@pytest.fixture
def found(tmp_path: Path) -> Path:
    """A small result with hostile keys."""
    return make_result(tmp_path / "found", *SMALL, hostile=HOSTILE)


def selected(page: Page) -> tuple[str, str]:
    """Keys of the pair that is shown, the kept one's first."""
    texts = page.locator("#pictures figcaption .key").all_text_contents()
    return texts[0], texts[1]


def labels(path: Path) -> dict[str, str]:
    """Label of each verdict by its first key."""
    return {verdict.key_a: verdict.label for verdict in read_verdicts(path) if verdict.label}


@pytest.mark.long
def test_a_session_with_a_crash(tmp_path: Path, watched: Watched) -> None:
    """50 verdicts by keyboard, undo, a swap, a reload, kill -9: all acknowledged verdicts are saved."""
    found = make_result(tmp_path / "found", GROUPS, COPIES)
    path = found / "verdicts.csv"
    expected: dict[str, str] = {}
    words = {"p": "same_pixels", "n": "near", "m": "mirrored", "s": "similar", "d": "different", "1": "same_bytes"}
    with serving(found) as server:
        page = watched.open(server.link)
        expect(page.locator("#position")).to_have_text("Pair 1 of 10,000")
        for number in range(50):
            key = "pnmsd1"[number % 6]
            before = selected(page)
            expected[before[1]] = words[key]
            page.keyboard.press(key)
            expect(page.locator("#position")).to_have_text(f"Pair {number + 2} of 10,000")
            assert selected(page) != before
        saved(page)
        assert labels(path) == expected and len(expected) == 50
        page.keyboard.press("u")
        expect(page.locator("#position")).to_have_text("Pair 50 of 10,000")
        representative, undone = selected(page)
        expect(page.locator("#verdict-text")).to_have_text("none yet")
        assert labels(path) == {key: label for key, label in expected.items() if key != undone}
        page.keyboard.press("r")
        expect(page.locator("#position")).to_have_text("Pair 51 of 10,000")
        saved(page)
        swapped = [verdict for verdict in read_verdicts(path) if verdict.keep]
        assert [(v.key_a, v.label, v.keep == v.sha256_a) for v in swapped] == [(undone, "near", True)]
        page.reload()
        ready(page)
        page.keyboard.press("u")  # undoes the swap, after a reload
        expect(page.locator("#position")).to_have_text("Pair 50 of 10,000")
        expect(page.locator("#verdict-text")).to_have_text("none yet")
        page.keyboard.press("r")
        expect(page.locator("#position")).to_have_text("Pair 51 of 10,000")
        saved(page)
        expected[undone] = "near"
        assert labels(path) == expected
        watched.check()

        server.kill()
        unsaved = selected(page)[1]
        page.keyboard.press("d")
        expect(page.locator("#save-error")).to_contain_text("Not saved yet (1 edit): the server does not answer")
        expect(page.locator("#saved")).to_have_text("not saved")
        expect(page.locator("#list .judged")).to_have_count(
            0
        )  # the second page of the list; its first verdict is not saved
        assert labels(path) == expected
    watched.errors.clear()  # the browser reports the lost connection
    restarted = Server(found, port=server.port)
    try:
        other = watched.open(restarted.link)  # the old page has the new cookie as well
        expect(page.locator("#save-error")).to_be_hidden(timeout=20_000)
        saved(page)
        expected[unsaved] = "different"
        assert labels(path) == expected
        watched.errors.clear()  # a 403 from before the link was opened
        other.keyboard.press("End")
        expect(other.locator("#position")).to_have_text("Pair 10,000 of 10,000")
        watched.check()
        status, output = restarted.end()
        assert (
            status == 0
            and "51 verdicts of this rater" in output
            and str(path) in output
            and "dcgan dedup again" in output
        )
    finally:
        if restarted.process.poll() is None:
            restarted.kill()

    summary = remove_again(found)
    assert summary["verdicts_used"] == 51 and summary["verdicts_ignored"] == 0
    rows = {row["key"]: row for row in pq.read_table(found / "steps/dedup/manifest.parquet").to_pylist()}
    not_duplicates = {key for key, label in expected.items() if label in ("mirrored", "similar", "different")}
    assert {rows[key]["status"] for key in not_duplicates} == {"restored"} and len(not_duplicates) == 25
    assert rows[undone]["status"] == "restored" and rows[representative]["kept_key"] == undone
    assert {rows[key]["status"] for key in expected.keys() - not_duplicates - {undone}} == {"removed"}


def test_hostile_keys_are_text(found: Path, watched: Watched) -> None:
    """No script runs, text direction does not change, and each verdict is one line of the file."""
    with serving(found) as server:
        page = watched.open(server.link)
        for key in HOSTILE:
            page.keyboard.press("/")
            page.fill("#jump input", key.partition("\n")[0])  # the first line of the key is enough to find it
            page.keyboard.press("Enter")
            expect(page.locator("#list")).to_be_focused()
            shown = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in key)
            assert shown in selected(page)
            assert page.title() == "Review of found"
            press(page, "n")
            saved(page)
        active = "document.querySelectorAll('#layout script, #layout [onerror], #layout [onmouseover]').length"
        assert page.evaluate(active) == 0
        verdicts = read_verdicts(found / "verdicts.csv")
        assert set(HOSTILE) <= {key for verdict in verdicts for key in (verdict.key_a, verdict.key_b)}
        assert len((found / "verdicts.csv").read_text().splitlines()) == 1 + len(verdicts)
        watched.check()


@pytest.mark.long
def test_filters_jump_and_lists(found: Path, watched: Watched) -> None:
    """Filters, jumps, and the lists of misses and mirrored matches; a reload restores list and position."""
    with serving(found) as server:
        page = watched.open(server.link)
        page.keyboard.press("f")
        expect(page.locator("[name=text]")).to_be_focused()
        page.keyboard.type("ROOM/000001")
        page.keyboard.press("Enter")
        expect(page.locator("#position")).not_to_contain_text(f"of {SMALL[0] * SMALL[1]}")
        for text in page.locator("#list .key").all_text_contents():
            assert text.startswith("room/000001")
        page.keyboard.press("Escape")
        page.keyboard.press("j")
        expect(page.locator("#position")).to_contain_text("Pair 2 of")
        before = page.locator("#position").text_content()
        page.reload()
        expect(page.locator("#position")).to_have_text(str(before))
        page.click("#query button")
        expect(page.locator("#position")).to_have_text("Pair 1 of 90")
        page.select_option("[name=reason]", "same_bytes")
        expect(page.locator("#position")).to_have_text("Pair 1 of 3")
        expect(page.locator("[data-action=keep]")).to_be_disabled()
        page.select_option("[name=reason]", "")
        page.fill("[name=distance_least]", "3")
        page.fill("[name=distance_most]", "5")
        page.keyboard.press("Enter")
        expect(page.locator("#position")).to_have_text("Pair 1 of 30")
        page.fill("[name=group_size_least]", "9")
        page.keyboard.press("Enter")
        expect(page.locator("#position")).to_have_text("No pair matches the filter")
        page.keyboard.press("Escape")
        press(page, "nuragjx")  # without a pair, keys do nothing
        page.click("#query button")
        page.select_option("[name=kind]", "misses")
        expect(page.locator("#position")).to_have_text("Near miss 1 of 29")
        expect(page.locator("[data-action=keep]")).to_be_disabled()
        page.keyboard.press("Escape")
        page.keyboard.press("s")
        saved(page)
        page.select_option("[name=kind]", "mirrored")
        expect(page.locator("#position")).to_have_text("Mirrored match 1 of 2")
        page.keyboard.press("Escape")
        page.keyboard.press("m")
        saved(page)
        assert sorted(v.label for v in read_verdicts(found / "verdicts.csv")) == ["mirrored", "similar"]
        page.select_option("[name=kind]", "removed")
        expect(page.locator("#position")).to_have_text("Pair 1 of 90")
        page.fill("#jump input", "no such key")
        page.keyboard.press("Enter")
        expect(page.locator("#saved")).to_have_text("no key of this list contains the text")
        watched.check()


def test_verdicts_on_groups_always_keep_and_delete(found: Path, watched: Watched) -> None:
    """A verdict for a group, `a` (always keep) and `x` (delete verdict); undo works for each."""
    path = found / "verdicts.csv"
    with serving(found) as server:
        page = watched.open(server.link)
        key = selected(page)
        press(page, "g")
        expect(page.locator("#saved")).to_have_text("the next verdict applies to the whole group of 4")
        expect(page.locator("[data-action=keep]")).to_be_disabled()
        for stops in "gj":  # both end the group mode
            press(page, stops)
            expect(page.locator("#saved")).to_have_text("")
            expect(page.locator("[data-action=group]")).to_have_attribute("aria-pressed", "false")
            press(page, "g")
        press(page, "kg")
        expect(page.locator("[data-action=group]")).to_have_attribute("aria-pressed", "true")
        press(page, "d")
        expect(page.locator("#position")).to_have_text("Pair 2 of 90")
        group = read_verdicts(path)
        assert len(group) == SMALL[1] and {v.label for v in group} == {"different"}
        press(page, "u")
        expect(page.locator("#position")).to_have_text("Pair 1 of 90")
        expect(page.locator("#verdict-text")).to_have_text("none yet")
        assert read_verdicts(path) == [] and selected(page) == key
        press(page, "a")
        saved(page)
        assert [v.always_keep for v in read_verdicts(path)] == [True]
        press(page, "kk")
        expect(page.locator("#verdict-text")).to_have_text("always keep – saved")
        press(page, "x")
        expect(page.locator("#verdict-text")).to_have_text("none yet")
        saved(page)
        assert read_verdicts(path) == []
        press(page, "uu")
        expect(page.locator("#verdict-text")).to_have_text("none yet")
        press(page, "u")
        expect(page.locator("#saved")).to_have_text("nothing to undo")
        watched.check()


def test_the_number_of_judged_pairs(found: Path, watched: Watched) -> None:
    """It counts the verdicts on the pairs of the current list; the least certain pairs come first."""
    with serving(found) as server:
        page = watched.open(server.link)
        expect(page.locator("#judged")).to_have_text("0 of 90 judged")
        expect(page.locator("#facts")).to_contain_text("score-3.00")
        press(page, "nd")
        expect(page.locator("#judged")).to_have_text("2 of 90 judged")
        assert page.locator("#bar").evaluate("bar => bar.position") == 2 / 90
        page.locator("#filters").evaluate("details => { details.open = true }")
        page.select_option("[name=reason]", "same_bytes")
        expect(page.locator("#judged")).to_have_text("0 of 3 judged")
        page.select_option("[name=reason]", "")
        expect(page.locator("#judged")).to_have_text("2 of 90 judged")
        page.keyboard.press("Escape")
        press(page, "u")
        expect(page.locator("#judged")).to_have_text("1 of 90 judged")
        page.keyboard.press("End")
        expect(page.locator("#facts")).to_contain_text("score-1.00")
        press(page, "gd")
        expect(page.locator("#judged")).to_contain_text("of 90 judged")
        watched.check()


def test_letters_and_arrows_go_to_the_next_and_the_previous_pair(found: Path, watched: Watched) -> None:
    """`j` and `k` as in other programs, and arrow keys in both directions."""
    with serving(found) as server:
        page = watched.open(server.link)
        at = 1
        for key, step in (("j", 1), ("ArrowDown", 1), ("ArrowRight", 1), ("k", -1), ("ArrowUp", -1), ("ArrowLeft", -1)):
            press(page, [key])
            at += step
            expect(page.locator("#position")).to_have_text(f"Pair {at} of 90")
        watched.check()


@pytest.mark.parametrize("width", [1280, 1920])
def test_list_and_pictures_use_the_width(found: Path, watched: Watched, width: int) -> None:
    """The list has at least a quarter of the width; the rest is for the two pictures, and all buttons are visible."""
    height = width * 2 // 3
    with serving(found) as server:
        page = watched.open(server.link)
        page.set_viewport_size({"width": width, "height": height})
        boxes = {name: page.locator(name).bounding_box() for name in ("#list", ".left .pane", ".right .pane")}
        used = sum(box["width"] for box in boxes.values() if box)
        assert used > width - 80 and (boxes["#list"] or {})["width"] > width / 4
        last = page.locator("[data-action=undo]").bounding_box()
        assert last and last["y"] + last["height"] <= height
        watched.check()


def test_a_lost_server_is_reported_while_browsing(found: Path, watched: Watched) -> None:
    """If a page cannot be loaded, the message says what to do: for a stopped and for a restarted server."""
    with serving(found) as server:
        page = watched.open(server.link)
        server.kill()
        page.keyboard.press("PageDown")
        expect(page.locator("#saved")).to_contain_text("could not load: the server does not answer: start it again")
    with serving(found, "--port", server.port) as restarted:
        page.keyboard.press("PageDown")
        expect(page.locator("#saved")).to_contain_text("could not load: the server was restarted: open the link")
        watched.open(restarted.link)
        page.keyboard.press("PageDown")
        expect(page.locator("#position")).to_have_text("Pair 51 of 90")


def test_a_step_before_the_filtered_list_is_loaded(found: Path, watched: Watched) -> None:
    """A key pressed before the filtered list arrives must not lead back to the old list."""
    with serving(found) as server:
        page = watched.open(server.link)
        page.evaluate(
            """() => {
              document.querySelector("[name=reason]").value = "same_bytes";
              document.querySelector("[name=reason]").dispatchEvent(new Event("change", { bubbles: true }));
              document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "j", bubbles: true }));
            }"""
        )
        expect(page.locator("#position")).to_have_text("Pair 1 of 3")
        watched.check()


def test_after_the_last_pair_comes_the_first(found: Path, watched: Watched) -> None:
    """At the end of the list, the next unjudged pair is searched from the beginning."""
    with serving(found) as server:
        page = watched.open(server.link)
        page.keyboard.press("End")
        expect(page.locator("#position")).to_have_text("Pair 90 of 90")
        press(page, "n")
        expect(page.locator("#position")).to_have_text("Pair 1 of 90")
        watched.check()


def test_pairs_of_the_same_contents_share_a_verdict(
    tmp_path: Path, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two removed copies with the same bytes, a verdict on one is shown for the other, and is not lost there."""
    content = results.content
    monkeypatch.setattr(results, "content", lambda row, size: content(row - (row % size == 3), size))
    found = make_result(tmp_path / "found", *SMALL)
    with serving(found) as server:
        page = watched.open(server.link)
        page.keyboard.press("f")
        page.keyboard.type("room/000000")
        page.keyboard.press("Enter")
        expect(page.locator("#position")).not_to_contain_text("of 90")
        page.select_option("[name=sort]", "key")
        expect(page.locator("#pictures .removed .key")).to_have_text("room/0000001.jpg")
        page.keyboard.press("Escape")
        press(page, "ja")
        expect(page.locator("#pictures .removed .key")).to_have_text("room/0000003.jpg")
        expect(page.locator("#verdict-text")).to_have_text("always keep – saved")
        press(page, "n")
        saved(page)
        assert {(v.label, v.always_keep) for v in read_verdicts(found / "verdicts.csv")} == {
            ("near", False),
            ("", True),
        }
        watched.check()


def test_steps_count_from_the_requested_page(found: Path, watched: Watched) -> None:
    """`End` and `k`, pressed before the server answers, lead to the second to last pair."""
    with serving(found) as server:
        page = watched.open(server.link)
        held: list[Route] = []
        page.route("**/api/pairs*", lambda route: held.append(route))
        press(page, ["End", "k", "k", "j"])
        expect(page.locator("#position")).to_have_text("Pair 1 of 90")
        # A request reaches this process some time after its key was pressed, and each answer may cause another request.
        position = page.locator("#position")
        for _ in range(1200):
            while held:
                held.pop(0).continue_()
            if position.text_content() == "Pair 89 of 90":
                break
            page.wait_for_timeout(50)
        expect(page.locator("#position")).to_have_text("Pair 89 of 90")
        watched.check()


@pytest.mark.long
def test_two_tabs(found: Path, watched: Watched) -> None:
    """Verdicts of two tabs and of `dcgan restore` in between are all saved."""
    path, steps = found / "verdicts.csv", found / "steps" / "dedup"
    with serving(found) as server:
        one = watched.open(server.link)
        two = watched.open(f"{server.origin}/")
        two.keyboard.press("End")
        expect(two.locator("#position")).to_have_text("Pair 90 of 90")
        removed = [row["key"] for row in pq.read_table(steps / "manifest.parquet").to_pylist() if row["kept_key"]]
        last = selected(two)[1]
        for key in removed[40:45]:
            one.keyboard.press("n")
            two.keyboard.press("s")
            restore(steps, path, keys=[key])
            press(two, ["End", "k"])  # the second key may come before the page that the first one requested
            expect(two.locator("#position")).to_have_text("Pair 89 of 90")
        second_to_last = selected(two)[1]
        saved(one)
        saved(two)
        assert {v.key_a for v in read_verdicts(path) if v.always_keep} == set(removed[40:45])
        expected = labels(path)
        assert {key for key, label in expected.items() if label == "similar"} == {last, second_to_last}
        assert list(expected.values()).count("near") == 5 and len(expected) == 7
        watched.check()


@pytest.mark.long
def test_views_and_zoom(found: Path, watched: Watched) -> None:
    """The difference is shown; pictures blink twice a second unless reduced motion is set; zoom applies to both."""
    with serving(found) as server:
        page = watched.open(server.link)
        removed, kept = page.locator(".removed .pane img"), page.locator(".kept .pane img")
        expect(removed).to_be_visible()
        until(page, "document.querySelector('.removed img').naturalWidth === 32")
        press(page, "c")
        expect(page.locator("canvas")).to_be_visible()
        until(page, BRIGHTEST + " > 0")
        press(page, "v+")
        transforms = {image.evaluate("image => image.style.transform") for image in (removed, kept)}
        assert len(transforms) == 1 and "scale(1.5)" in transforms.pop()
        page.mouse.move(*middle(page, ".kept .pane"))
        page.mouse.wheel(0, -300)
        until(page, "document.querySelector('.removed img').style.transform.includes('scale(3')")
        before = removed.evaluate("image => image.style.transform")
        page.mouse.down()
        page.mouse.move(middle(page, ".kept .pane")[0] + 40, middle(page, ".kept .pane")[1])
        page.mouse.up()
        until(page, f"document.querySelector('.removed img').style.transform !== '{before}'")
        press(page, "0")
        page.clock.install()
        page.clock.pause_at("2030-01-01")
        press(page, "b")
        page.evaluate(COUNT_CHANGES)
        page.clock.run_for(2200)
        until(page, "window.n === 4")
        press(page, "b")
        page.emulate_media(reduced_motion="reduce")
        press(page, "b")
        page.evaluate("window.n = 0")
        page.clock.run_for(1200)
        assert page.evaluate("window.n") == 0
        expect(kept).to_be_visible()
        press(page, "b")
        expect(removed).to_be_visible()
        expect(kept).to_be_hidden()
        watched.check()


BRIGHTEST = """(() => {
  const c = document.querySelector('canvas');
  const data = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
  return data.reduce((most, value, i) => i % 4 < 3 ? Math.max(most, value) : most, 0);
})()"""
COUNT_CHANGES = """() => {
  window.n = 0;
  const watch = new MutationObserver(() => window.n++);
  watch.observe(document.querySelector('#pictures'), { attributeFilter: ['class'] });
}"""


def middle(page: Page, selector: str) -> tuple[float, float]:
    box = page.locator(selector).bounding_box()
    assert box
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


@pytest.mark.parametrize("width", [1280, 390])
def test_accessibility(found: Path, watched: Watched, width: int) -> None:
    """No sideways scrolling; controls have names, pictures alternative texts; enough contrast in light and dark."""
    with serving(found) as server:
        page = watched.open(server.link)
        page.set_viewport_size({"width": width, "height": 844})
        page.locator("#filters").evaluate("details => { details.open = true }")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator(".pane img:not([alt])").count() == 0
        for name in ("kept picture", "removed picture"):
            expect(page.get_by_alt_text(name)).to_be_visible()
        for control in page.locator("button:visible, input:visible, select:visible, [role=listbox]").all():
            named = control.evaluate("e => e.getAttribute('aria-label') || e.labels?.[0]?.textContent || e.textContent")
            assert named.strip()
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            for selector in (
                "h1",
                ".quiet",
                "figcaption .source",
                "dt",
                ".kept .tag",
                ".removed .tag",
                "[data-label=near]",
            ):
                assert page.evaluate(CONTRAST, selector) >= 4.5, (scheme, selector)
        press(page, "?")
        expect(page.get_by_role("dialog")).to_be_visible()
        page.keyboard.press("Escape")
        page.keyboard.press("Tab")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"
        watched.check()


def test_wrong_options(tmp_path: Path, found: Path, call_stage: Callable[..., Any]) -> None:
    """The error is one line that names the option."""
    missing = call_stage("review_duplicates", "--dedup", tmp_path, "--no-browser")
    assert missing.returncode == 1 and "--dedup" in missing.stderr and "manifest.parquet" in missing.stderr
    with serving(found) as server:
        busy = call_stage("review_duplicates", "--dedup", found, "--no-browser", "--port", server.port)
        assert busy.returncode == 1 and f"--port {server.port}" in busy.stderr
    (found / "verdicts.csv").write_text("notes\n")
    broken = call_stage("review_duplicates", "--dedup", found, "--no-browser")
    assert broken.returncode == 1 and "line 1" in broken.stderr


@pytest.mark.long
def test_verdicts_of_other_raters_are_shown(found: Path, watched: Watched) -> None:
    """A second rater sees the verdict of the first, and both verdicts are saved."""
    with serving(found) as server:
        page = watched.open(server.link)
        press(page, "n")
        saved(page)
        page.close()
    with serving(found, "--rater", "bob,=1") as server:
        page = watched.open(server.link)
        expect(page.locator("#rater")).to_have_text("Rater: bob__1")
        expect(page.locator("#others")).to_have_text("Other raters: ann: near")
        press(page, "d")
        saved(page)
        expected: list[Verdict] = read_verdicts(found / "verdicts.csv")
        assert {(v.rater, v.label) for v in expected} == {("ann", "near"), ("bob__1", "different")}
        watched.check()
