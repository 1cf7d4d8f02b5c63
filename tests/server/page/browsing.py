"""How the tests use the page in a browser."""

from __future__ import annotations

from typing import Any

A, B = "A girl is styling her hair.", "A girl is brushing her hair."

# float32 embeddings that are equal to 3e-7 in each component, and a product that shows four decimals or all
BOUND = 1e-6


def wait_for_value(page: Any, selector: str, value: str) -> None:
    """Wait until a field has a value; page.wait_for_function would call eval, which the page forbids."""
    from playwright.sync_api import expect

    expect(page.locator(selector)).to_have_value(value)


def watch(page: Any) -> list[str]:
    """What the page's scripts complain of, and every address it asks for."""
    seen: list[str] = []
    page.on("console", lambda message: seen.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: seen.append(f"error: {error}"))
    page.on("dialog", lambda dialog: seen.append(f"dialog: {dialog.message}"))
    page.on("request", lambda request: seen.append(request.url))
    return seen


def compare(page: Any, a: str, b: str) -> float:
    """Type two texts, press Compare, and read all the digits of the score."""
    page.get_by_label("First text").fill(a)
    page.get_by_label("Second text").fill(b)
    with page.expect_response("**/compare"):
        page.get_by_role("button", name="Compare", exact=True).click()
    page.locator("#score").wait_for()
    return float(page.locator("#score-exact").inner_text())


def rank(page: Any, source: str, sentences: list[str]) -> None:
    """Rank texts against one, in the tab One against many."""
    page.get_by_role("tab", name="One against many").click()
    page.fill("#source", source)
    page.fill("#sentences", "\n".join(sentences))
    page.get_by_role("button", name="Rank").click()
    page.locator("#one-result").wait_for()


def compare_all(page: Any, texts: list[str]) -> None:
    """Compare each text with each, in the tab Many texts."""
    page.get_by_role("tab", name="Many texts").click()
    page.fill("#lines", "\n".join(texts))
    page.get_by_role("button", name="Compare all").click()
    page.locator("#many-result").wait_for()


def look(page: Any, a: str, b: str = "") -> None:
    """Look into a text or two, in the tab Inside."""
    page.get_by_role("tab", name="Inside").click()
    page.fill("#inside-a", a)
    page.fill("#inside-b", b)
    page.get_by_role("button", name="Look inside").click()
    page.locator("#inside-result").wait_for()


def luminance(color: list[int]) -> float:
    parts = [x / 255 for x in color]
    linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
