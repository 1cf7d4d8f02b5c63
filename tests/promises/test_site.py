"""The site of documentation that `make docs` builds: its search works in a folder, without a server."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

SITE = Path(__file__).parents[2] / "site"


def test_search_finds_a_page_without_a_server() -> None:
    sync_api = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None or not (SITE / "index.html").exists():
        pytest.skip("this needs chromium, and the site that make docs builds")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto((SITE / "api/model.html").as_uri())
        page.get_by_role("textbox", name="Search").press_sequentially("reciprocal rank")
        results = page.locator(".md-search-result__link")
        results.first.wait_for()
        found = [link.partition("?")[0] for link in results.evaluate_all("all => all.map(each => each.href)")]
        browser.close()
    assert (SITE / "documents.html").as_uri() in found
    assert [url for url in asked if not url.startswith(("file:", "data:", "about:"))] == []
