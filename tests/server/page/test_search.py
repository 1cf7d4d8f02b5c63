"""The tab Search: what is found is the answer of ``/search``, and what cannot be is said in words."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.server.page.browsing import watch
from tests.serving import Server

QUERY = "I forgot my password"


@pytest.fixture
def page(browser: Any, searching: Server) -> Iterator[Any]:
    """The page of a server with documents."""
    context = browser.new_context()
    opened = context.new_page()
    complaints = watch(opened)
    opened.goto(searching.url)
    opened.get_by_role("tab", name="Search").click()
    yield opened
    context.close()
    harmless = (searching.url, "error: Failed to load resource")
    assert [seen for seen in complaints if not seen.startswith(harmless)] == []


def search(page: Any, query: str = QUERY, **boxes: str) -> None:
    for name, value in {"query": query, **boxes}.items():
        page.fill(f"#{name}", value)
    page.press("#query", "Enter")
    page.locator("#search-result").wait_for()


def shown(page: Any) -> list[dict[str, Any]]:
    """Each piece on the page, with the words that are marked."""
    read = """all => all.map(item => ({
        score: Number(item.dataset.score),
        place: item.querySelector("code").textContent,
        heading: item.querySelector(".heading")?.textContent ?? "",
        snippet: item.querySelector(".snippet").textContent,
        marks: [...item.querySelectorAll("mark")].map(mark => mark.textContent),
    }))"""
    pieces: list[dict[str, Any]] = page.locator(".found-pieces > li").evaluate_all(read)
    return pieces


@pytest.mark.parametrize("options", [{}, {"k": 1}, {"where": "path LIKE '%.md'"}, {"k": 2, "hybrid": True}])
def test_what_is_shown_is_the_answer(page: Any, searching: Server, options: dict[str, Any]) -> None:
    if options.get("hybrid"):
        page.select_option("#hybrid", "yes")
    search(page, **{name: str(value) for name, value in options.items() if name != "hybrid"})
    status, answer, _ = searching.ask("/search", {"query": QUERY, **options})
    assert status == 200
    expected = [
        {
            "score": piece["score"],
            "place": hit["path"] if piece["line"] is None else f"{hit['path']}:{piece['line']}",
            "heading": piece["heading"],
            "snippet": piece["snippet"]["text"],
            "marks": [piece["snippet"]["text"][start:end] for start, end in piece["snippet"]["marks"]],
        }
        for hit in answer["hits"]
        for piece in hit["pieces"]
    ]
    assert expected
    found = shown(page)
    # the vector of a query alone, and so its scores, may differ by the other texts of a batch
    assert [piece.pop("score") for piece in found] == pytest.approx(
        [piece.pop("score") for piece in expected], abs=1e-6
    )
    assert found == expected
    assert page.locator("#found h2").count() == len(answer["hits"])
    assert page.locator("#found b").count() == 0  # markup of a document is text


def test_a_row_of_a_table_has_its_other_columns(page: Any) -> None:
    search(page, "passwords by mail", k="1")
    assert page.locator("#found .small").first.inner_text() == "team: support"


def test_a_telling_word_is_marked_without_colour_too(page: Any) -> None:
    search(page)
    mark = page.locator("#found mark").first
    styles = mark.evaluate(
        "mark => [getComputedStyle(mark).textDecorationLine, getComputedStyle(mark).fontWeight]"
    )
    assert styles == ["underline", "700"]


def test_an_address_shows_the_search_again(page: Any) -> None:
    search(page, k="2", where="path LIKE '%desk%'")
    first = shown(page)
    address = page.url
    page.goto("about:blank")
    page.goto(address)
    page.locator("#search-result").wait_for()
    assert shown(page) == first
    assert (page.input_value("#k"), page.input_value("#hybrid")) == ("2", "")
    page.fill("#query", "Edited.")
    assert not page.locator("#search-result").is_visible()


def test_what_is_copied_finds_the_same(page: Any) -> None:
    page.select_option("#hybrid", "yes")  # True in Python, true in JSON
    search(page, k="2")
    copies = {}
    for kind in ("JSON", "Python", "curl"):
        page.get_by_role("button", name=kind, exact=True).click()
        copies[kind] = page.locator("#search-copies .copied").text_content()
    answer = json.loads(copies["JSON"])
    assert [piece["snippet"]["text"] for hit in answer["hits"] for piece in hit["pieces"]] == [
        piece["snippet"] for piece in shown(page)
    ]
    result = subprocess.run(
        [sys.executable, "-c", copies["Python"]], capture_output=True, text=True, check=True
    )
    assert "'hits': [" in result.stdout
    assert '"hybrid":true' in copies["curl"]


@pytest.mark.parametrize(
    ("boxes", "notice"),
    [
        ({"query": " "}, "Please say what to look for."),
        ({"k": "0"}, "Pieces must be a whole number from 1 to 100."),
        ({"k": "2.5"}, "Pieces must be a whole number from 1 to 100."),
        ({"where": "path LIKE"}, "The condition under “Only where” could not be read."),
    ],
)
def test_what_cannot_be_is_said_in_words(page: Any, boxes: dict[str, str], notice: str) -> None:
    for name, value in {"query": QUERY, **boxes}.items():
        page.fill(f"#{name}", value)
    page.press("#query", "Enter")
    page.get_by_role("alert").get_by_text(notice).wait_for()
    assert not page.locator("#search-result").is_visible()


def test_nothing_found_and_a_foreign_query_are_said(page: Any) -> None:
    search(page, "שלום עולם", where="path LIKE '%.pdf'")
    assert page.locator("#search-facts").inner_text() == "No piece fits this condition."
    assert (
        page.locator("#search-hint").inner_text().startswith("The query is mostly unknown or single letters")
    )


def test_without_documents_there_is_no_such_tab(browser: Any, server: Server) -> None:
    page = browser.new_page()
    page.goto(server.url)
    assert page.get_by_role("tab").all_inner_texts() == [
        "Two texts",
        "One against many",
        "Many texts",
        "Inside",
    ]
    page.close()
