"""Sections and places in a document that comes in stretches: the same as of the whole text."""

from __future__ import annotations

import gc
import io
import re
import tracemalloc
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import pairwise
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilm.documents import content, html, stretches
from minilm.documents.content import Content
from minilm.documents.readers import READERS_BY_SUFFIX
from minilm.documents.sections import PiecePlace, PiecePlaces, sections
from minilm.documents.stretches import Heading, Stretch
from minilm.text import pieces
from minilm.text.pieces import Piece


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, list[Heading], list[int]]:
    """Draw a text, headings with titles of it, and the places where its stretches end, outside titles."""
    text = draw(st.text("ab \n\r#", max_size=60))
    starts = sorted(draw(st.sets(st.integers(0, max(len(text) - 1, 0)), max_size=8))) if text else []
    headings = [
        Heading(start, draw(st.integers(1, 3)), text[start : start + draw(st.integers(0, 3))])
        for start in starts
    ]
    ends = sorted(draw(st.lists(st.integers(0, len(text)), max_size=6)))
    cut_titles = {end for h in headings for end in ends if h.start < end < h.start + len(h.title)}
    return text, headings, [*(end for end in ends if end not in cut_titles), len(text)]


def stretches_of(text: str, headings: list[Heading], ends: list[int]) -> Iterator[Stretch]:
    start = 0
    for end in ends:
        yield Stretch(start, text[start:end], [h for h in headings if start <= h.start < end])
        start = end


def starts_of_whole(text: str, headings: list[Heading]) -> Iterator[int]:
    """The reference: a heading begins a section if there is a word between it and the title above it."""
    start, title = 0, ""
    for heading in headings:
        if re.search(r"[a-z]", text[start : heading.start].replace(title, "", 1)):
            yield heading.start
        start, title = heading.start, heading.title


def parts_of(text: str) -> Iterator[str]:
    start = 0
    while start < len(text):
        end = pieces.end_of_part(text, start)
        yield text[start:end]
        start = end


@pytest.mark.parametrize("at_headings", [True, False])
@given(documents(), st.integers(2, 20))
def test_sections_end_where_those_of_the_whole_do(
    at_headings: bool, document: tuple[str, list[Heading], list[int]], longest: int
) -> None:
    text, headings, ends = document
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "_PART", longest)
        found = [*sections(stretches_of(text, headings, ends), at_headings=at_headings)]
        starts = [0, *(starts_of_whole(text, headings) if at_headings else ()), len(text)]
        expected = [part for first, last in pairwise(starts) for part in parts_of(text[first:last])]
    assert [stretch.text for stretch in found if stretch.text] == expected
    assert [heading for stretch in found for heading in stretch.headings] == headings
    for stretch in found:
        assert text[stretch.start :].startswith(stretch.text)
        assert all(0 <= h.start - stretch.start < len(stretch.text) for h in stretch.headings)


def test_a_section_begins_at_a_heading_unless_another_one_stands_right_above() -> None:
    text = "Before.\n# Guide\n\n## *Options*\nOne.\n### `a`\n\n### b\nTwo.\n"
    headings = [
        Heading(text.index(line), line.count("#"), line.lstrip("# "))
        for line in ("# Guide", "## *Options*", "### `a`", "### b")
    ]
    found = sections(stretches_of(text, headings, [8, 17, len(text)]))
    assert [stretch.text for stretch in found] == [
        "Before.\n",
        "# Guide\n\n## *Options*\nOne.\n",
        "### `a`\n\n### b\nTwo.\n",
    ]


def test_a_title_of_several_lines_is_no_text_of_its_section() -> None:
    pytest.importorskip("markdown_it", reason="markdown-it-py is not installed")
    text = "A title\n of two lines\n===\n\n## Below\nText.\n"
    found = [*sections(stretches.markdown_stretches([text]))]
    assert [stretch.text for stretch in found] == [text]
    assert [heading.title for heading in found[0].headings] == ["A title of two lines", "Below"]


@given(documents(), st.integers(1, 5))
def test_places_are_those_of_the_whole(document: tuple[str, list[Heading], list[int]], step: int) -> None:
    """Lines are counted as Python's universal newlines count them."""
    text, headings, ends = document
    places = PiecePlaces()
    for stretch in stretches_of(text, headings, ends):
        places.enter(stretch)
        end = stretch.start + len(stretch.text)
        for start in range(stretch.start, end, step):
            inside_break = text[max(start - 1, 0) : start + 1] == "\r\n" or text[start] == "\n"
            if inside_break:
                continue
            found = places.of(Piece(start, start + 1, text[start], 1))
            line = len(re.findall(r"\r\n|\r|\n", text[:start])) + 1
            path: list[Heading] = []
            for heading in headings:
                if heading.start <= start:
                    path = [*(above for above in path if above.level < heading.level), heading]
            assert found == PiecePlace(line, line, " > ".join(heading.title for heading in path))


def test_front_matter_has_its_lines_and_no_section_has_it_as_a_heading() -> None:
    pytest.importorskip("markdown_it", reason="markdown-it-py is not installed")
    text = "---\ntitle: My page\n---\n\n# One\n\nText.\n"
    places, found = PiecePlaces(), list[tuple[str, PiecePlace]]()
    for stretch in sections(stretches.markdown_file_stretches([text])):
        places.enter(stretch)
        stripped = stretch.text.strip()
        piece = Piece(stretch.start, stretch.start + len(stripped), stripped, 1)
        found.append((stripped, places.of(piece)))
    assert found == [
        ("---\ntitle: My page\n---", PiecePlace(1, 3, "")),
        ("# One\n\nText.", PiecePlace(5, 7, "One")),
    ]


def test_a_piece_has_the_line_where_it_ends_and_the_open_headings() -> None:
    headings = [Heading(0, 1, "A"), Heading(4, 3, "B"), Heading(8, 2, "C")]
    places = PiecePlaces()
    places.enter(Stretch(0, "# A\n# B\n# C\n", headings))
    assert places.of(Piece(0, 7, "# A\n# B", 4)) == PiecePlace(1, 2, "A")
    assert places.of(Piece(4, 7, "# B", 2)) == PiecePlace(2, 2, "A > B")
    places.enter(Stretch(12, "text", []))
    assert places.of(Piece(12, 16, "text", 1)) == PiecePlace(4, 4, "A > C")


@pytest.mark.parametrize(
    ("suffix", "section"),
    [
        (".txt", "{0} words of text.\n\n"),
        (".md", "## Part {0}\n\n- words of text.\n\n"),
        (".rst", "Part {0}\n============\n\nWords of text.\n\n"),
        (".html", "<h2>Part {0}</h2><p>Words of text.</p>\n"),
    ],
)
def test_memory_does_not_grow_with_the_document(
    suffix: str, section: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A document of 12 windows takes little more than one of 4."""
    pytest.importorskip("lxml", reason="lxml is not installed")
    pytest.importorskip("markdownify", reason="markdownify is not installed")
    pytest.importorskip("markdown_it", reason="markdown-it-py is not installed")
    for module, name in ((content, "CHUNK"), (html, "_PART"), (stretches, "_WINDOW"), (pieces, "_PART")):
        monkeypatch.setattr(module, name, 1 << 12)
    parts_of_html = html._parts

    def parts_without_garbage(texts: Iterable[str], etree: ModuleType) -> Iterator[str]:
        for part in parts_of_html(texts, etree):
            gc.collect()  # the tree of a part is a circle, and goes at a time of the collector's choice
            yield part

    monkeypatch.setattr(html, "_parts", parts_without_garbage)

    def peak(windows: int) -> int:
        data = "".join(section.format(number) for number in range(10_000)).encode()[: windows << 12]
        tracemalloc.start()
        with ExitStack() as resources:
            document = READERS_BY_SUFFIX[suffix](Content(io.BytesIO(data), resources))  # type: ignore[arg-type]
            for _ in sections(document.stretches):
                pass
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(4)  # what is imported and compiled at first
    # the traced memory of one window differs by what Python's own objects weigh
    assert peak(12) < 1.5 * peak(4)
