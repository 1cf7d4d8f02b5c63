"""Pieces of a text: they cover it, stand where they say, and fit the model."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minilm import MiniLM, split
from minilm.text import pieces

pytest.importorskip("semantic_text_splitter", reason="semantic-text-splitter is not installed")

# words, marks of Markdown, scripts without spaces, combining marks, an emoji of several characters
SYLLABLES = [
    "the ",
    "internationalization ",
    "\n\n",
    "# ",
    "\n- ",
    "```\n",
    "don't",
    ". ",
    "東京タワー",
    "ไทย",
]
STRANGE = ["e\u0301", "👩‍🚀", "\u200b", "\x00", "\ufffd", "[SEP]", "[MASK] ", "x" * 120, "\t", "\r\n", "\xa0"]
TEXTS = st.lists(st.sampled_from(SYLLABLES + STRANGE) | st.text(max_size=8), max_size=80).map("".join)


def uncovered_tokens(text: str, found: list[pieces.Piece], model: MiniLM) -> list[str]:
    """The tokens of a text, by the tokenizers library, of which some character is in no piece.

    U+0085 is white space, which no piece ends with, and BERT drops it from the middle of a word.
    """
    covered = {place for piece in found for place in range(piece.start, piece.end)}
    covered |= {place for place, character in enumerate(text) if character.isspace()}
    encoding = model.tokenizer.backend_of_length(None).encode(text, add_special_tokens=False)
    spans = zip(encoding.tokens, encoding.offsets, strict=True)
    return [token for token, (start, end) in spans if not covered.issuperset(range(start, end))]


@pytest.mark.parametrize("markup", ["text", "markdown"])
@given(text=TEXTS, tokens=st.integers(4, 40), overlap=st.integers(0, 8))
@settings(max_examples=100)
def test_pieces_cover_every_token_of_a_text(
    text: str, tokens: int, overlap: int, markup: Any, model: MiniLM
) -> None:
    found = split(text, model, tokens, min(overlap, tokens - 3), markup=markup)
    assert uncovered_tokens(text, found, model) == []
    assert [text[piece.start : piece.end] for piece in found] == [piece.text for piece in found]
    assert [piece.start for piece in found] == sorted(piece.start for piece in found)
    encode = model.tokenizer.backend_of_length(None).encode
    assert [piece.tokens for piece in found] == [len(encode(piece.text).ids) - 2 for piece in found]


@given(parts=st.lists(TEXTS, min_size=1, max_size=6), overlap=st.integers(0, 8))
@settings(max_examples=50)
def test_no_piece_goes_on_beyond_its_part_and_nothing_is_lost(
    parts: list[str], overlap: int, model: MiniLM
) -> None:
    text = "\n".join(parts)
    starts = [0, *accumulate(len(part) + 1 for part in parts[:-1])]
    cut = pieces.piece_cutter(model, 32, overlap)
    found = [piece for start, part in zip(starts, parts, strict=True) for piece in cut(start, part)]
    assert uncovered_tokens(text, found, model) == []
    assert [text[piece.start : piece.end] for piece in found] == [piece.text for piece in found]


@given(words=st.lists(st.text("abcxyz.,'", min_size=1, max_size=30), max_size=200))
@settings(max_examples=50)
def test_without_overlap_the_tokens_of_the_pieces_are_those_of_the_text(
    words: list[str], model: MiniLM
) -> None:
    """Words that fit in a piece stay whole, and the model reads nothing twice and nothing else."""
    encode = model.tokenizer.backend_of_length(None).encode
    text = " ".join(words)
    joined = [
        token
        for piece in split(text, model, 64)
        for token in encode(piece.text, add_special_tokens=False).ids
    ]
    assert joined == encode(text, add_special_tokens=False).ids
    assert all(piece.tokens <= 62 for piece in split(text, model, 64))


def test_a_text_longer_than_a_part_is_cut_before_a_heading(
    model: MiniLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "".join(f"# Chapter {number}\n\nIt has one sentence.\n\n" for number in range(40))
    whole = split(text, model, 16, markup="markdown")
    monkeypatch.setattr(pieces, "_PART", 300)
    assert split(text, model, 16, markup="markdown") == whole
    assert uncovered_tokens(text, whole, model) == []


def test_a_part_without_an_end_is_cut_somewhere(model: MiniLM, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "_PART", 10)
    assert "".join(piece.text for piece in split("a" * 25, model)) == "a" * 25


def test_white_space_has_no_pieces(model: MiniLM) -> None:
    assert split(" \n\t", model) == split("", model) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tokens": 257}, r"tokens must lie in 3 to 256 \(max_seq_length\) for this model, not 257"),
        ({"tokens": 2}, r"tokens must lie in 3 to 256 \(max_seq_length\) for this model, not 2"),
        ({"tokens": True}, "tokens must be a positive whole number, not True"),
        ({"overlap": 126}, "overlap must be below the 126 tokens of a piece, not 126"),
        ({"overlap": -1}, "overlap must be 0 or a positive whole number, not -1"),
        ({"markup": "html"}, "markup must be one of text, markdown, not 'html'"),
    ],
)
def test_options_that_cannot_be_are_refused(model: MiniLM, arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        split("a text", model, **arguments)


def test_what_is_no_text_and_no_model_is_refused(model: MiniLM) -> None:
    with pytest.raises(TypeError, match="text must be a str, not bytes: decode it first"):
        split(b"a text", model)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="model must be a MiniLM, a CrossEncoder or a Tokenizer, not str"):
        split("a text", "all-MiniLM-L6-v2")
    with pytest.raises(ValueError, match="text holds the lone surrogate"):
        split("\ud800", model)


def test_the_splitter_of_a_tokenizer_is_made_once(model: MiniLM, monkeypatch: pytest.MonkeyPatch) -> None:
    """It parses a copy of the tokenizer, which takes longer than a short document."""
    splitter = pytest.importorskip("semantic_text_splitter").TextSplitter
    made: list[tuple[int, int]] = []

    class Recorded:
        @staticmethod
        def from_huggingface_tokenizer(backend: Any, room: int, overlap: int) -> Any:
            made.append((room, overlap))
            return splitter.from_huggingface_tokenizer(backend, room, overlap)

    monkeypatch.setattr("semantic_text_splitter.TextSplitter", Recorded)
    for tokens in (77, 77, 78, 77):
        split("Some words.", model, tokens)
    assert made == [(75, 0), (76, 0)]  # without [CLS] and [SEP]
