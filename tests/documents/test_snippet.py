"""Snippets: the words that say most about a score, in the part of a text around them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minilm import MiniLM
from minilm.documents.snippet import snippets_of
from tests.counting import Work

FILLER = "The minutes of the last meeting were read and approved by all who were there. " * 4
TEXT = FILLER + "Passwords are reset\nat the front desk. " + FILLER


def test_the_word_with_the_largest_share_is_marked(model: MiniLM) -> None:
    """The shares are those of the exact explanation."""
    explanation = model.explain("reset my password", TEXT)
    shares = explanation.word_shares()[1]
    words = [TEXT[word.start : word.end] for word in explanation.b.words]
    best = max((share, word) for share, word in zip(shares, words, strict=True) if word.isalnum())[1]
    [snippet] = snippets_of("reset my password", [TEXT], model)
    marked = [snippet.text[mark.start : mark.end] for mark in snippet.marks]
    assert best in marked
    assert "Passwords are reset at the front desk." in snippet.text
    assert len(snippet.text) <= 200


def test_a_short_text_is_its_own_snippet(model: MiniLM) -> None:
    [snippet] = snippets_of("desk", ["A\ndesk."], model)
    assert snippet.text == "A desk."
    assert "desk" in [snippet.text[mark.start : mark.end] for mark in snippet.marks]


def test_many_blanks_take_no_room_of_a_snippet(model: MiniLM) -> None:
    [snippet] = snippets_of("reset my password", [TEXT], model)
    blanks = re.sub(r"\s", " \n\t " * 50, TEXT)
    assert snippets_of("reset my password", [blanks], model) == [snippet]


def test_all_pieces_are_encoded_at_once(model: MiniLM, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = [snippets_of("desk", [text], model)[0] for text in (TEXT, "A desk.", "No word of it.")]
    work = Work(model, monkeypatch)
    assert snippets_of("desk", [TEXT, "A desk.", "No word of it."], model) == alone
    assert (work.runs, len(work.encoded)) == (1, 4)  # the query, and a piece each
    assert snippets_of("desk", [], model) == []
    assert work.runs == 1


@given(text=st.text("ab \n.é東", min_size=1, max_size=500))
@settings(max_examples=30)
def test_a_snippet_is_a_part_of_the_text_and_marks_whole_words(text: str, model: MiniLM) -> None:
    [snippet] = snippets_of("ab", [text], model)
    assert snippet.text in re.sub(r"\s+", " ", text)
    places = [place for mark in snippet.marks for place in mark]
    assert places == sorted(places)
    assert all(snippet.text[mark.start : mark.end].strip() for mark in snippet.marks)
