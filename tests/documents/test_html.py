"""HTML as Markdown: a short page at once, a long one in parts."""

from __future__ import annotations

import re

import pytest

from minilm.documents import html
from minilm.documents.content import Unreadable
from minilm.documents.html import markdown_of

markdownify = pytest.importorskip("markdownify", reason="markdownify is not installed")


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text)


def test_a_page_becomes_markdown_without_scripts() -> None:
    page = (
        "<title>T</title><script>alert(1)</script><style>p{}</style><h2>Desk</h2><p><a href=x>link</a>_1</p>"
    )
    assert "".join(markdown_of([page[:30], page[30:]])).split() == ["T", "##", "Desk", "link_1"]


SECTION = (
    "<section><h2>Title {0}</h2><!-- <p>comment --><script>if (a < b) {{ '<p>code</p>' }}</script>"
    "<p>Text {0} &amp; more&#46;<br/>Line<ul><li>item {0}<ul><li>inner</ul><li>other</ul>"
    "<table><tr><th>head</th></tr><tr><td>cell {0}</td></tr></table><pre>  code\n\n  {0}</pre></section>\n"
)


@pytest.mark.parametrize("chunk", [1, 7, 100, 10_000])
def test_a_long_page_is_converted_in_parts(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where parts end at headings and paragraphs, they have the Markdown of the whole page."""
    page = "<!DOCTYPE html><html><body>" + "".join(map(SECTION.format, range(30))) + "</body></html>"
    whole = "".join(markdown_of([page]))
    converted: list[int] = []
    convert = markdownify.markdownify

    def recorded(part: str, **options: object) -> str:
        converted.append(len(part))
        return str(convert(part, **options))

    monkeypatch.setattr(markdownify, "markdownify", recorded)
    monkeypatch.setattr(html, "_PART", 600)
    found = "".join(markdown_of(page[start : start + chunk] for start in range(0, len(page), chunk)))
    assert words(found) == words(whole)
    assert [line for line in found.split("\n") if line[:1] == "#"] == [f"## Title {n}" for n in range(30)]
    assert len(converted) > 10
    assert max(converted) < 1000


@pytest.mark.parametrize(
    ("tag", "item"),
    [("ul", "<li>item {0}</li>"), ("table", "<tr><td>cell {0}</td><td>b</td></tr>"), ("pre", "line {0}\n")],
)
def test_a_long_element_goes_on_as_what_it_is(tag: str, item: str, monkeypatch: pytest.MonkeyPatch) -> None:
    page = f"<p>Before</p><{tag}>" + "".join(map(item.format, range(400))) + f"</{tag}><p>Behind</p>"
    whole = "".join(markdown_of([page]))
    monkeypatch.setattr(html, "_PART", 500)
    found = "".join(markdown_of(page[start : start + 50] for start in range(0, len(page), 50)))
    assert words(found) == words(whole)
    kept = {"ul": r"^\* item", "table": r"^\| cell", "pre": r"^line"}[tag]
    assert len(re.findall(kept, found, re.MULTILINE)) == 400
    assert len(re.findall("^```", found, re.MULTILINE)) % 2 == 0
    assert found.rstrip().endswith("\n\nBehind")


def test_text_without_tags_is_cut_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    page = "<p>" + " ".join(f"word{n}" for n in range(3000))
    monkeypatch.setattr(html, "_PART", 500)
    found = [*markdown_of(page[start : start + 33] for start in range(0, len(page), 33))]
    assert words("".join(found)) == words(page[3:])
    assert len(found) > 5


@pytest.mark.parametrize(
    ("page", "part", "message"),
    [
        ("<div>" * 5000 + "text", 1 << 20, "its elements are nested too deeply"),
        ("<ul><li>" * 5000 + "text", 1 << 20, "its elements are nested too deeply"),
        ("<ul><li>" * 5000 + "text", 200, "its elements are nested too deeply"),
        ("<![x<p>text</p>", 1 << 20, "it is damaged HTML"),
        ("<![x<p>text</p>" * 20, 200, "it is damaged HTML"),
    ],
)
def test_what_cannot_be_converted_says_why(
    page: str, part: int, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(html, "_PART", part)
    with pytest.raises(Unreadable, match=message):
        [*markdown_of([page])]
