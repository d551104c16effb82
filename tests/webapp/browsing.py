"""A browser that is watched, and what tests of the review app's pages do in it."""

import re
from collections.abc import Iterable

from playwright.sync_api import BrowserContext, Page, expect


class Watched:
    """A context whose console and requests are looked at; `check` says whether anything was wrong."""

    def __init__(self, context: BrowserContext) -> None:
        self.context = context
        self.errors: list[str] = []
        self.elsewhere: list[str] = []
        context.on("console", lambda m: self.errors.append(m.text) if m.type in ("error", "warning") else None)
        context.on("weberror", lambda error: self.errors.append(str(error.error)))
        context.on("request", lambda request: self._ask(request.url))

    def _ask(self, url: str) -> None:
        if not url.startswith("http://127.0.0.1:"):
            self.elsewhere.append(url)

    def open(self, link: str) -> Page:
        page = self.context.new_page()
        page.goto(link)
        ready(page)
        return page

    def check(self) -> None:
        assert self.errors == [] and self.elsewhere == []


def ready(page: Page) -> None:
    expect(page.locator("#place")).to_contain_text(" of ")


def saved(page: Page) -> None:
    """Wait until the page says that nothing is on its way."""
    expect(page.locator("#saved")).to_have_text(re.compile("^saved"))


def until(page: Page, expression: str) -> None:
    """Wait until a script's value is true.

    Playwright's own way asks with `eval` within the page from the second time on, which the pages' policy forbids.
    """
    for _ in range(200):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never true: {expression}")


def press(page: Page, keys: Iterable[str]) -> None:
    for key in keys:
        page.keyboard.press(key)


CONTRAST = """selector => {
  const element = document.querySelector(selector);
  const numbers = (text) => text.match(/[\\d.]+/g).map(Number);
  let behind = element, back;
  do {
    back = numbers(getComputedStyle(behind).backgroundColor);
    behind = behind.parentElement;
  } while (back[3] === 0);
  const linear = (v) => v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4;
  const light = (rgb) => 0.2126 * linear(rgb[0]) + 0.7152 * linear(rgb[1]) + 0.0722 * linear(rgb[2]);
  const [a, b] = [light(numbers(getComputedStyle(element).color)), light(back)].sort((x, y) => y - x);
  return (a + 0.05) / (b + 0.05);
}"""
"""How much the text of a selector stands out: at least 4.5 is asked for."""
