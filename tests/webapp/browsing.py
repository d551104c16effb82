"""A browser context that records errors, and helpers for tests of the review app's pages."""

import re
from collections.abc import Iterable

from playwright.sync_api import BrowserContext, Page, expect


class Watched:
    """A browser context that records console errors and requests to other hosts; `check` asserts that none occurred."""

    def __init__(self, context: BrowserContext) -> None:
        self.context = context
        self.errors: list[str] = []
        self.other_hosts: list[str] = []
        context.on("console", lambda m: self.errors.append(m.text) if m.type in ("error", "warning") else None)
        context.on("weberror", lambda error: self.errors.append(str(error.error)))
        context.on("request", lambda request: self._record(request.url))

    def _record(self, url: str) -> None:
        if not url.startswith("http://127.0.0.1:"):
            self.other_hosts.append(url)

    def open(self, link: str) -> Page:
        page = self.context.new_page()
        page.goto(link)
        ready(page)
        return page

    def check(self) -> None:
        assert self.errors == [] and self.other_hosts == []


def ready(page: Page) -> None:
    expect(page.locator("#position")).to_contain_text(" of ")


def saved(page: Page) -> None:
    """Wait until all edits are saved."""
    expect(page.locator("#saved")).to_have_text(re.compile("^saved"))


def until(page: Page, expression: str) -> None:
    """Wait until a script expression is true.

    Playwright's `wait_for_function` uses `eval` in the page, which the content security policy forbids.
    """
    for _ in range(1200):
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
"""JavaScript: the contrast of a selector's text (WCAG 2); 4.5 is required."""
