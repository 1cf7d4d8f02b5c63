"""A short part of a piece, with the words marked that say most about its score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from minilm.model import MiniLM
from minilm.text.spans import Word

_CHARACTERS = 200
_MARKS = 3
# A word says something if it has so much of what the best word has.
_LEAST_SHARE = 0.3


class Mark(NamedTuple):
    """A telling word of a snippet: ``text[start:end]``."""

    start: int
    end: int


class Snippet(NamedTuple):
    """A part of a piece in one line, and its most telling words in the order of the text."""

    text: str
    marks: tuple[Mark, ...]


def snippet_of(query: str, text: str, model: MiniLM) -> Snippet:
    """Return the part of a text around the words with the largest shares in its score for a query.

    The shares are those of :meth:`minilm.MiniLM.explain`, an exact sum. A checkpoint with a Dense module has
    none: its snippets are the beginnings of the texts, without marks.
    """
    telling: Sequence[Word] = ()
    if not model.head.dense:
        explanation = model.explain(query, text)
        _, shares = explanation.word_shares()
        words = explanation.b.words
        spoken = [i for i, word in enumerate(words) if any(map(str.isalnum, text[word.start : word.end]))]
        best = sorted(spoken, key=lambda i: -shares[i])[:_MARKS]
        least = _LEAST_SHARE * max((shares[i] for i in best), default=np.inf)
        telling = [words[i] for i in best if shares[i] > 0 and shares[i] >= least]
    start, end = _window(text, telling)
    inside = sorted((word.start, word.end) for word in telling if start <= word.start and word.end <= end)
    snippet, marks, done = "", [], start
    for first, last in inside:
        snippet += _one_line(text[done:first])
        marks.append(Mark(len(snippet), len(snippet) + last - first))
        snippet += text[first:last]
        done = last
    return Snippet(snippet + _one_line(text[done:end]), tuple(marks))


def _window(text: str, telling: Sequence[Word]) -> tuple[int, int]:
    """Return the characters of a snippet: whole words, with the most telling one in the first half."""
    if len(text) <= _CHARACTERS:
        return 0, len(text)
    first = telling[0].start if telling else 0
    start = max(0, min(first - _CHARACTERS // 3, len(text) - _CHARACTERS))
    if start:
        start = max(text.find(" ", start, first) + 1, start) if " " in text[start:first] else first
    end = min(start + _CHARACTERS, len(text))
    if end < len(text) and " " in text[start + 1 : end]:
        end = text.rfind(" ", start, end)
    return start, end


def _one_line(text: str) -> str:
    """Return a text without line breaks, of the same length."""
    return "".join(" " if character.isspace() else character for character in text)
