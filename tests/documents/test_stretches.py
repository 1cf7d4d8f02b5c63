"""The stretches of documents: together they are the text, and their headings are those of a whole."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilm.documents import stretches
from minilm.documents.stretches import (
    Heading,
    Stretch,
    markdown_file_stretches,
    markdown_stretches,
    page_stretches,
    plain_stretches,
    underlined_stretches,
)

markdown_it = pytest.importorskip("markdown_it", reason="markdown-it-py is not installed")

MARKDOWN = (
    "Intro\n\n# Guide\r\n\r\n## Options *all*\n\n"
    "```\n# a comment\n```\n\nLast\n====\n\n\x0b\u2028## Not one\n\n### Deep"
)


def chunks(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


def joined(found: Iterable[Stretch]) -> tuple[str, list[Heading]]:
    """Return the text of stretches and their headings, each of which begins in its stretch."""
    text, headings = "", list[Heading]()
    for stretch in found:
        assert stretch.start == len(text)
        text += stretch.text
        assert all(stretch.start <= heading.start < len(text) for heading in stretch.headings)
        headings += stretch.headings
    return text, headings


def test_markdown_headings_stand_where_commonmark_has_them() -> None:
    """A # in a block of code is no heading, a line under a title makes one, and U+2028 ends no line."""
    text, found = joined(markdown_stretches([MARKDOWN]))
    assert text == MARKDOWN
    assert [(h.level, h.title) for h in found] == [
        (1, "Guide"),
        (2, "Options *all*"),
        (1, "Last"),
        (3, "Deep"),
    ]
    assert [MARKDOWN[h.start :][:6] for h in found] == ["# Guid", "## Opt", "Last\n=", "### De"]


LINES = (
    "# A heading|Under|===|---|```|~~~ x|- a|  more|    code|1. b|> quoted|> # inside|- # in a list|<div>|"
)
LINES += "<!--|-->|[a]: /url|'title|of it'|\t|text *with* `marks`|### Deep ###|lazy|\u2028|***|"
ENDS = ["\n", "\n\n", "\r\n", "\r"]


def headings_of_whole(text: str) -> list[Heading]:
    """The reference: everything parsed at once, with what is in the lines but for the blanks around them."""
    starts = [0, *(match.end() for match in re.finditer(r"\r\n|\r|\n", text))]
    return [
        Heading(
            starts[opening.map[0]],
            int(opening.tag[1:]),
            " ".join(line.strip() for line in content.content.split("\n")),
        )
        for opening, content in pairwise(markdown_it.MarkdownIt().parse(text))
        if opening.type == "heading_open"
    ]


TEXTS = st.lists(
    st.tuples(st.sampled_from(LINES.split("|")), st.sampled_from(ENDS)).map("".join), max_size=30
).map("".join)


@given(TEXTS, st.integers(1, 60), st.integers(1, 60))
def test_windows_give_the_headings_of_the_whole(text: str, window: int, chunk: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stretches, "_WINDOW", window)
        assert joined(markdown_stretches(chunks(text, chunk))) == (text, headings_of_whole(text))


def test_a_heading_of_several_lines_has_a_title_of_one() -> None:
    found = joined(markdown_stretches(["A long\r\n  *title*  \nof three\n===\n\n# Two  blanks\n"]))[1]
    assert [heading.title for heading in found] == ["A long *title* of three", "Two  blanks"]


FRONT_MATTER = [
    "---\ntitle: My page\ndate: 2026-01-01\n---\n",
    "---  \r\n# a comment\r\ntags:\r\n- a\r\n  - b\r\n\r\ntext: |\r\n  # no heading\r\n...\r\n",
    '---\rdate created: 2026\r"a: b": [\r  1\r]\r---\t\r',
    "+++\n# a comment\n\ntitle = 'My page'\n[params]\nlist = [\n1,\n]\n+++\n",
]
NO_FRONT_MATTER = [
    "---\n",
    "---\n---\n",
    "---\nA sentence.\n---\n",
    "---\n\nNote: a rule stands above\n\n---\n",
    "---\nhttps://example.org\n---\n",
    "---\ntitle: it has no end\n\n",
    "---\ntitle: of a line\nThat is text.\n---\n",
    "----\ntitle: a rule of four\n----\n",
    "A line\n---\ntitle: below it\n---\n",
    " ---\ntitle: indented\n---\n",
    "\n---\ntitle: in the second line\n---\n",
    "+++\nsome text\n+++\n",
]


@pytest.mark.parametrize("front_matter", FRONT_MATTER)
def test_front_matter_is_text_above_the_first_heading(front_matter: str) -> None:
    text = front_matter + "# One\n\n---\nno: front matter\n---\n"
    for size in (1, 2, 3, 7, len(text)):
        found = [*markdown_file_stretches(chunks(text, size))]
        assert found[0] == Stretch(0, front_matter)
        whole, headings = joined(found)
        assert whole == text
        assert [(h.start, h.title) for h in headings] == [
            (len(front_matter), "One"),
            (text.index("no: front"), "no: front matter"),
        ]
    assert joined(markdown_file_stretches([front_matter])) == (front_matter, [])
    assert joined(markdown_file_stretches([front_matter.rstrip()])) == (front_matter.rstrip(), [])


@pytest.mark.parametrize("text", NO_FRONT_MATTER)
def test_what_is_no_front_matter_is_commonmark(text: str) -> None:
    text += "# Two\n"
    for size in (1, 3, len(text)):
        assert joined(markdown_file_stretches(chunks(text, size))) == (text, headings_of_whole(text))


@given(st.sampled_from(["", *FRONT_MATTER, *NO_FRONT_MATTER]), TEXTS, st.integers(1, 60), st.integers(1, 60))
def test_windows_behind_front_matter_give_the_headings_of_the_whole(
    front: str, text: str, window: int, chunk: int
) -> None:
    whole = joined(markdown_file_stretches([front + text]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stretches, "_WINDOW", window)
        assert joined(markdown_file_stretches(chunks(front + text, chunk))) == whole
    if front in FRONT_MATTER:
        expected = [h._replace(start=h.start + len(front)) for h in headings_of_whole(text)]
        assert whole == (front + text, expected)


def test_front_matter_without_an_end_is_looked_for_in_the_first_characters_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stretches, "_LONGEST_FRONT_MATTER", 100)
    text = "---\n" + "key: value\n" * 100 + "---\n"
    for size in (1, 7, 5000):
        assert joined(markdown_file_stretches(chunks(text, size))) == (text, headings_of_whole(text))


@given(TEXTS, st.integers(1, 60), st.integers(1, 60))
def test_elements_that_are_cut_lose_nothing(text: str, longest: int, chunk: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stretches, "_WINDOW", 12)
        patch.setattr(stretches, "_LONGEST", longest)
        assert joined(markdown_stretches(chunks(text, chunk)))[0] == text


@pytest.mark.parametrize(
    ("first", "last"),
    [("```python", "```"), ("~~~", "~~~"), ("<!-- a", "-->"), ("<div>", ""), ("  ````", "  ````")],
)
def test_a_long_block_of_code_or_html_stays_one(
    first: str, last: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lines are no headings, however often it is cut; what comes behind it is read as before."""
    monkeypatch.setattr(stretches, "_WINDOW", 100)
    monkeypatch.setattr(stretches, "_LONGEST", 1000)
    long = f"# One\n\n{first}\n" + "# no heading\n" * 500 + f"{last}\n\n# Two\n\nText.\n"
    text, found = joined(markdown_stretches(chunks(long, 64)))
    assert text == long
    assert [heading.title for heading in found] == ["One", "Two"]
    assert max(len(stretch.text) for stretch in markdown_stretches(chunks(long, 64))) < 1100


def test_a_long_line_or_list_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stretches, "_WINDOW", 100)
    monkeypatch.setattr(stretches, "_LONGEST", 1000)
    for long in ("word " * 2000, "- item\n" * 2000, "\r" * 9000, "[a]: /b\n" * 1000, "\n" * 5000):
        found = [*markdown_stretches(chunks(long, 64))]
        assert joined(found) == (long, [])
        assert max(len(stretch.text) for stretch in found) < 1100


def test_long_markdown_is_parsed_once_and_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A block that is longer than the window is parsed again in windows of twice the size."""
    text = "".join(f"# Part {n}\n\nSome text.\n\n" for n in range(1000)) + "```\n" + "# code\n" * 3000
    parsed: list[int] = []
    parse = markdown_it.MarkdownIt.parse

    def recorded(self: object, part: str) -> object:
        parsed.append(len(part))
        return parse(self, part)

    monkeypatch.setattr(markdown_it.MarkdownIt, "parse", recorded)
    monkeypatch.setattr(stretches, "_WINDOW", 2000)
    assert [heading.title for heading in joined(markdown_stretches(chunks(text, 500)))[1]] == [
        f"Part {n}" for n in range(1000)
    ]
    in_code = [size for size in parsed if size > 2500]
    assert sum(parsed) - sum(in_code) < 1.2 * 27_000
    assert sum(in_code) < 3 * 21_000


def test_restructured_text_has_its_levels_in_order_of_appearance() -> None:
    text = "Title\n=====\n\nPart\n----\n\ntoo short\n---\n\nOther\n=====\n"
    headings = [Heading(0, 1, "Title"), Heading(13, 2, "Part"), Heading(39, 1, "Other")]
    for size in range(1, len(text) + 1):
        assert joined(underlined_stretches(chunks(text, size))) == (text, headings)


@given(
    st.lists(st.sampled_from(["Title", "T", "=====", "---", "- -", " ===", "....", ""]), max_size=20).map(
        "\n".join
    ),
    st.integers(1, 30),
)
def test_underlined_headings_are_those_of_the_whole(text: str, chunk: int) -> None:
    assert joined(underlined_stretches(chunks(text, chunk))) == joined(underlined_stretches([text]))


def test_a_long_line_of_restructured_text_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stretches, "_LONGEST", 100)
    found = [*underlined_stretches(chunks("=" * 1000, 10))]
    assert joined(found) == ("=" * 1000, [])
    assert max(len(stretch.text) for stretch in found) < 120


def test_plain_text_has_no_headings() -> None:
    assert [*plain_stretches(["# a", "b"])] == [Stretch(0, "# a", ()), Stretch(3, "b", ())]


def test_pages_are_headings() -> None:
    pages = ["one", "", "three"]
    text, found = joined(page_stretches(pages, "\n\n"))
    assert found == [Heading(0, 1, "page 1"), Heading(5, 1, "page 2"), Heading(7, 1, "page 3")]
    assert text == "\n\n".join(pages)
