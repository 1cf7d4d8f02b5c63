"""Where the headings of a document stand, so that a piece can say which section it is from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

from minilm.errors import import_extra

# A title and a line of one punctuation mark under it, which is the heading of reStructuredText.
_UNDERLINED = re.compile(r"^(\S.*)\n(([=\-~^\"'`#*+.:_])\3{2,})[ \t]*$", re.MULTILINE)


# Characters that are parsed at a time.
_WINDOW = 1 << 20


class Heading(NamedTuple):
    """A heading: the place of its first character, its level from 1, and its text."""

    start: int
    level: int
    title: str


def markdown_headings(text: str) -> list[Heading]:
    """Return the headings of Markdown, as CommonMark has them; one in a block of code is none.

    A long text is parsed in windows, for a parser's memory is many times the size of its text. A window may
    cut its last block, so the next one begins where that block does. A block that began outside all others
    depends on nothing above it.
    """
    markdown_it = import_extra("markdown_it", feature="an index of Markdown", extra="index")
    parser = markdown_it.MarkdownIt().disable("inline")  # what is in a line makes no heading
    found, start, size = list[Heading](), 0, _WINDOW
    while start < len(text):
        is_last = len(text) - start <= size
        part = text[start:] if is_last else text[start : text.rfind("\n", start, start + size) + 1]
        tokens = parser.parse(part)
        # CommonMark ends lines at these three only, and str.splitlines at more
        starts = [start, *(start + match.end() for match in re.finditer(r"\r\n|\r|\n", part))]
        blocks = (starts[token.map[0]] for token in reversed(tokens) if token.map and not token.level)
        end = len(text) if is_last else next(blocks, start)
        found += (
            Heading(starts[opening.map[0]], int(opening.tag[1:]), content.content)
            for opening, content in pairwise(tokens)
            if opening.type == "heading_open" and starts[opening.map[0]] < end
        )
        size = _WINDOW if end > start else 2 * size  # of a block that is longer than the window
        start = end
    return found


def underlined_headings(text: str) -> list[Heading]:
    """Return the headings of reStructuredText; a mark's level is its place in the order of appearance."""
    levels: dict[str, int] = {}
    return [
        Heading(match.start(), levels.setdefault(match[3], len(levels) + 1), match[1].strip())
        for match in _UNDERLINED.finditer(text)
        if len(match[2]) >= len(match[1].strip())
    ]


def page_headings(pages: Sequence[str], separator: str) -> list[Heading]:
    """Return a heading per page of a text that joins them by a separator."""
    starts = accumulate((len(page) + len(separator) for page in pages), initial=0)
    return [Heading(start, 1, f"page {number}") for number, start in enumerate(starts, 1)][: len(pages)]


def section_starts(text: str, headings: Iterable[Heading]) -> Iterator[int]:
    """Yield the places where sections begin, but for those right below another heading.

    What is above such a heading would be a section of no more than a title.
    """
    start, title = 0, ""
    for heading in headings:
        above = text[start : heading.start].replace(title, "", 1)
        if any(character.isalnum() for character in above):
            yield heading.start
        start, title = heading.start, heading.title


def heading_paths(headings: Sequence[Heading], starts: Iterable[int]) -> Iterator[str]:
    """Yield the path of headings, such as ``Guide > Options``, above each of some places in order."""
    open_headings, following = list[Heading](), 0
    for start in starts:
        while following < len(headings) and headings[following].start <= start:
            new = headings[following]
            open_headings = [*(above for above in open_headings if above.level < new.level), new]
            following += 1
        yield " > ".join(heading.title for heading in open_headings)
