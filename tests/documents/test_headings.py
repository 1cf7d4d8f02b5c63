"""The headings of documents, and the path of headings above a place."""

from __future__ import annotations

import pytest

from minilm.documents.headings import (
    Heading,
    heading_paths,
    markdown_headings,
    page_headings,
    underlined_headings,
)

pytest.importorskip("markdown_it", reason="markdown-it-py is not installed")

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
