"""What the page says when the server refuses: in the language of the interface."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import minilm
from minilm.server.error_forms import error_form
from tests.server.page.browsing import A, B
from tests.serving import Server

PACKAGE = Path(minilm.__file__).parent
LANGUAGES = ["en", "de", "es"]
# What the page never asks for, or the browser does not send.
NEVER_MET = {
    "invalid_encoding",
    "invalid_json",
    "model_not_found",
    "no_metrics",
    "token_ids_refused",
    "too_many_tokens",
    "too_many_weights",
    "unsupported_encoding",
}


class Refusal(NamedTuple):
    """What the server refuses with, and the name of the text that the page has for it."""

    status: int
    code: str | None
    text: str


REFUSALS = [
    Refusal(404, None, "not_there"),
    Refusal(408, "body_too_slow", "too_slow"),
    Refusal(413, "body_too_large", "too_much"),
    Refusal(413, "too_many_characters", "too_much"),
    Refusal(413, "too_many_texts", "too_much"),
    Refusal(422, "blank_text", "no_text"),
    Refusal(422, "empty_input", "no_text"),
    Refusal(500, None, "failed"),
    Refusal(503, "queue_full", "busy"),
]
FORMS = {  # by path: the tab, and what is entered into its form
    "compare": ("two", {"text-a": A, "text-b": B}),
    "similarity": ("one", {"source": A, "sentences": B}),
    "matrix": ("many", {"lines": f"{A}\n{B}"}),
    "trace": ("inside", {"inside-a": A}),
    "search": ("search", {"query": A}),
}


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def page(browser: Any, searching: Server, language: str) -> Iterator[Any]:
    """The page with all its tabs, in that language."""
    context = browser.new_context(locale=language)
    opened = context.new_page()
    opened.goto(searching.url)
    yield opened
    context.close()


def send(page: Any, path: str, **entered: str) -> None:
    """Choose the tab that asks for a path, fill in its form, and send it."""
    tab, boxes = FORMS[path]
    page.locator(f"#tab-{tab}").click()
    for box, value in {**boxes, **entered}.items():
        page.fill(f"#{box.replace('_', '-')}", value)
    page.locator(f"#panel-{tab} button.main").click()


def texts(page: Any, language: str) -> dict[str, str]:
    """The texts of the page in a language, by name."""
    found = page.evaluate("import('/page/texts.js').then(({ TEXTS }) => TEXTS)")
    return {name: versions[LANGUAGES.index(language)] for name, versions in found.items()}


@pytest.mark.parametrize("path", FORMS)
def test_a_refusal_is_said_in_the_language_of_the_interface(page: Any, language: str, path: str) -> None:
    answers: list[dict[str, Any]] = []
    page.route(f"**/{path}", lambda route: route.fulfill(**answers[-1]))
    known = texts(page, language)
    for status, code, name in REFUSALS:
        sent, error = error_form(f"/{path}")(status, "the reason", None, code)
        if (path, name) == ("similarity", "no_text"):
            continue  # this protocol takes blank texts, and the page sends no empty list
        answers.append({"status": sent, "json": error})
        send(page, path)
        expected = known[name]
        if name == "too_much":
            expected += " " + known["server_says"].replace("{message}", "the reason")
        page.get_by_role("alert").get_by_text(expected, exact=True).wait_for()


def test_limits_are_said_with_their_numbers(browser: Any, language: str) -> None:
    server = Server("--max-texts", "2", "--max-characters", "90", "--max-body-bytes", "500")
    context = browser.new_context(locale=language)
    page = context.new_page()
    try:
        page.goto(server.url)
        too_much = texts(page, language)["too_much"]
        for path, entered, limit in (
            ("compare", {"text_a": "a" * 91}, "90 characters per request"),
            ("compare", {"text_a": "a" * 501}, "limit of 500 bytes"),
            ("similarity", {"sentences": "a\nb\nc"}, "2 per request"),
            ("matrix", {"lines": "a\nb\nc"}, "2 per request"),
            ("trace", {"inside_a": "a" * 91}, "90 characters per request"),
        ):
            send(page, path, **entered)
            page.get_by_role("alert").get_by_text(limit).wait_for()
            assert page.get_by_role("alert").inner_text().startswith(too_much)
    finally:
        context.close()
        assert server.stop() == 0


def test_a_key_is_asked_for_in_every_tab(browser: Any, language: str) -> None:
    server = Server("--api-key", "sesame")
    context = browser.new_context(locale=language)
    page = context.new_page()
    try:
        page.goto(server.url)
        known = texts(page, language)
        alert = page.get_by_role("alert")
        for path in ("compare", "similarity", "matrix", "trace"):
            page.evaluate("document.getElementById('api-key').value = ''")
            send(page, path)
            alert.get_by_text(known["missing_api_key"], exact=True).wait_for()
            page.fill("#api-key", "open")
            page.locator("#key button").click()
            alert.get_by_text(known["invalid_api_key"], exact=True).wait_for()
    finally:
        context.close()
        assert server.stop() == 0


def test_a_table_that_is_gone_is_said(page: Any, language: str) -> None:
    _, error = error_form("/search")(503, "the reason", None, "documents_unavailable")
    page.route("**/search", lambda route: route.fulfill(status=503, json=error))
    send(page, "search")
    page.get_by_role("alert").get_by_text(texts(page, language)["no_documents"], exact=True).wait_for()


def test_a_condition_that_cannot_be_read_comes_with_the_words_of_the_database(
    page: Any, language: str
) -> None:
    send(page, "search", where="path LIKE")
    page.get_by_role("alert").get_by_text(texts(page, language)["bad_where"]).wait_for()
    said = page.get_by_role("alert").inner_text()
    assert len(said) > len(texts(page, language)["bad_where"]) + 10


def test_a_server_that_is_gone_is_said(page: Any, language: str) -> None:
    page.route("**/compare", lambda route: route.abort())
    send(page, "compare")
    page.get_by_role("alert").get_by_text(texts(page, language)["unreachable"], exact=True).wait_for()


def test_a_refusal_of_a_proxy_needs_no_json(page: Any, language: str) -> None:
    page.route("**/compare", lambda route: route.fulfill(status=413, body="<html>nginx</html>"))
    send(page, "compare")
    page.get_by_role("alert").get_by_text(texts(page, language)["too_much"], exact=True).wait_for()


def test_what_the_page_does_not_know_is_said_in_the_servers_words(page: Any) -> None:
    error = {"error": {"message": "something new", "type": "", "param": None, "code": "new"}}
    page.route("**/compare", lambda route: route.fulfill(status=422, json=error))
    send(page, "compare")
    page.get_by_role("alert").get_by_text("something new", exact=True).wait_for()


def test_every_code_of_the_server_has_a_text(browser: Any, server: Server) -> None:
    sources = "".join(path.read_text("utf-8") for path in (PACKAGE / "server").rglob("*.py"))
    codes = set(re.findall(r'\bcode="(\w+)"', sources))
    codes |= set(re.findall(r'"(body_too_\w+|\w+_api_key)"', sources))  # given to a function by place
    page = browser.new_page()
    page.goto(server.url)
    known = page.evaluate("import('/page/request.js').then(({ REFUSALS }) => Object.keys(REFUSALS))")
    page.close()
    assert codes - NEVER_MET == set(known)
