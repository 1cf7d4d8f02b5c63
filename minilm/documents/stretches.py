"""A document in stretches that come one by one, each with the headings that stand in it.

A document may be longer than memory, so no function here holds the whole. A stretch ends where the next one
can be read without it: the headings are those of a document that is read at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, pairwise
from typing import Any, NamedTuple

from minilm.errors import import_extra

# A title and a line of one punctuation mark under it, which is the heading of reStructuredText.
_UNDERLINED = re.compile(r"^(\S.*)\n(([=\-~^\"'`#*+.:_])\3{2,})[ \t]*$", re.MULTILINE)
# CommonMark ends lines at these three only, and str.splitlines at more.
_LINE_END = re.compile(r"\r\n|\r|\n")

_LINE_BREAK_IN_TITLE = re.compile(r"[ \t]*[\r\n]+[ \t]*")

# What static site generators read before a page of Markdown: YAML between lines of --- or TOML between +++.
# CommonMark knows neither, and makes a heading of YAML. A line of it has a key, or belongs to one above.
_END = r"(?:\r\n|\r(?!\n)|\n)"
_KEY = r"""(?:[\w.$@/-]+(?:[ ][\w.$@/-]+){0,3}|"[^"\r\n]*"|'[^'\r\n]*')[ \t]*"""
_YAML_LINE = rf"(?:{_KEY}:(?=[ \t\r\n])|-?[ \t]|[#\]}}]|(?=[\r\n]))[^\r\n]*{_END}"
_FRONT_MATTER = re.compile(
    rf"---[ \t]*{_END}(?:#[^\r\n]*{_END})*(?={_KEY}:)(?:{_YAML_LINE})+?(?:---|\.\.\.)[ \t]*(?:{_END}|\Z)"
    rf"|\+\+\+[ \t]*{_END}(?:[ \t]*(?:#[^\r\n]*)?{_END})*(?={_KEY}=|\[)"
    rf"(?:[^\r\n]*{_END})+?\+\+\+[ \t]*(?:{_END}|\Z)"
)
# Characters of the longest front matter: so much of a file that begins like one is read at once.
_LONGEST_FRONT_MATTER = 1 << 16

# Characters that are parsed at a time, for a parser's memory is many times the size of its text.
_WINDOW = 1 << 20
# Characters of an element without an end, such as a list: a longer one is read as several.
_LONGEST = 1 << 22


class Heading(NamedTuple):
    """A heading: the place of its first character in the document, its level from 1, and its text."""

    start: int
    level: int
    title: str


class Stretch(NamedTuple):
    """A stretch of a document: its place, its text, and the headings that begin in it."""

    start: int
    text: str
    headings: Sequence[Heading] = ()


def plain_stretches(texts: Iterable[str]) -> Iterator[Stretch]:
    """Yield the stretches of a text that has no headings."""
    start = 0
    for text in texts:
        yield Stretch(start, text)
        start += len(text)


def markdown_file_stretches(texts: Iterable[str]) -> Iterator[Stretch]:
    """Yield the stretches of a file of Markdown: its front matter, if any, is one without a heading."""
    rest, held = iter(texts), ""
    for text in rest:
        held += text
        may_begin = held.startswith(("---", "+++")) or len(held) < len("---")
        if not may_begin or len(held) >= _LONGEST_FRONT_MATTER:
            break
    front_matter = _FRONT_MATTER.match(held, 0, _LONGEST_FRONT_MATTER)
    first = front_matter.end() if front_matter else 0
    if first:
        yield Stretch(0, held[:first])
    # an empty text would be the last one
    for start, text, headings in markdown_stretches(chain(filter(None, [held[first:]]), rest)):
        moved = [heading._replace(start=heading.start + first) for heading in headings]
        yield Stretch(start + first, text, moved)


def markdown_stretches(texts: Iterable[str]) -> Iterator[Stretch]:
    """Yield the stretches of Markdown, with its headings as CommonMark has them: in a block of code is none.

    What is read so far may cut its last element. So a stretch ends where that element begins: one that began
    outside all others depends on nothing above it. An element that is too long is cut; the rest of a block of
    code or HTML is read behind its first line again, so that it stays what it is.
    """
    markdown_it = import_extra("markdown_it", feature="an index of Markdown", extra="index")
    parser = markdown_it.MarkdownIt().disable("inline")  # what is in a line makes no heading
    held, start, size = "", 0, _WINDOW
    first_line = ""  # of a cut element: held begins with it, and it is no part of the next stretch
    for text in chain(texts, [""]):
        held += text
        if len(held) < size and text:
            continue
        lines = held[: _end_of_lines(held)] if text else held
        elements = parser.parse(lines)
        starts = [0, *(match.end() for match in _LINE_END.finditer(held))]
        last = next((token for token in reversed(elements) if token.map and not token.level), None)
        end = len(held) if not text else starts[last.map[0]] if last else 0
        next_line = ""
        if end <= len(first_line) and text:
            if len(held) < _LONGEST:
                size = min(2 * len(held), _LONGEST)
                continue
            end = len(lines or held)
            if last and last.type in ("fence", "html_block") and starts[1] <= _WINDOW:
                next_line = lines[: starts[1]]
        headings = _markdown_headings(elements, starts, end, start - len(first_line))
        yield Stretch(start, held[len(first_line) : end], headings)
        start += end - len(first_line)
        held, first_line, size = next_line + held[end:], next_line, len(next_line) + _WINDOW


def _end_of_lines(text: str) -> int:
    """Return where the last whole line ends; what ends in a carriage return may go on with a line feed."""
    return max(text.rfind("\n"), text.rfind("\r", 0, -1)) + 1


def _markdown_headings(elements: Sequence[Any], starts: Sequence[int], end: int, first: int) -> list[Heading]:
    """Return the headings before an end, of elements whose lines start at some places behind a first one."""
    return [
        Heading(
            first + starts[opening.map[0]],
            int(opening.tag[1:]),
            _LINE_BREAK_IN_TITLE.sub(" ", content.content),
        )
        for opening, content in pairwise(elements)
        if opening.type == "heading_open" and starts[opening.map[0]] < end
    ]


def underlined_stretches(texts: Iterable[str]) -> Iterator[Stretch]:
    """Yield the stretches of reStructuredText; a mark's level is its place in the order of appearance.

    The last two lines of what is read so far may be half a heading, so they begin the next stretch.
    """
    held, start = "", 0
    levels: dict[str, int] = {}
    for text in chain(texts, [""]):
        held += text
        last_line = held.rfind("\n") + 1
        end = held.rfind("\n", 0, max(last_line - 1, 0)) + 1
        if not text or (not end and len(held) > _LONGEST):
            end = len(held)
        matches = [match for match in _UNDERLINED.finditer(held) if match.start() < end]
        end = max(end, matches[-1].end() if matches else 0)
        headings = [
            Heading(start + match.start(), levels.setdefault(match[3], len(levels) + 1), match[1].strip())
            for match in matches
            if len(match[2]) >= len(match[1].strip())
        ]
        yield Stretch(start, held[:end], headings)
        start, held = start + end, held[end:]


def page_stretches(pages: Sequence[str], separator: str) -> Iterator[Stretch]:
    """Yield a stretch with a heading per page of a text that joins them by a separator."""
    start = 0
    for number, page in enumerate(pages, 1):
        text = page + separator if number < len(pages) else page
        yield Stretch(start, text, [Heading(start, 1, f"page {number}")])
        start += len(text)
