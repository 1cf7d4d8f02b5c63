"""A browser, and the page open in it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from minilm import Documents, MiniLM
from tests.server.page.browsing import watch
from tests.serving import Server

NOTES = {
    "desk.md": "# Desk 😀\n\n## Access\n\nPasswords <b>are</b> reset 😀 at the front desk.\n\n"
    "## Hours\n\nIt is open from nine.\n",
    "lunch.txt": "The canteen opens at noon. " + "There is soup, bread and salad every day. " * 8 + "\n",
    "rows.csv": "text,team\nForgotten passwords are sent by mail.,support\n",
}


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


@pytest.fixture(scope="package")
def searching(tmp_path_factory: pytest.TempPathFactory, model: MiniLM) -> Iterator[Server]:
    """A server with documents, and so with the tab Search."""
    pytest.importorskip("lancedb", reason="lancedb is not installed")
    pytest.importorskip("semantic_text_splitter", reason="semantic-text-splitter is not installed")
    folder = tmp_path_factory.mktemp("notes")
    for name, text in NOTES.items():
        (folder / name).write_text(text, "utf-8")
    Documents(folder / "notes.lance", model).update([folder / name for name in NOTES])
    running = Server("--db", str(folder / "notes.lance"))
    yield running
    assert running.stop() == 0


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
