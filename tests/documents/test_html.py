"""HTML as Markdown, a part of a long page at a time."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilm.documents import html
from minilm.documents.content import Unreadable
from minilm.documents.html import markdown_of

bs4 = pytest.importorskip("bs4", reason="BeautifulSoup is not installed")
markdownify = pytest.importorskip("markdownify", reason="markdownify is not installed")
pytest.importorskip("lxml", reason="lxml is not installed")


def markdown(page: str, chunk: int = 1 << 20) -> str:
    return "".join(markdown_of(page[start : start + chunk] for start in range(0, len(page), chunk)))


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
    convert = markdownify.MarkdownConverter.convert

    def recorded(converter: object, part: str) -> str:
        converted.append(len(part))
        return str(convert(converter, part))

    monkeypatch.setattr(markdownify.MarkdownConverter, "convert", recorded)
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
        ("<span>" * 5000 + "text", 200, "its elements are nested too deeply"),
    ],
)
def test_what_cannot_be_converted_says_why(
    page: str, part: int, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(html, "_PART", part)
    with pytest.raises(Unreadable, match=message):
        [*markdown_of([page])]


def test_a_fault_of_the_converter_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> str:
        raise ValueError("no such thing")

    monkeypatch.setattr(markdownify.MarkdownConverter, "convert", fail)
    with pytest.raises(Unreadable, match=r"it is damaged HTML \(ValueError: no such thing\)"):
        markdown("<p>text")


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<ol><li>a<li>b<li>c</ol>", "1. a\n2. b\n3. c"),
        ("<ul><li>a<ul><li>b<li>c</ul><li>d</ul>", "* a\n  + b\n  + c\n* d"),
        ("<table><tr><td>a<td>b<tr><td>c<td>d</table>", "|  |  |\n| --- | --- |\n| a | b |\n| c | d |"),
        ("<table><thead><tr><th>a<tbody><tr><td>b<tfoot><tr><td>c</table>", "| a |\n| --- |\n| b |\n| c |"),
        ("<table><thead><tr><td>a<tbody><tr><td>b</table>", "| a |\n| --- |\n| b |"),
        ("<table><caption>T<tr><th>a<tr><td>b</table>", "T\n\n| a |\n| --- |\n| b |"),
        ("<table><tr><th colspan=2>a<tr><td>b<td>c</table>", "| a | |\n| --- | --- |\n| b | c |"),
        ("<dl><dt>a<dd>b<dd>c</dl>", "a\n:   b\n:   c"),
        ("<p>a<p>b<h2>c</h2>d", "a\n\nb\n\n## c\n\nd"),
        ("<dl><dt>a<dd><p>c<dd><span>d</dl>", "a\n:   c\n:   d"),
        ("<h1>a<h2>b</h2>c", "# a\n\n## b\n\nc"),
        ("<p>a <b>b<b>c</b></b>", "a **bc**"),
    ],
)
def test_end_tags_may_be_left_out(page: str, text: str) -> None:
    assert markdown(page).strip() == text


@pytest.mark.parametrize(
    ("around", "item"),
    [
        ("table", "<tr><td>name</td><td>value</td></tr>"),
        ("dl", "<dt>name</dt><dd>value</dd>"),
        ("ul", "<li>name</li>"),
        ("ol", "<li>name</li>"),
        ("div", "<p>name</p>"),
    ],
)
def test_without_end_tags_a_long_element_has_the_same_markdown(around: str, item: str) -> None:
    short = re.sub("</.*?>", "", item)
    found = markdown(f"<{around}>{short * 500}</{around}>")
    assert found == markdown(f"<{around}>{item * 500}</{around}>")
    assert found.count("name") == 500
    assert len(found) < 20_000


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("a<?php x ?>b", "ab"),
        ("a<![CDATA[x]]>b", "ab"),
        ("a<!-- x -->b<!x>c</ x>d", "abcd"),
        ('<?xml version="1.0"?><!DOCTYPE html><html><p>a', "a"),
        (
            "a &lt; b &amp;amp; &eacute;&eacute &nbsp &#65;&#x42 &#150; &bogus; &",
            "a < b &amp; \xe9\xe9 \xa0 AB \u2013 &bogus; &",
        ),
        ("a&#0;b", "a\ufffdb"),
        ("a\0b", "a\ufffdb"),
        ("<meta charset=latin-1>\xe9\u20ac\U0001f600", "\xe9\u20ac\U0001f600"),
        ("a < b <3", "a < b <3"),
        ("<H1>T</H1><P>a", "# T\n\na"),
        ("<title>a <b></title>Text <i>x</i> <b>y</b>", "a <b>\n\nText *x* **y**"),
        ("a</body></html>b<p>c", "ab\n\nc"),
        ("<pre>\n  a\r\n\n    b &lt;c\n</pre>", "```\n  a\n\n    b <c\n```"),
        ("a<template>x<p>y</template><style>x<p>y</style><script>x<p>y</script><iframe>x<p></iframe>b", "ab"),
        ("<script src=x />a", "a"),
        ("<ol start=\xb2><li>a</ol><table><tr><td colspan=\xb2>b</table>", "1. a\n\n|  |\n| --- |\n| b |"),
    ],
)
@pytest.mark.parametrize("part", [1 << 20, 4])
def test_what_is_text_is_the_same_in_short_and_long_pages(
    page: str, text: str, part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert markdown(page).strip("\n ") == text
    monkeypatch.setattr(html, "_PART", part)
    assert words(markdown(page)) == words(text)


def test_a_numbered_list_goes_on_in_the_next_part(monkeypatch: pytest.MonkeyPatch) -> None:
    inner = "<ol>" + "<li>inner" * 30 + "</ol>"
    page = "<ol start=7>" + "<li>item" * 100 + inner + "<li>item" * 100 + "</ol>"
    monkeypatch.setattr(html, "_PART", 300)
    parts = [*markdown_of([page])]
    assert len(parts) > 10
    numbers = re.findall(r"(\d+)\. (\w+)", "".join(parts))
    assert [int(number) for number, text in numbers if text == "item"] == [*range(7, 207)]
    assert [int(number) for number, text in numbers if text == "inner"] == [*range(1, 31)]


@pytest.mark.parametrize(
    "unit",
    ["<a ", "<a b=", "<a b='", "</", "<!--", "<!", "<?", "<![CDATA[", "<script>", "</p>", "</x>", " \n"],
)
def test_a_page_of_faults_takes_time_in_proportion(unit: str) -> None:
    """A page of 2 MB. A parser that begins again at each of these would take hours."""
    assert markdown(f"<p>text {unit * (2_000_000 // len(unit))}").strip() == "text"


@pytest.mark.parametrize(("page", "text"), [("a{}b", "a b"), ("<pre>a{}b</pre>", "```\na{}b\n```")])
def test_a_long_blank_takes_time_in_proportion(page: str, text: str) -> None:
    blank = " " * 2_000_000
    assert markdown(page.format(blank)).strip() == text.format(blank)


def test_no_item_or_row_looks_through_those_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """The converter would count them all for each, in the square of their number."""
    find = bs4.Tag.find_previous_siblings

    def only_one(element: object, name: object = None, *options: object, **named: object) -> object:
        assert name != "li"
        return find(element, name, *options, **named)

    monkeypatch.setattr(bs4.Tag, "find_previous_siblings", only_one)
    page = "<ol>" + "<li>item" * 500 + "</ol><table><thead>" + "<tr><td>cell" * 500 + "</table>"
    found = markdown(page)
    assert "\n500. item\n" in found
    assert found.count("| cell |") == 500
    assert found.count("---") == 1


TAGS = "p b li ol ul table tr td thead caption pre h1 br div title script template a span dl dd svg".split()  # noqa: SIM905
PIECES = [f"<{tag}>" for tag in TAGS] + [f"</{tag}>" for tag in TAGS]
PIECES += [
    "word",
    " ",
    "\n",
    "&amp;",
    "&lt",
    "&#0;",
    "<",
    "</",
    "<!--",
    "-->",
    "<?x>",
    "<a b='",
    "'",
    "\xe9",
    "\0",
]


@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join), st.integers(1, 9))
def test_any_page_has_the_same_markdown_however_it_is_read(page: str, chunk: int) -> None:
    assert markdown(page, chunk) == markdown(page)
