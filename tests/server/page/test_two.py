"""Two texts, and what all tabs share: the page used as a person does, in a real browser with real texts."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minilm import MiniLM
from tests.checkpoints import TINY, MakeCheckpoint, add_dense
from tests.server.page.browsing import BOUND, A, B, compare, luminance, watch
from tests.serving import Server

# Where the picture of the page is kept; written only when asked for, so that a test run changes no file.
PICTURE = os.environ.get("MINILM_SCREENSHOT")
TOP = {"x": 0, "y": 0, "width": 900, "height": 768}  # the part that README shows


def test_compare_shows_the_score_of_the_model(page: Any, model: MiniLM) -> None:
    expected = model.similarity(A, B).item()
    assert abs(compare(page, A, B) - expected) < BOUND
    assert page.locator("#score").inner_text() == "Score: 0.8052"
    assert "nearly the same" in page.locator("#reading").inner_text()
    assert re.search(r"9 and 9 tokens, [\d.]+ ms", page.locator("#facts").inner_text())
    said = page.locator("#two-result").inner_text()
    assert "Between machines it differs by less than 0.000001." in said  # what the digits mean
    if PICTURE:
        compare(page, A, B)  # the first answer waits for what is loaded at the first request
        page.set_viewport_size({"width": 800, "height": 1430})
        page.screenshot(path=Path(PICTURE))
        page.screenshot(path=Path(PICTURE).with_stem("page-top"), clip=TOP)
        pillow = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
        for path in (Path(PICTURE), Path(PICTURE).with_stem("page-top")):
            # 256 colours are a third of the bytes
            pillow.open(path).convert("RGB").quantize(256).save(path, optimize=True)
            assert path.stat().st_size < 150_000


def test_texts_are_trimmed_as_the_original_does(page: Any) -> None:
    assert compare(page, f"  {A}\n", B) == compare(page, A, B)


@pytest.mark.parametrize(
    ("a", "b", "empty"), [("", "", "text-a"), (A, " \n ", "text-b"), ("\t", B, "text-a")]
)
def test_a_blank_text_gets_the_originals_notice(page: Any, a: str, b: str, empty: str) -> None:
    page.fill("#text-a", a)
    page.fill("#text-b", b)
    page.get_by_role("button", name="Compare", exact=True).click()
    assert page.get_by_role("alert").inner_text() == "Please enter a text."
    assert page.evaluate("document.activeElement.id") == empty
    assert not page.locator("#score").is_visible()
    # and it is gone when there is something to compare
    compare(page, A, B)
    assert page.get_by_role("alert").inner_text() == ""


def test_the_heat_map_adds_up_to_the_score(page: Any) -> None:
    score = compare(page, A, B)
    cells = page.locator("#token-heat-map td[data-value]")
    values = [float(value) for value in cells.evaluate_all("all => all.map(cell => cell.dataset.value)")]
    assert len(values) == 81
    assert abs(sum(values) - score) < BOUND
    assert abs(float(page.locator("#cell-sum").get_attribute("data-sum")) - score) < BOUND
    assert page.locator("#token-heat-map th.special").all_inner_texts() == ["[CLS]", "[SEP]"] * 2
    # words and special tokens: each side shares out the whole score
    for side in ("a", "b"):
        spans = page.locator(f"#words-{side} span")
        shares = [float(share) for share in spans.evaluate_all("all => all.map(word => word.dataset.share)")]
        assert len(shares) == 7  # six words and a full stop
        special = re.findall(r"-?\d\.\d{4}", page.locator("#special").inner_text())["ab".index(side)]
        assert abs(sum(shares) + float(special) - score) < 1e-4  # the special share is shown to 4 decimals


def test_words_are_marked_where_they_stand(page: Any) -> None:
    text = "So 😀 naïve — 日本, a café👩‍👩‍👧 and an unbelievableness"
    compare(page, text, A)
    assert page.locator("#words-a").inner_text() == text
    words = page.locator("#words-a span").all_inner_texts()
    assert {"naïve", "unbelievableness", "and"} <= set(words)


def test_ctrl_enter_compares(page: Any) -> None:
    page.fill("#text-a", A)
    page.fill("#text-b", B)
    page.press("#text-b", "Control+Enter")
    page.locator("#score").wait_for()
    assert page.locator("#score").inner_text() == "Score: 0.8052"


def test_examples_compare_at_a_click(page: Any, model: MiniLM) -> None:
    examples = page.locator("#examples button")
    scores = []
    for example in examples.all():
        with page.expect_response("**/compare"):
            example.click()
        page.locator("#score").wait_for()
        a, b = page.input_value("#text-a"), page.input_value("#text-b")
        scores.append(float(page.locator("#score-exact").inner_text()))
        assert abs(scores[-1] - model.similarity(a, b).item()) < BOUND
    assert scores[0] > 0.8
    assert max(scores[1:]) < 0.2  # one similar pair, two different ones


def test_a_long_text_is_cut_with_a_note_and_the_map_is_drawn(page: Any) -> None:
    score = compare(page, "word " * 300, "hair " * 100)
    assert page.locator("#cut").inner_text() == (
        "The first text was longer than 256 tokens: only its beginning was compared."
    )
    assert page.locator("#words-a .left-out").inner_text().split() == ["word"] * 46  # of 300, 254 were read
    assert page.locator("canvas#token-heat-map").is_visible()
    assert abs(float(page.locator("#cell-sum").get_attribute("data-sum")) - score) < BOUND


def test_a_text_of_markup_is_shown_and_never_run(page: Any) -> None:
    nasty = "<script>alert(1)</script> <img src=x onerror=alert(2)> &amp; {{7*7}}"
    compare(page, nasty, "<b>bold</b>")
    assert page.locator("#words-a").inner_text() == nasty
    assert page.locator("#why script, #why img, #why b").count() == 0
    page.get_by_role("tab", name="Many texts").click()
    page.get_by_label("Texts, one a line").fill(f"{nasty}\n<b>bold</b>")
    page.get_by_role("button", name="Compare all").click()
    page.locator("#similarity-heat-map").wait_for()
    assert nasty in page.locator("#neighbours").inner_text()
    assert page.locator("#panel-many script, #panel-many img, #panel-many b").count() == 0


def test_many_texts(page: Any, model: MiniLM) -> None:
    page.get_by_role("tab", name="Many texts").click()
    page.get_by_role("button", name="Example").click()
    page.locator("#similarity-heat-map").wait_for()
    texts = page.get_by_label("Texts, one a line").input_value().split("\n")
    shown = page.locator("#similarity-heat-map td[data-value]").evaluate_all(
        "all => all.map(c => c.dataset.value)"
    )
    expected = model.similarity(texts, texts)
    assert len(shown) == expected.size
    assert max(abs(float(x) - y) for x, y in zip(shown, expected.ravel(), strict=True)) < BOUND
    first = page.locator("#neighbours > li").first.locator("li").first.inner_text()
    assert first == f"{expected[0, 1]:.4f} {texts[1]}"
    # too few and too many are said, not sent
    for lines, notice in (("one", "at least two texts"), ("\n".join("ab" * 101), "At most 200 texts")):
        page.locator("#lines").fill(lines)
        page.get_by_role("button", name="Compare all").click()
        assert notice in page.get_by_role("alert").inner_text()


def test_the_page_works_by_keyboard(page: Any) -> None:
    page.keyboard.press("Tab")  # the chosen tab
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert page.get_by_role("tab", name="Many texts").get_attribute("aria-selected") == "true"
    assert page.get_by_label("Texts, one a line").is_visible()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    for text in (A, B):
        page.keyboard.press("Tab")
        page.keyboard.type(text)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.locator("#score").wait_for()
    assert page.locator("#score").inner_text() == "Score: 0.8052"


def test_the_page_is_labelled_for_screen_readers(page: Any) -> None:
    compare(page, A, B)
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.locator("[aria-live=polite]").get_by_text("Score: 0.8052").is_visible()
    assert page.get_by_role("tabpanel", name="Two texts").is_visible()
    assert page.get_by_role("region", name="Heat map of token pairs").is_visible()
    unnamed = page.locator("button, textarea, input").evaluate_all(
        "all => all.filter(e => !e.labels?.length && !e.textContent.trim()).map(e => e.outerHTML)"
    )
    assert unnamed == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_nothing_is_wider_than_the_screen(browser: Any, server: Server, scheme: str) -> None:
    context = browser.new_context(
        viewport={"width": 360, "height": 740}, is_mobile=True, has_touch=True, color_scheme=scheme
    )
    try:
        page = context.new_page()
        page.goto(server.url)
        compare(page, "antidisestablishmentarianism" * 8, " ".join([B] * 8))
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        boxes = [
            page.locator(name).bounding_box() for name in ("#text-a", "#text-b", "#panel-two button.main")
        ]
        assert all(box["x"] >= 0 and box["x"] + box["width"] <= 360 for box in boxes)
        assert boxes[1]["y"] > boxes[0]["y"] + boxes[0]["height"]  # one below the other
        # ink and paper: at least 7 to 1 (WCAG 2.2, 1.4.6), by relative luminance as 1.4.3 defines it
        ink, paper = page.evaluate(
            "['color', 'backgroundColor']"
            ".map(name => getComputedStyle(document.body)[name].match(/\\d+/g).map(Number))"
        )
        light, dark = sorted((luminance(ink), luminance(paper)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) > 7
        assert (luminance(paper) < 0.1) == (scheme == "dark")
    finally:
        context.close()


def test_a_score_that_cannot_be_explained_is_shown_with_the_reason(
    browser: Any, make_checkpoint: MakeCheckpoint
) -> None:
    directory = make_checkpoint()
    wide = {"linear.weight": np.eye(2, TINY.hidden_size, dtype=np.float32)}
    add_dense(directory, wide, in_features=TINY.hidden_size, bias=False)
    server = Server("--model", str(directory))
    page = browser.new_page()
    complaints = watch(page)
    try:
        page.goto(server.url)
        # float64 products of float32 vectors of width 2
        assert abs(compare(page, "a b", "c") - MiniLM(directory).similarity("a b", "c").item()) < BOUND
        assert "4 and 3 tokens" in page.locator("#facts").inner_text()
        assert "this model has a Dense module" in page.locator("#unexplained").inner_text()
        assert not page.locator("#why").is_visible()
        assert [seen for seen in complaints if not seen.startswith(server.url)] == []
    finally:
        page.close()
        assert server.stop() == 0


def test_the_server_goes_away_and_comes_back(browser: Any) -> None:
    server = Server()
    port = int(server.url.rpartition(":")[2])
    page = browser.new_page()
    try:
        page.goto(server.url)
        score = compare(page, A, B)
        assert server.stop() == 0
        page.get_by_role("button", name="Compare", exact=True).click()
        page.get_by_text("The server cannot be reached").wait_for()
        assert not page.locator("#score").is_visible()  # an old score never stands beside a failure
        server = Server(port=port)
        assert compare(page, A, B) == score
        assert page.get_by_role("alert").inner_text() == ""
    finally:
        page.close()
        server.stop()


def test_only_the_newest_answer_is_shown(page: Any) -> None:
    held: list[Any] = []
    page.route("**/compare", lambda route: held.append(route) if not held else route.continue_())
    page.fill("#text-a", "The first question.")
    page.fill("#text-b", "Never answered in time.")
    page.get_by_role("button", name="Compare", exact=True).click()
    page.get_by_text("Comparing…").wait_for()
    page.fill("#text-a", A)
    page.fill("#text-b", B)
    page.get_by_role("button", name="Compare", exact=True).click()
    page.locator("#score").wait_for()
    held[0].fulfill(json={"score": 0.0})
    page.wait_for_timeout(200)
    assert page.locator("#score").inner_text() == "Score: 0.8052"
    assert page.get_by_role("alert").inner_text() == ""


@pytest.mark.parametrize(
    ("answer", "notice"),
    [
        (
            {"status": 503, "headers": {"Retry-After": "7"}, "json": {"error": {"message": "full"}}},
            "full (Try again in 7 s.)",
        ),
        ({"status": 502, "body": "<html>a proxy</html>"}, "The server answered 502 without a reason."),
        ({"status": 200, "body": "not JSON"}, "The server answered 200 without a reason."),
    ],
)
def test_the_page_shows_the_reason_of_a_refusal(page: Any, answer: dict[str, Any], notice: str) -> None:
    page.route("**/compare", lambda route: route.fulfill(**answer))
    page.fill("#text-a", A)
    page.fill("#text-b", B)
    page.get_by_role("button", name="Compare", exact=True).click()
    page.get_by_text(notice, exact=True).wait_for()
    assert page.get_by_role("button", name="Compare", exact=True).is_enabled()


def test_a_key_is_asked_for_where_one_is_set(browser: Any) -> None:
    server = Server("--api-key", "sesame")
    page = browser.new_page()
    try:
        page.goto(server.url)
        assert page.request.get(f"{server.url}/notebook").status == 200  # like the page, it needs no key
        assert not page.locator("#api-key").is_visible()
        page.fill("#text-a", A)
        page.fill("#text-b", B)
        page.get_by_role("button", name="Compare", exact=True).click()
        page.get_by_text("This server asks for a key. Enter it below.", exact=True).wait_for()
        for key, problem in (("open", "is not one of this server's"), ("пароль", "only letters, digits")):
            page.get_by_label("API key").fill(key)
            page.get_by_role("button", name="Use this key").click()
            page.get_by_role("alert").get_by_text(problem).wait_for()
        page.get_by_label("API key").fill(" sesame ")  # as it is pasted
        page.get_by_role("button", name="Use this key").click()
        page.locator("#score").wait_for()
        assert page.locator("#score").inner_text() == "Score: 0.8052"
    finally:
        page.close()
        assert server.stop() == 0


def test_the_api_documentation_is_drawn(page: Any, server: Server) -> None:
    page.goto(f"{server.url}/docs")
    page.locator(".opblock").first.wait_for()
    paths = page.locator(".opblock-summary-path").all_inner_texts()
    assert {"/v1/embeddings", "/embed", "/similarity", "/health"} <= {
        path.replace("\u200b", "") for path in paths
    }
