"""A browser that records errors, for the tests of commands that open one."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.webapp.browsing import Watched


@pytest.fixture
def watched(chromium: Browser) -> Iterator[Watched]:
    context = chromium.new_context(viewport={"width": 1280, "height": 850})
    yield Watched(context)
    context.close()
