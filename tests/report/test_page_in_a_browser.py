"""The report in a real browser, on a phone and on a desktop."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from pipeline.report.page import write_report
from tests.report.conftest import METRICS, evaluation, write_evaluation, write_set

NAMES = ("rooms", "faces", "natural", "more-pictures")


@pytest.mark.parametrize("width", [390, 1280])
def test_wide_tables_scroll_and_say_so(chromium: Browser, tmp_path: Path, width: int) -> None:
    """The pages do not scroll sideways; tables that do have a hint, and no other tables."""
    for name in NAMES:
        folders = write_set(tmp_path, name, {**METRICS, "title": f"drawn {name}"})
    write_evaluation(tmp_path, evaluation())
    write_report(folders, NAMES, ["rooms"], ["cifar10"], tmp_path / "report", profile="miniature")
    page = chromium.new_page(viewport={"width": width, "height": 844})
    hints = []
    for name in ("index", "rooms"):
        page.goto((tmp_path / "report" / f"{name}.html").as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for table in page.locator(".scroll").all():
            scrolls = table.evaluate("one => one.scrollWidth > one.clientWidth")
            assert table.locator(".hint").is_visible() == scrolls, table.get_attribute("aria-label")
            if scrolls:
                table.evaluate("one => { one.scrollLeft = one.scrollWidth; }")
                assert table.locator(".hint").is_visible(), "the table does not move when it is scrolled"
            hints.append(scrolls)
    assert any(hints) == (width == 390) and not all(hints)
    page.close()
