"""The site of documentation that `make docs` builds: its search works in a folder, without a server."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

SITE = Path(__file__).parents[2] / "site"


def test_search_finds_a_page_without_a_server() -> None:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    built = [SITE / name for name in ("documents.html", "iframe-worker.js", "search/search_index.js")]
    if chromium is None or not all(path.exists() for path in built):
        pytest.skip("this needs chromium, and the site that make docs builds")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto((SITE / "api/model.html").as_uri())
        page.get_by_role("textbox", name="Search").press_sequentially("reciprocal rank")
        # the results of the first letters may stand there before
        page.locator('.md-search-result__link[href*="/documents.html"]').first.wait_for(state="attached")
        browser.close()
    assert [url for url in asked if not url.startswith(("file:", "data:", "about:"))] == []
