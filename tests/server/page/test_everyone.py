"""The page for every reader: any script, any language of the interface, any screen, or a screen reader."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.server.page.browsing import A, B, compare, compare_all, look, luminance, rank
from tests.serving import Server

PHONE = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}
SCREENS: dict[str, dict[str, Any]] = {
    "desktop": {},
    "phone": PHONE,
    "dark": {"color_scheme": "dark"},
    "forced colours": {"forced_colors": "active"},
    "forced dark colours": {"forced_colors": "active", "color_scheme": "dark"},
    "reduced motion": {"reduced_motion": "reduce"},
    # to zoom is to have fewer and larger pixels
    "zoom 200%": {"viewport": {"width": 640, "height": 400}, "device_scale_factor": 2},
}
USED = "textarea, input:not([type=file]), select, button:not([role=tab])"
LONG = "word " * 300
HEBREW, ARABIC = "שלום, עולם! (2026)", "مرحبا بالعالم 2026"


@contextmanager
def opened(browser: Any, server: Server, **options: Any) -> Iterator[Any]:
    """The page in a browser of that kind."""
    context = browser.new_context(**options)
    try:
        page = context.new_page()
        page.goto(server.url)
        yield page
    finally:
        context.close()


def states(page: Any) -> Iterator[str]:
    """Bring the page into each of its states, one after the other."""
    yield "new"
    page.get_by_role("button", name="Compare", exact=True).click()
    yield "a text is missing"
    compare(page, A, B)
    page.locator("#panel-two summary").click()
    yield "two texts"
    compare(page, LONG, f"{HEBREW} {ARABIC}")
    yield "a long text and one that is not English"
    page.get_by_role("tab", name="One against many").click()
    page.locator("#one-example").click()
    page.locator("#one-result").wait_for()
    page.get_by_role("button", name="curl").click()
    yield "one against many"
    page.get_by_role("tab", name="Many texts").click()
    page.locator("#many-example").click()
    page.locator("#similarity-heat-map").wait_for()
    yield "many texts"
    compare_all(page, [f"Text number {i}." for i in range(40)])
    page.locator("canvas#similarity-heat-map").wait_for()
    yield "many texts, drawn"
    page.get_by_role("tab", name="Search").click()
    page.get_by_role("button", name="Search", exact=True).click()
    yield "a query is missing"
    page.locator("#query").fill("I forgot my password")
    page.locator("#query").press("Enter")
    page.locator("#search-result").wait_for()
    page.locator("#found summary").first.click()
    page.get_by_role("button", name="Python").click()
    yield "a search"
    page.locator("#query").fill(HEBREW)
    page.locator("#where").fill("path LIKE '%.pdf'")
    page.locator("#where").press("Enter")
    page.locator("#search-result").wait_for()
    yield "a search that finds nothing"
    yield from states_of_inside(page)
    page.evaluate("document.getElementById('key').hidden = false")
    yield "a key is asked for"
    page.goto(page.url.partition("#")[0] + "notebook")
    yield "the notebook"


def states_of_inside(page: Any) -> Iterator[str]:
    """The states of the tab Inside."""
    page.get_by_role("tab", name="Inside").click()
    page.locator("#inside-example").click()
    page.locator("#inside-result").wait_for()
    yield "inside"
    look(page, HEBREW)
    yield "the inside of a text that is not English"
    look(page, "word " * 62)
    page.locator("canvas#head-map").wait_for()
    yield "the inside of 64 tokens"
    page.locator("#inside-a").fill("word " * 63)
    page.get_by_role("button", name="Look inside").click()
    page.get_by_role("alert").get_by_text("A text is too long").wait_for()
    yield "a text that is too long for its inside"


@pytest.mark.parametrize("screen", SCREENS)
def test_axe_finds_nothing(browser: Any, searching: Server, screen: str) -> None:
    sync_playwright = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe_playwright_python is not installed"
    )
    axe = sync_playwright.Axe()
    with opened(browser, searching, **SCREENS[screen]) as page:
        for state in states(page):
            results = axe.run(page)
            assert results.violations_count == 0, f"{state}: {results.generate_report()}"
            width = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
            assert width[0] <= width[1], f"{state}: wider than the screen"


@pytest.mark.parametrize("text", [HEBREW, ARABIC])
def test_a_text_is_written_in_its_own_direction(page: Any, text: str) -> None:
    compare(page, text, A)
    directions = "all => all.map(each => getComputedStyle(each).direction)"
    for right, left in (
        ("#text-a", "#text-b"),
        ("#words-a", "#words-b"),
        ("#shares-a th[dir]", "#shares-b th[dir]"),
    ):
        assert set(page.locator(right).evaluate_all(directions)) >= {"rtl"}
        assert set(page.locator(left).evaluate_all(directions)) == {"ltr"}
    assert page.locator("#words-a").inner_text() == text
    # a name among others is isolated: the number behind it stays behind it
    first = page.locator("#pairs li").first
    assert first.locator("bdi").count() == 2
    places = first.evaluate(
        """item => [...item.childNodes].map(node => {
            const range = document.createRange();
            range.selectNodeContents(node);
            return range.getBoundingClientRect().left;
        })"""
    )
    assert places == sorted(places)


def test_shares_of_words_are_numbers_too(page: Any) -> None:
    compare(page, A, B)
    shades = page.locator("#words-a span").evaluate_all("all => all.map(each => Number(each.dataset.share))")
    assert not page.locator("#shares-a").is_visible()
    page.locator("#panel-two summary").focus()
    page.keyboard.press("Enter")
    rows = page.locator("#shares-a tbody tr").all_inner_texts()
    assert rows == [
        f"{word}\t{share:.4f}"
        for word, share in zip(["A", "girl", "is", "styling", "her", "hair", "."], shades, strict=True)
    ]


def test_a_number_that_rounds_to_zero_has_no_sign(page: Any) -> None:
    written = (
        "numbers => import('/page/texts.js').then(({ number }) => numbers.map((each) => number(each, 3)))"
    )
    shown = page.evaluate(written, [-0.0001, -0.0006, 0, 0.0004, -1, 1234.5])
    assert shown == ["0.000", "-0.001", "0.000", "0.000", "-1.000", "1,234.500"]


def test_an_old_result_never_stands_beside_an_edited_text(page: Any) -> None:
    for use, fields, result in (
        (compare, ("#text-a", "#text-b"), "#panel-two .result"),
        (lambda *texts: rank(texts[0], A, [B]), ("#source", "#sentences"), "#one-result"),
        (lambda *texts: compare_all(texts[0], [A, B]), ("#lines",), "#many-result"),
        (look, ("#inside-a", "#inside-b"), "#inside-result"),
    ):
        for field in fields:
            use(page, A, B)
            assert page.locator(result).first.is_visible()
            page.locator(field).press_sequentially("!")
            assert page.locator(f"{result}:visible").count() == 0
        page.reload()


def test_an_answer_to_former_texts_is_not_shown(page: Any) -> None:
    held: list[Any] = []
    page.route("**/compare", lambda route: held.append(route))  # noqa: PLW0108 - playwright marks it
    page.fill("#text-a", A)
    page.fill("#text-b", B)
    page.get_by_role("button", name="Compare", exact=True).click()
    page.get_by_text("Comparing…").wait_for()
    page.fill("#text-b", "Edited meanwhile.")
    assert page.get_by_role("alert").inner_text() == ""
    held[0].continue_()
    page.wait_for_timeout(500)
    assert not page.locator("#score").is_visible()


def test_on_a_small_phone_the_answer_is_in_sight(browser: Any, server: Server) -> None:
    with opened(browser, server, **{**PHONE, "viewport": {"width": 320, "height": 640}}) as page:
        compare(page, A, B)
        box = page.locator("#two-result").bounding_box()
        assert box["y"] >= 0
        assert box["y"] + box["height"] < 641  # a browser scrolls by whole pixels


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_can_be_used_stands_out(browser: Any, server: Server, scheme: str) -> None:
    """Its border against the paper: 3 to 1 (WCAG 2.2, 1.4.11)."""
    with opened(browser, server, color_scheme=scheme) as page:
        colors = "all => all.map(each => getComputedStyle(each).borderBottomColor.match(/\\d+/g).map(Number))"
        borders = page.locator(f"main :is({USED})").evaluate_all(colors)
        assert len(borders) > 20
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
        for border in borders:
            light, dark = sorted((luminance(border), luminance(paper)), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 3


def test_in_forced_colours_a_shade_and_the_chosen_tab_still_show(browser: Any, server: Server) -> None:
    with opened(browser, server, forced_colors="active") as page:
        compare(page, A, B)
        shades = page.locator("#words-a span").evaluate_all(
            "all => all.map(each => getComputedStyle(each).backgroundColor)"
        )
        assert len(set(shades)) == 7
        border = "tab => getComputedStyle(tab).borderBottomColor"
        assert page.locator("#tab-two").evaluate(border) != page.locator("#tab-many").evaluate(border)


def test_a_language_that_the_model_did_not_learn_is_said(page: Any) -> None:
    assert page.locator("#model").inner_text() == (
        "Model: sentence-transformers/all-MiniLM-L6-v2. "
        "It learned from English texts: in other languages its scores mean little."
    )
    compare(page, A, B)
    assert not page.locator("#unfamiliar").is_visible()
    compare(page, A, HEBREW)
    assert "The second text is mostly unknown or single letters" in page.locator("#unfamiliar").inner_text()
    compare_all(page, [A, HEBREW, ARABIC])
    assert page.locator("#many-facts").inner_text().endswith("text 2, 3.")
    rank(page, A, [B, HEBREW])
    assert page.locator("#one-hint").inner_text().endswith("so the scores mean little: line 2.")
    look(page, A, ARABIC)
    assert "The second text is mostly unknown or single letters" in page.locator("#inside-hint").inner_text()


@pytest.mark.parametrize(
    ("locale", "language", "score"),
    [("de-AT", "de", "Wert: 0,8052"), ("es-MX", "es", "Valor: 0,8052"), ("fr", "en", "Score: 0.8052")],
)
def test_the_interface_has_the_browsers_language(
    browser: Any, server: Server, locale: str, language: str, score: str
) -> None:
    with opened(browser, server, locale=locale) as page:
        assert page.locator("html").get_attribute("lang") == language
        page.locator("#examples button").first.click()
        page.locator("#score").wait_for()
        assert page.locator("#score").inner_text() == score
        empty = page.locator("[data-text]").evaluate_all(
            "all => all.filter(each => !each.textContent).length"
        )
        assert empty == 0


def test_every_text_is_in_every_language(page: Any) -> None:
    texts = page.evaluate("import('/page/texts.js').then(({ TEXTS }) => TEXTS)")
    assert len(texts) > 50
    for name, versions in texts.items():
        assert len(versions) == 3, name
        assert all(versions), name
        places = [sorted(re.findall(r"\{\w+\}", version)) for version in versions]
        assert places == [places[0]] * 3, name
    used = page.locator("[data-text], [data-label], [data-placeholder]").evaluate_all(
        "all => all.flatMap(({ dataset: { text, label, placeholder } }) => text ?? label ?? placeholder)"
    )
    assert set(used) <= set(texts)


def test_without_scripts_the_page_says_so(browser: Any, server: Server) -> None:
    with opened(browser, server, java_script_enabled=False) as page:
        assert "This page needs JavaScript." in page.locator("main").inner_text()
        assert page.locator("noscript [lang=de]").is_visible()
        assert not page.locator("#panel-two").is_visible()
