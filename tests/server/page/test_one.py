"""The tab One against many: the ranking, what can be copied, and addresses that can be shared."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from minilm import MiniLM
from tests.server.page.browsing import BOUND, A, B, compare, compare_all, look, rank

READ = "all => all.map(({ dataset }) => Number(dataset.value))"
SOURCE = "I cannot log in."
SENTENCES = [
    "The soup needs more salt.",
    "I can't sign in: \"it's locked\" \\ $HOME `id` 日本",
    "Reset your password here.",
]


def test_texts_are_ranked_by_the_models_scores(page: Any, model: MiniLM) -> None:
    rank(page, SOURCE, SENTENCES)
    expected = dict(zip(SENTENCES, model.similarity(SOURCE, SENTENCES)[0], strict=True))
    shown = page.locator("#ranking li").evaluate_all(
        "all => all.map(item => [item.querySelector('bdi').textContent, Number(item.dataset.value)])"
    )
    assert [text for text, _ in shown] == sorted(SENTENCES, key=lambda text: -expected[text])
    assert max(abs(score - expected[text]) for text, score in shown) < BOUND
    widths = page.locator("#ranking .bar").evaluate_all("all => all.map(bar => bar.clientWidth)")
    assert widths == sorted(widths, reverse=True)
    page.fill("#sentences", "Edited.")
    assert not page.locator("#one-result").is_visible()


@pytest.mark.parametrize(("source", "sentences", "empty"), [("", "a", "source"), ("a", " \n", "sentences")])
def test_what_is_missing_is_asked_for(page: Any, source: str, sentences: str, empty: str) -> None:
    page.get_by_role("tab", name="One against many").click()
    page.fill("#source", source)
    page.fill("#sentences", sentences)
    page.get_by_role("button", name="Rank").click()
    assert page.get_by_role("alert").inner_text() == "Please enter a text."
    assert page.evaluate("document.activeElement.id") == empty


def copied(page: Any, kind: str) -> str:
    page.get_by_role("button", name=kind, exact=True).click()
    page.get_by_role("alert").get_by_text("below is selected").or_(page.get_by_text("Copied.")).wait_for()
    text = page.locator("#one-copies .copied").text_content()
    assert isinstance(text, str)
    return text


def test_what_is_copied_runs_and_gives_the_same(page: Any) -> None:
    rank(page, SOURCE, SENTENCES)
    answer = json.loads(copied(page, "JSON"))
    assert (answer["source_sentence"], answer["sentences"]) == (SOURCE, SENTENCES)
    commands = {"Python": [sys.executable, "-c"]}
    if shutil.which("curl") and shutil.which("bash"):
        commands["curl"] = ["bash", "-c"]
    for kind, command in commands.items():
        text = copied(page, kind)
        result = subprocess.run([*command, text], capture_output=True, text=True, check=True)
        assert json.loads(result.stdout) == answer["scores"], kind


def test_a_key_is_never_part_of_what_is_copied(page: Any) -> None:
    page.evaluate("document.getElementById('api-key').value = 'sesame'")
    rank(page, SOURCE, SENTENCES)
    for kind in ("JSON", "curl", "Python"):
        text = copied(page, kind)
        assert "sesame" not in text
        assert ("Bearer KEY" in text) == (kind != "JSON")


def test_an_address_shows_the_same_again(page: Any) -> None:
    score = compare(page, A, f"{B} 100 % & more #\n+ 日本")
    first = page.url
    rank(page, SOURCE, SENTENCES)
    second = page.url
    assert first != second
    for _ in range(2):  # in the open page, then in a new one
        page.goto(first)
        page.locator("#score").wait_for()
        assert float(page.locator("#score-exact").inner_text()) == score
        page.goto("about:blank")
    page.goto(second)
    page.locator("#one-result").wait_for()
    assert page.locator("#ranking li").count() == 3
    assert page.get_by_role("tab", name="One against many").get_attribute("aria-selected") == "true"


@pytest.mark.parametrize(
    ("use", "result"),
    [
        (lambda page: compare_all(page, [A, B, SOURCE]), "#similarity-heat-map"),
        (lambda page: look(page, A, B), "#head-map"),
    ],
    ids=["many texts", "inside"],
)
def test_an_address_shows_every_tab_again(page: Any, use: Callable[[Any], None], result: str) -> None:
    use(page)
    values = page.locator(f"{result} td[data-value]").evaluate_all(READ)
    address = page.url
    page.goto("about:blank")
    page.goto(address)
    page.locator(result).wait_for()
    # the order of sums in float32 may depend on the other texts of a batch
    assert np.allclose(page.locator(f"{result} td[data-value]").evaluate_all(READ), values, atol=BOUND)


def test_an_address_without_texts_shows_its_tab(page: Any) -> None:
    page.goto(page.url + "#tab=inside")
    page.reload()
    assert page.get_by_role("tab", name="Inside").get_attribute("aria-selected") == "true"
    assert page.get_by_role("alert").inner_text() == ""


def test_a_long_text_is_not_put_into_the_address(page: Any) -> None:
    compare(page, "word " * 2000, A)
    assert "#" not in page.url


def test_an_address_of_something_else_is_the_page(page: Any) -> None:
    page.goto(page.url + "#tab=nothing&text-a=x")
    page.reload()
    assert page.get_by_role("tab", name="Two texts").get_attribute("aria-selected") == "true"
    assert page.get_by_role("alert").inner_text() == ""
