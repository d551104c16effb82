"""The gallery in a real browser, opened from disk: its controls work, hostile keys do no harm, and it is accessible."""

import csv
import re
import shlex
from collections.abc import Callable, Iterator
from io import StringIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from pipeline.csv_text import encode_key
from pipeline.dedup.decision.verdicts import read_verdicts

SCRIPT = "<script>document.title = 'run'</script>"
KEYS = [
    SCRIPT,
    "<img src=x onerror=\"document.title = 'run'\">",
    "\"'></code><b onclick=alert(1)>",
    "two\nlines\r\nand\ttabs",
    "\u202egpj.\u05d0\u05d1\u2066",
    "=HYPERLINK(1)",
    "z" * 4096,
    "{{ 7 * 7 }}&lt;",
]

CONTRASTS = """() => {
  const canvas = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
  const rgb = color => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = color => {
    const linear = v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
    const [r, g, b] = color.map(v => linear(v / 255));
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const color = rgb(getComputedStyle(at).backgroundColor);
      if (color[3] === 255) return color;
    }
    return rgb(getComputedStyle(document.documentElement).colorScheme.includes('dark') ? 'black' : 'white');
  };
  const seen = {};
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || element.closest('title')) continue;
    const [a, b] = [light(rgb(getComputedStyle(element).color)), light(behind(element))];
    seen[element.tagName + '.' + element.className] = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
  }
  return seen;
}"""
"""JavaScript: the contrast of each kind of text on the page, as WCAG 2 defines it."""


@pytest.fixture
def gallery(audit: Callable[..., Any], tmp_path: Path) -> Path:
    """The gallery of pairs with hostile keys, one pair of equal pixels, and a group of five.

    Pair `"'></code><b onclick=alert(1)>` has the same picture in other colours, and one square that differs.
    """
    pictures = np.random.default_rng(0).integers(0, 256, (13, 64, 64, 3)).astype(np.uint8)
    keys = [*KEYS, *"abcde"]
    pictures[8:] = pictures[8]
    pictures[9:, 0, 0, 0] ^= np.arange(1, 5).astype(np.uint8)
    pictures[1] = pictures[0]
    pictures[3] = pictures[2] // 2 + np.array([90, 60, 30], np.uint8)
    pictures[3, 16:32, 16:32] = 255 - pictures[3, 16:32, 16:32]
    text = StringIO()
    csv.writer(text).writerows([("key_a", "key_b", "score"), *((a, b, n) for n, (a, b) in enumerate(PAIRS))])
    audit(pictures, keys, given=text.getvalue(), uncertain=9)
    return tmp_path / "audit" / "gallery.html"


PAIRS = [*zip(KEYS[2::2], KEYS[3::2], strict=True), *(("a", other) for other in "bcde")]


@pytest.fixture
def show(chromium: Browser, gallery: Path) -> Iterator[Callable[..., Page]]:
    """A function that opens the page; at the end, the browser has loaded only the file and reported no error."""
    requested: list[str] = []
    errors: list[str] = []
    contexts = []

    def show(**options: Any) -> Page:
        contexts.append(chromium.new_context(**options))
        page = contexts[-1].new_page()
        page.on("request", lambda request: None if request.url.startswith("data:") else requested.append(request.url))
        page.on("console", lambda message: errors.append(message.text))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("dialog", lambda dialog: errors.append(dialog.message))
        page.goto(gallery.as_uri())
        return page

    yield show
    for context in contexts:
        context.close()
    assert set(requested) == {gallery.as_uri()} and errors == []


def test_hostile_keys_are_text(show: Callable[..., Page]) -> None:
    """Keys are shown as text, cut, with escapes for invisible characters; no markup in them takes effect."""
    page = show()
    assert page.title() == "Duplicates removed from tests"
    shown = page.locator("figcaption > code").all_text_contents()
    for key in (*KEYS[:3], KEYS[5], KEYS[7]):
        assert key in shown
    assert "two\\u000alines\\u000d\\u000aand\\u0009tabs" in shown and "\\u202egpj.\u05d0\u05d1\\u2066" in shown
    assert "z" * 160 + "…" in shown and max(map(len, shown)) == 161
    assert page.locator("b, [onclick], [onerror], img:not([src^='data:image/jpeg;base64,'])").count() == 0
    assert page.locator("script").count() == 1


def test_every_picture_has_a_text_alternative(show: Callable[..., Page]) -> None:
    """Every picture was decoded and has an alternative text of its own; so has every plot and every difference."""
    page = show()
    pictures = page.locator("img")
    alts = pictures.evaluate_all("found => found.map(one => one.alt)")
    assert len(alts) == 16 and all(alts) and len(set(alts)) == len(alts)
    decode = "async one => { one.loading = 'eager'; await one.decode(); return one.naturalWidth; }"
    assert [picture.evaluate(decode) for picture in pictures.all()] == [64] * 16
    assert page.locator("svg:not([aria-label]):not([aria-hidden])").count() == 0
    names = page.locator("canvas").evaluate_all("found => found.map(one => one.getAttribute('aria-label'))")
    assert len(names) == 7 == len(set(names)) and page.locator(".equal").count() == 1
    for selector in (".pair summary", ".tick"):
        words = page.locator(selector).all_text_contents()
        assert len(set(words)) == len(words) == 8


def test_the_structure_suits_screen_readers(show: Callable[..., Page]) -> None:
    """One main element, headings that skip no level, unique ids, and references to ids that exist."""
    page = show()
    levels = page.locator("h1, h2, h3, h4").evaluate_all("found => found.map(one => +one.tagName[1])")
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert page.locator("main").count() == page.locator("footer").count() == 1
    lost = "found => found.filter(one => !document.getElementById(one.getAttribute('aria-labelledby'))).length"
    assert page.locator("[aria-labelledby]").evaluate_all(lost) == 0
    ids = page.locator("[id]").evaluate_all("found => found.map(one => one.id)")
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_fits_the_window(show: Callable[..., Page], width: int) -> None:
    """The page does not scroll sideways with all details open; the pictures of a pair are in one row, and large."""
    page = show(viewport={"width": width, "height": 800})
    page.locator("details").evaluate_all("found => found.forEach(one => one.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.locator(".tick input").first.check()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    boxes = [image.bounding_box() for image in page.locator(".pair").first.locator("img").all()]
    assert len({box["y"] for box in boxes if box}) == 1 and min(box["width"] for box in boxes if box) > 140


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("medium", ["screen", "print"])
def test_text_has_enough_contrast(show: Callable[..., Page], scheme: Any, medium: Any) -> None:
    """At least 4.5 to 1 (WCAG 2, AA) for every kind of text; print is always dark on light."""
    page = show(color_scheme=scheme)
    page.emulate_media(media=medium)
    page.locator("details").evaluate_all("found => found.forEach(one => one.open = true)")
    contrasts = page.evaluate(CONTRASTS)
    assert len(contrasts) > 10 and min(contrasts.values()) >= 4.5, contrasts
    color = page.evaluate("getComputedStyle(document.body).color")
    assert color == ("rgb(233, 233, 230)" if (scheme, medium) == ("dark", "screen") else "rgb(28, 29, 31)")


def test_the_page_works_without_a_mouse(show: Callable[..., Page]) -> None:
    """The first Tab shows the skip link to the pictures; there Tab and Space reach the controls and the first tick."""
    page = show()
    page.keyboard.press("Tab")
    focus = page.locator(":focus")
    assert focus.inner_text() == "Skip to the pictures"
    assert focus.bounding_box()["x"] >= 0  # type: ignore[index]
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("#pairs$"))
    for name in ("sort", "reason", "text", "size", "difference"):
        page.keyboard.press("Tab")
        expect(page.locator(":focus")).to_have_attribute("name", name)
        assert page.locator(":focus").evaluate("one => getComputedStyle(one).outlineWidth") == "3px"
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(page.locator("#ticked-heading")).to_have_text("1 ticked")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".pair details[open] code.line")).to_be_visible()


def test_pairs_are_sorted_filtered_and_searched(show: Callable[..., Page]) -> None:
    """The least certain pairs come first; pairs without a score come last."""
    page = show()
    score = "pair.querySelector('h3').textContent.split('score ')[1]"
    scores = f"found => found.filter(pair => !pair.hidden).map(pair => {score})"
    pairs = page.locator(".pair")
    rising = [f"{number}.00" for number in range(7)]
    assert pairs.evaluate_all(scores) == [*rising, None]
    page.select_option("[name=sort]", "group")
    assert pairs.evaluate_all(scores) == [*rising[3:], *rising[:3], None]
    page.select_option("[name=sort]", "key")
    keys = pairs.evaluate_all("found => found.map(pair => pair.dataset.key)")
    assert keys == sorted(keys) and "".join(key for key in keys if len(key) == 1) == "bcde"
    page.select_option("[name=reason]", "same bytes")
    assert pairs.evaluate_all(scores) == [None]
    expect(page.locator("#count")).to_have_text("1 of 8 pairs")
    page.select_option("[name=reason]", "")
    page.fill("[name=text]", "ONCLICK")
    assert pairs.evaluate_all(scores) == ["0.00"]
    page.fill("[name=text]", "no such key")
    expect(page.locator("#count")).to_have_text("0 of 8 pairs")
    page.fill("[name=text]", "")
    expect(page.locator("#count")).to_have_text("8 pairs")


def test_pictures_can_be_made_larger(show: Callable[..., Page]) -> None:
    """The slider sets how many pairs are in a row, and so the size of the pictures."""
    page = show(viewport={"width": 1280, "height": 800})
    widths = []
    for size in ("37", "75"):
        page.fill("[name=size]", size)
        widths.append((page.locator(".pair img").first.bounding_box() or {})["width"])
    assert widths[0] > 180 and widths[1] > 380


def test_the_difference_leaves_out_brightness_and_contrast(show: Callable[..., Page]) -> None:
    """A copy in other colours is dark except where its content differs."""
    page = show()
    darkness = """canvas => {
      const at = (x, y) => canvas.getContext('2d').getImageData(x, y, 16, 16).data.filter((_, i) => i % 4 < 3);
      const mean = values => values.reduce((sum, value) => sum + value, 0) / values.length;
      return canvas.width === 64 && canvas.dataset.drawn ? [mean(at(16, 16)), mean(at(40, 40))] : null;
    }"""
    canvas = page.locator(".pair:has([id=pair-1]) canvas")
    for _ in range(100):
        if found := canvas.evaluate(darkness):
            break
        page.wait_for_timeout(50)
    assert found and found[0] > 3 * found[1], found
    page.uncheck("[name=difference]")
    expect(canvas).to_be_hidden()


@pytest.mark.parametrize("given", ["key_a,key_b,score\n000,001,4\n", None])
def test_mirrored_copies_are_shown_apart(
    audit: Callable[..., Any], chromium: Browser, tmp_path: Path, given: str | None
) -> None:
    """Their difference is that after mirroring; sorting and filtering leave them in their section."""
    pictures = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3)).astype(np.uint8)
    pictures[3] = pictures[2, :, ::-1]
    audit(pictures, ["000", "001", "002", "003"], given=given, mirrored=[("003", "002", 7.25)])
    page = chromium.new_page(viewport={"width": 390, "height": 800})
    page.goto((tmp_path / "audit" / "gallery.html").as_uri())
    section = page.locator("#mirrored")
    expect(section.locator(".pair")).to_have_count(1)
    expect(section.locator(".tick")).to_have_count(0)
    section.scroll_into_view_if_needed()
    expect(section.locator("canvas[data-drawn]")).to_be_visible()
    mean = """canvas => {
      const values = canvas.getContext('2d').getImageData(0, 0, 64, 64).data.filter((_, i) => i % 4 < 3);
      return values.reduce((sum, value) => sum + value, 0) / values.length;
    }"""
    assert section.locator("canvas").evaluate(mean) < 40, "JPEG noise only"
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    if given:
        assert page.locator("#list canvas").evaluate(mean) > 100
        page.fill("[name=text]", "no such key")
        expect(page.locator("#count")).to_have_text("0 of 1 pairs")
    expect(section.locator(".pair")).to_be_visible()
    page.close()


def test_ticked_pairs_are_restored(
    show: Callable[..., Page], tmp_path: Path, run_stage: Callable[..., Any], gallery: Path
) -> None:
    """The command restores the ticked pictures; the downloaded file has verdicts on them; ticks survive a reload."""
    page = show()
    expect(page.locator("#ticked")).to_be_hidden()
    ticked = ["b", KEYS[3], KEYS[7]]
    keys = page.locator(".pair").evaluate_all("found => found.map(pair => pair.dataset.key)")
    boxes = dict(zip(keys, page.locator(".tick input").all(), strict=True))
    for key in ticked:
        boxes[encode_key(key)].check()
    expect(page.locator("#ticked-heading")).to_have_text("3 ticked")
    page.reload()
    expect(page.locator("#ticked-heading")).to_have_text("3 ticked")
    command = shlex.split(page.locator("#command").inner_text())
    assert command[:2] == ["dcgan", "restore"]
    done = run_stage(*command[1:])
    assert done.returncode == 0 and "3 pictures restored" in done.stderr, done.stderr
    assert {verdict.key_a for verdict in read_verdicts(tmp_path / "verdicts.csv")} == set(ticked)
    page.select_option("#label", "similar")
    with page.expect_download() as downloading:
        page.click("#download")
    assert downloading.value.suggested_filename == "verdicts.csv"
    downloading.value.save_as(tmp_path / "downloaded.csv")
    verdicts = read_verdicts(tmp_path / "downloaded.csv")
    assert {(verdict.key_a, verdict.label) for verdict in verdicts} == {(key, "similar") for key in ticked}
    page.click("#untick")
    expect(page.locator("#ticked")).to_be_hidden()


def test_the_page_can_be_read_without_scripts(show: Callable[..., Page]) -> None:
    """Pairs, captions, the lines that restore pictures, and statistics; controls that would do nothing are hidden."""
    page = show(java_script_enabled=False)
    expect(page.locator("#pair-1")).to_be_visible()
    assert page.locator("img").first.is_visible() and page.locator("figcaption code").first.is_visible()
    for selector in ("#tools", "#ticked", ".tick", ".difference"):
        assert not page.locator(selector).first.is_visible(), selector
    page.locator(".pair summary").first.click()
    assert page.locator(".pair code.line").first.is_visible()
    assert not page.locator("#reasons").is_visible()
    page.locator("#statistics > summary").click()
    assert page.locator("#reasons").is_visible()


def test_links_to_original_files(audit: Callable[..., Any], chromium: Browser, tmp_path: Path) -> None:
    """Pictures are links to their files; the files are shown, and where one is missing, the embedded copy."""
    keys = ["a b.png", "50%#1?.png", "gone.png", "x/y.png"]
    pictures = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)).astype(np.uint8).repeat(2, axis=0)
    pictures[1::2, 0, 0] ^= 1
    (tmp_path / "photos" / "x").mkdir(parents=True)
    for key, picture in zip(keys, pictures, strict=True):
        Image.fromarray(picture).resize((200, 100)).save(tmp_path / "photos" / key)
    audit(pictures, sorted(keys), originals=[tmp_path / "photos"])
    (tmp_path / "photos" / "gone.png").unlink()
    page = chromium.new_page()
    page.goto((tmp_path / "audit" / "gallery.html").as_uri())
    links = page.locator(".pair a").evaluate_all("found => found.map(one => one.href)")
    assert sorted(links) == sorted((tmp_path / "photos" / key).as_uri() for key in keys)
    widths = (
        "found => Promise.all(found.map(async one => { await one.decode().catch(() => 0); return one.naturalWidth; }))"
    )
    for _ in range(100):
        if sorted(found := page.locator(".pair img").evaluate_all(widths)) == [64, 200, 200, 200]:
            break
        page.wait_for_timeout(50)
    assert sorted(found) == [64, 200, 200, 200]
    page.uncheck("[name=originals]")
    assert page.locator(".pair img:not([src^='data:'])").count() == 0
    with page.expect_popup() as popup:
        page.locator(".pair a").first.click()
    assert popup.value.url.startswith((tmp_path / "photos").as_uri())
    page.close()


def test_a_thousand_pairs_stay_usable(audit: Callable[..., Any], chromium: Browser, tmp_path: Path) -> None:
    """Sorting and searching take less than a second, and only pairs near the window are drawn."""
    pictures = np.random.default_rng(0).integers(0, 256, (1000, 32, 32, 3)).astype(np.uint8).repeat(2, axis=0)
    pictures[1::2, 0, 0] ^= 1
    given = "".join(f"picture-{n:05d},picture-{n + 1:05d},1\n" for n in range(0, 2000, 2))
    audit(pictures, given=f"key_a,key_b,score\n{given}", largest=1000)
    page = chromium.new_page()
    page.goto((tmp_path / "audit" / "gallery.html").as_uri())
    expect(page.locator("#count")).to_have_text("1000 pairs")
    timed = """async () => {
      const started = performance.now();
      const [sort, text] = [document.querySelector('[name=sort]'), document.querySelector('[name=text]')];
      sort.value = 'key';
      sort.dispatchEvent(new Event('input'));
      text.value = 'picture-001';
      text.dispatchEvent(new Event('input'));
      document.body.getBoundingClientRect();
      await new Promise(requestAnimationFrame);
      return performance.now() - started;
    }"""
    assert page.evaluate(timed) < 1000
    expect(page.locator("#count")).to_have_text("50 of 1000 pairs")
    assert page.locator("canvas[data-drawn]").count() < 100
    page.close()


def test_the_page_prints_well(show: Callable[..., Page]) -> None:
    """Print leaves out controls and places pairs side by side."""
    page = show(viewport={"width": 700, "height": 1000})
    page.emulate_media(media="print")
    assert not page.locator(".skip").is_visible()
    assert not page.locator(".pair summary").first.is_visible() and not page.locator("#tools").is_visible()
    boxes = [page.locator(f"article:has(#pair-{number})").bounding_box() for number in (1, 2)]
    assert boxes[0] and boxes[1] and boxes[0]["y"] == boxes[1]["y"]
    assert page.pdf(format="A4").startswith(b"%PDF")
