"""A browser, and the page open in it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from tests.server.page.browsing import watch
from tests.serving import Server


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no chromium on this machine")
    # nothing that the browser itself would fetch; as root in a container it has no sandbox
    arguments = [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
    ]
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=[*arguments, "--disable-sync"])
        yield running
        running.close()


@pytest.fixture
def page(browser: Any, server: Server) -> Iterator[Any]:
    """The page, open; at the end nothing may have been complained of or fetched from elsewhere."""
    context = browser.new_context(viewport={"width": 1000, "height": 900})
    opened = context.new_page()
    complaints = watch(opened)
    opened.goto(server.url)
    yield opened
    context.close()
    # that an answer was an error is what some tests are about
    harmless = (server.url, "error: Failed to load resource")
    assert [seen for seen in complaints if not seen.startswith(harmless)] == []
