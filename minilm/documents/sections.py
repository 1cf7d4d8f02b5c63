"""The sections of a document, and where in it its pieces stand: their lines and the headings above them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from minilm.documents.stretches import Heading, Stretch
from minilm.text.pieces import Piece, end_of_part


def sections(stretches: Iterable[Stretch], *, at_headings: bool = True) -> Iterator[Stretch]:
    """Yield a document anew, in stretches that end where a section does. A long section is several.

    A section begins at each heading but for those right below another one: what is above such a heading would
    be a section of no more than a title.
    """
    text, start, headings = "", 0, list[Heading]()
    for begins, stretch in _cut_at_sections(stretches):
        if begins and at_headings:
            yield Stretch(start, text, headings)
            text, start, headings = "", stretch.start, []
        text += stretch.text
        headings += stretch.headings
        while (end := end_of_part(text)) < len(text):
            yield Stretch(start, text[:end], [heading for heading in headings if heading.start < start + end])
            text, start = text[end:], start + end
            headings = [heading for heading in headings if heading.start >= start]
    yield Stretch(start, text, headings)


def _cut_at_sections(stretches: Iterable[Stretch]) -> Iterator[tuple[bool, Stretch]]:
    """Yield the stretches cut where sections begin, and of each stretch whether one begins there."""
    title, has_words = "", False  # of the last heading, and whether there is anything but its title
    begins = False
    for stretch in stretches:
        at, inside = 0, list[Heading]()
        last = 0  # where the last heading stands
        for heading in stretch.headings:
            place = heading.start - stretch.start
            if has_words or _has_words(stretch.text[last:place], title):
                yield begins, Stretch(stretch.start + at, stretch.text[at:place], inside)
                begins, at, inside = True, place, []
            inside.append(heading)
            last, title, has_words = place, heading.title, False
        yield begins, Stretch(stretch.start + at, stretch.text[at:], inside)
        begins = False
        has_words = has_words or _has_words(stretch.text[last:], title)
        title = ""  # which no stretch cuts


def _has_words(text: str, title: str) -> bool:
    """Return whether there is anything but a title, which stands in several lines of some texts."""
    if title in text:
        rest = text.replace(title, "", 1)
    else:
        rest = re.sub(re.escape(title).replace(r"\ ", r"\s+"), "", text, count=1)
    return any(character.isalnum() for character in rest)


class PiecePlace(NamedTuple):
    """Where a piece stands: its first and last line, from 1, and the path of the headings above it."""

    line: int
    end_line: int
    heading: str


class PiecePlaces:
    """Where the pieces of a document stand. It goes through the document once: ask in order.

    The path of headings looks like ``Guide > Options``.
    """

    def __init__(self) -> None:
        self._line = 1  # of the character where counting stands
        self._text, self._start, self._counted = "", 0, 0
        self._is_after_return = False
        self._coming: list[Heading] = []  # the last one comes first
        self._open: list[Heading] = []

    def enter(self, stretch: Stretch) -> None:
        """Go on to the next stretch: what is asked from now on begins in it."""
        self._count_to(self._start + len(self._text))
        if self._is_after_return and stretch.text.startswith("\n"):
            self._line -= 1  # the two are one line break
        if stretch.text:
            self._is_after_return = stretch.text.endswith("\r")
        self._text, self._start, self._counted = stretch.text, stretch.start, stretch.start
        self._coming[:0] = reversed(stretch.headings)

    def of(self, piece: Piece) -> PiecePlace:
        """Return where a piece stands that begins no earlier than the last one."""
        self._count_to(piece.start)
        while self._coming and self._coming[-1].start <= piece.start:
            new = self._coming.pop()
            self._open = [*(above for above in self._open if above.level < new.level), new]
        end_line = self._line + self._line_breaks(piece.start, piece.end - 1)
        return PiecePlace(self._line, end_line, " > ".join(heading.title for heading in self._open))

    def _count_to(self, place: int) -> None:
        self._line += self._line_breaks(self._counted, place)
        self._counted = place

    def _line_breaks(self, start: int, end: int) -> int:
        """Return how many lines end between two places of the stretch, neither of which is inside a break."""
        marks = (("\n", 1), ("\r", 1), ("\r\n", -1))
        first, last = start - self._start, end - self._start
        return sum(sign * self._text.count(mark, first, last) for mark, sign in marks)
