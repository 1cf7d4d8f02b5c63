"""The headings of documents, and the path of headings above a place."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilm.documents import headings
from minilm.documents.headings import (
    Heading,
    heading_paths,
    markdown_headings,
    page_headings,
    section_starts,
    underlined_headings,
)

markdown_it = pytest.importorskip("markdown_it", reason="markdown-it-py is not installed")

MARKDOWN = (
    "Intro\n\n# Guide\r\n\r\n## Options *all*\n\n"
    "```\n# a comment\n```\n\nLast\n====\n\n\x0b\u2028## Not one\n\n### Deep"
)


def test_markdown_headings_stand_where_commonmark_has_them() -> None:
    """A # in a block of code is no heading, a line under a title makes one, and U+2028 ends no line."""
    found = markdown_headings(MARKDOWN)
    assert [(h.level, h.title) for h in found] == [
        (1, "Guide"),
        (2, "Options *all*"),
        (1, "Last"),
        (3, "Deep"),
    ]
    assert [MARKDOWN[h.start :][:6] for h in found] == ["# Guid", "## Opt", "Last\n=", "### De"]


def test_a_section_begins_at_a_heading_unless_another_one_stands_right_above() -> None:
    text = "# Guide\n\n## *Options*\n\nOne.\n\n### `a`\n\n### b\nTwo.\n\nLast\n====\n"
    starts = section_starts(text, markdown_headings(text))
    assert [text[start:][:7] for start in starts] == ["### `a`", "Last\n=="]
    text = "Before.\n\n" + text
    starts = section_starts(text, markdown_headings(text))
    assert [text[start:][:7] for start in starts] == ["# Guide", "### `a`", "Last\n=="]
    assert [*section_starts("No heading.", [])] == []


LINES = (
    "# A heading|Under|===|---|```|~~~ x|- a|  more|    code|1. b|> quoted|> # inside|- # in a list|<div>|"
)
LINES += "<!--|-->|[a]: /url|'title|of it'|\t|text *with* `marks`|### Deep ###|lazy|\u2028|***|"
ENDS = ["\n", "\n\n", "\r\n", "\r"]


def headings_of_whole(text: str) -> list[Heading]:
    """The reference: everything parsed at once, with what is in the lines."""
    starts = [0, *(match.end() for match in re.finditer(r"\r\n|\r|\n", text))]
    return [
        Heading(starts[opening.map[0]], int(opening.tag[1:]), content.content)
        for opening, content in pairwise(markdown_it.MarkdownIt().parse(text))
        if opening.type == "heading_open"
    ]


@given(
    st.lists(
        st.tuples(st.sampled_from(LINES.split("|")), st.sampled_from(ENDS)).map("".join), max_size=30
    ).map("".join),
    st.integers(1, 60),
)
def test_windows_give_the_headings_of_the_whole(text: str, window: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(headings, "_WINDOW", window)
        assert markdown_headings(text) == headings_of_whole(text)


def test_long_markdown_is_parsed_once_and_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A block that is longer than the window is parsed again in windows of twice the size."""
    text = "".join(f"# Part {n}\n\nSome text.\n\n" for n in range(1000)) + "```\n" + "# code\n" * 3000
    parsed: list[int] = []
    parse = markdown_it.MarkdownIt.parse

    def recorded(self: object, part: str) -> object:
        parsed.append(len(part))
        return parse(self, part)

    monkeypatch.setattr(markdown_it.MarkdownIt, "parse", recorded)
    monkeypatch.setattr(headings, "_WINDOW", 2000)
    assert [heading.title for heading in markdown_headings(text)] == [f"Part {n}" for n in range(1000)]
    in_code = [size for size in parsed if size > 2000]
    assert sum(parsed) - sum(in_code) < 1.2 * 27_000
    assert sum(in_code) < 3 * 21_000


def test_restructured_text_has_its_levels_in_order_of_appearance() -> None:
    text = "Title\n=====\n\nPart\n----\n\ntoo short\n---\n\nOther\n=====\n"
    assert underlined_headings(text) == [
        Heading(0, 1, "Title"),
        Heading(13, 2, "Part"),
        Heading(39, 1, "Other"),
    ]


def test_pages_are_headings() -> None:
    pages = ["one", "", "three"]
    found = page_headings(pages, "\n\n")
    assert found == [Heading(0, 1, "page 1"), Heading(5, 1, "page 2"), Heading(7, 1, "page 3")]
    assert "\n\n".join(pages)[7:] == "three"


def test_a_path_has_the_open_headings() -> None:
    headings = [Heading(5, 1, "A"), Heading(10, 3, "B"), Heading(20, 2, "C"), Heading(30, 1, "D")]
    paths = list(heading_paths(headings, [0, 5, 12, 20, 25, 40]))
    assert paths == ["", "A", "A > B", "A > C", "A > C", "D"]
