"""The gallery in a real browser, opened from disk: hostile keys do no harm, and it is accessible."""

import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

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
    """The gallery of pairs with hostile keys, one pair of equal pixels, and a group of five."""
    pictures = np.random.default_rng(0).integers(0, 256, (13, 64, 64, 3)).astype(np.uint8)
    keys = [*KEYS, *"abcde"]
    pictures[8:] = pictures[8]
    pictures[9:, 0, 0, 0] ^= np.arange(1, 5).astype(np.uint8)
    pictures[1] = pictures[0]
    given = [f'"{a.replace(chr(34), chr(34) * 2)}","{b.replace(chr(34), chr(34) * 2)}",5\n' for a, b in PAIRS]
    audit(pictures, keys, given="key_a,key_b,score\n" + "".join(given), uncertain=9)
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
    assert page.locator("script, b, [onclick], [onerror], img:not([src^='data:image/png;base64,'])").count() == 0


def test_every_picture_has_a_text_alternative(show: Callable[..., Page]) -> None:
    """Every picture was decoded and has an alternative text of its own; so has every plot and every link to restore."""
    page = show()
    pictures = page.locator("img")
    alts = pictures.evaluate_all("found => found.map(one => one.alt)")
    assert len(alts) > 20 and all(alts) and len(set(alts)) == len(alts)
    assert pictures.evaluate_all("found => found.every(one => one.naturalWidth === 64)")
    assert page.locator("svg:not([aria-label]):not([aria-hidden])").count() == 0
    summaries = page.locator("figcaption summary").all_text_contents()
    assert len(set(summaries)) == len(summaries) and summaries[0].startswith("restore: removed picture 1 of ")


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
    """The page does not scroll sideways with all details open; on a phone the pictures of a pair are in one row."""
    page = show(viewport={"width": width, "height": 800})
    page.locator("details").evaluate_all("found => found.forEach(one => one.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    tops = page.locator("#pair-1 + .members img").evaluate_all("found => found.map(i => i.getBoundingClientRect().top)")
    assert len(tops) == 3 and len(set(tops)) == 1


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
    """The first Tab shows the skip link to the pictures; there Tab and Enter open the line that restores a picture."""
    page = show()
    page.keyboard.press("Tab")
    focus = page.locator(":focus")
    assert focus.inner_text() == "Skip to the pictures"
    assert focus.bounding_box()["x"] >= 0  # type: ignore[index]
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("#least-certain$"))
    page.keyboard.press("Tab")
    assert page.locator(":focus").inner_text().startswith("restore")
    assert page.locator(":focus").evaluate("one => getComputedStyle(one).outlineWidth") == "3px"
    page.keyboard.press("Enter")
    expect(page.locator("#pair-1 + .members details[open] code.line")).to_be_visible()


def test_the_page_prints_well(show: Callable[..., Page]) -> None:
    """Print leaves out controls and places pairs side by side."""
    page = show(viewport={"width": 700, "height": 1000})
    page.emulate_media(media="print")
    assert not page.locator(".skip").is_visible()
    assert not page.locator("figcaption summary").first.is_visible()
    boxes = [page.locator(f"article:has(#pair-{number})").bounding_box() for number in (1, 2)]
    assert boxes[0] and boxes[1] and boxes[0]["y"] == boxes[1]["y"]
    assert page.pdf(format="A4").startswith(b"%PDF")
