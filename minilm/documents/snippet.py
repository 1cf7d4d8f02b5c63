"""A short part of a piece, with the words marked that say most about its score."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from minilm.explanation import Explanation
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


def snippets_of(query: str, texts: Sequence[str], model: MiniLM) -> list[Snippet]:
    """Return the part of each text around the words with the largest shares in its score for a query.

    The shares are those of :meth:`minilm.MiniLM.explain`, an exact sum. All texts are encoded at once: one by
    one, ten pieces would take three times as long. A checkpoint with a Dense module has no shares: its
    snippets are the beginnings of the texts, without marks.
    """
    if not texts or model.head.dense:
        return [_snippet(text, ()) for text in texts]
    pipeline = model.pipeline
    tokenized, spans = pipeline.tokenize_with_spans([query, *texts], pipeline.prompt_text())
    tokens = model.token_embeddings(tokenized.input_ids)
    explanations = [
        model.head.explain([spans[0], own], [tokens[0], vectors])
        for own, vectors in zip(spans[1:], tokens[1:], strict=True)
    ]
    return [_snippet(text, _telling(text, found)) for text, found in zip(texts, explanations, strict=True)]


def _telling(text: str, explanation: Explanation) -> list[Word]:
    """Return the words with the largest shares, the best first."""
    _, shares = explanation.word_shares()
    words = explanation.b.words
    spoken = [i for i, word in enumerate(words) if any(map(str.isalnum, text[word.start : word.end]))]
    best = sorted(spoken, key=lambda i: -shares[i])[:_MARKS]
    least = _LEAST_SHARE * max((shares[i] for i in best), default=np.inf)
    return [words[i] for i in best if shares[i] > 0 and shares[i] >= least]


def _snippet(text: str, telling: Sequence[Word]) -> Snippet:
    line = _one_line(text)
    words = [Mark(len(_one_line(text[: word.start])), len(_one_line(text[: word.end]))) for word in telling]
    start, end = _window(line, words)
    inside = sorted((first, last) for first, last in words if start <= first and last <= end)
    return Snippet(line[start:end], tuple(Mark(first - start, last - start) for first, last in inside))


def _window(text: str, telling: Sequence[Mark]) -> tuple[int, int]:
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
    """Return a text without line breaks, with one blank for several."""
    return re.sub(r"\s+", " ", text)
