"""Pieces of a text: they cover it, stand where they say, and fit the model."""

from __future__ import annotations

import re
from base64 import b64encode
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer as Backend
from tokenizers import models, pre_tokenizers

from minilm import MiniLM, split
from minilm.checkpoint.files import Fields
from minilm.checkpoint.tokenizer import open_tokenizer
from minilm.checkpoint.tokenizer_classes import TOKENIZER_CLASSES
from minilm.text import pieces
from minilm.tokenizer import Tokenizer

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


def recorded_windows(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A list that gets each text that a splitter cuts from now on."""
    windows: list[str] = []
    make = pieces._splitter

    class Recorded:
        def __init__(self, splitter: Any) -> None:
            self.splitter = splitter

        def chunk_indices(self, text: str) -> list[tuple[int, str]]:
            windows.append(text)
            return list(self.splitter.chunk_indices(text))

    monkeypatch.setattr(pieces, "_splitter", lambda *arguments: Recorded(make(*arguments)))
    return windows


def neighbours_tokenizer(family: str, folder: Path) -> Tokenizer:
    """A tokenizer of a few tokens: bytes for RoBERTa, letters for XLM-RoBERTa."""
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    if family == "roberta":
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        vocabulary = {token: number for number, token in enumerate([*special, *alphabet, "aa"])}
        theirs = Backend(models.BPE(vocabulary, [("a", "a")]))
        kind = "RobertaTokenizer"
    else:
        scores = [*((token, 0.0) for token in special), ("\u2581", -2.0), ("a", -3.0), ("aa", -4.0)]
        theirs = Backend(models.Unigram([*scores, ("b", -3.0), ("\u0e01", -3.0)], unk_id=3))
        kind = "XLMRobertaTokenizer"
    theirs.save(str(folder / "tokenizer.json"))
    return open_tokenizer(
        folder / "tokenizer.json",
        vocab_size=theirs.get_vocab_size(),
        max_seq_length=64,
        settings=Fields.of(folder / "tokenizer_config.json", {}),
        kind=TOKENIZER_CLASSES[kind],
    )


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


LONG_RUNS = {
    "no blank and no letter": "a." * 10_000,
    "no end of a word": "_" * 20_000,
    "Chinese": "".join(chr(0x4E00 + 7 * n % 20_000) for n in range(20_000)),
    "base64": b64encode(bytes(n * n % 251 for n in range(15_000))).decode(),
    "one sentence": "word " * 4000,
    "nested quotes": "> " * 10_000,
    "short lines around": "One. Two.\n" * 500 + "a." * 5000 + "\nThree.\n" * 500,
}


@pytest.mark.parametrize("markup", ["text", "markdown"])
@pytest.mark.parametrize("overlap", [0, 12])
@pytest.mark.parametrize("text", LONG_RUNS.values(), ids=LONG_RUNS)
def test_a_long_line_is_given_to_the_splitter_in_windows(
    text: str, overlap: int, markup: Any, model: MiniLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The splitter takes quadratic time in a line without an end that it knows, so it gets few characters."""
    given_to = recorded_windows(monkeypatch)
    found = split(text, model, 64, overlap, markup=markup)
    assert max(len(line) for window in given_to for line in window.split("\n")) <= 2 * pieces._LINE
    assert sum(map(len, given_to)) < 1.5 * len(text)
    assert uncovered_tokens(text, found, model) == []
    assert all(piece.text == text[piece.start : piece.end] and piece.tokens <= 62 for piece in found)
    assert [piece.start for piece in found] == sorted({piece.start for piece in found})
    assert [piece.end for piece in found] == sorted({piece.end for piece in found})
    repeated = [text[after.start : max(piece.end, after.start)] for piece, after in pairwise(found)]
    encode = model.tokenizer.backend_of_length(None).encode
    assert max(len(encode(part, add_special_tokens=False).ids) for part in repeated) <= overlap
    assert any(repeated) == bool(overlap)
    # base64 has few ends of words, so its pieces have 40 tokens
    assert len(found) < 2 * len(encode(text, add_special_tokens=False).ids) / (62 - overlap)


@pytest.mark.parametrize(
    "text",
    [
        "a" * 1_000_000,
        "\u0e01" * 1_000_000,
        "one" + " " * 1_000_000 + "two",
        "one" + "\n" * 1_000_000 + "two",
        "e" + "\u0301" * 1_000_000,
        "👩‍🚀" * 250_000,
    ],
    ids=["a letter", "Thai", "blanks", "line breaks", "combining marks", "emoji"],
)
def test_a_long_text_of_few_tokens_is_one_piece(
    text: str, model: MiniLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    """BERT reads a word of more than 100 characters as one token, so no piece may end in it."""
    given_to = recorded_windows(monkeypatch)
    assert [piece.text for piece in split(text, model)] == [text]
    assert sum(map(len, given_to)) < 3 * len(text)


def test_a_long_line_has_the_pieces_of_the_whole(model: MiniLM) -> None:
    """Where each piece is as long as those before it, the windows leave no trace."""
    splitter = pieces._splitter(model.tokenizer, "text", 62, 8)
    for text in ("a." * 6000, "word " * 3000, "Some words, and a sentence. " * 500, "漢字" * 6000):
        assert pieces._chunks(splitter, text, 4096) == splitter.chunk_indices(text)


def test_a_word_is_cut_only_if_it_alone_is_too_long(model: MiniLM) -> None:
    """Also where a window ends in it: half a word may have more tokens than the whole."""
    words = ["qzxj" * 8, "qzxj" * 30, "don't", "a" * 99]  # the second one is a single [UNK]
    line = " ".join(words[n * n % 4 - n % 3] for n in range(2000))
    ends = {0, *(match.end() for match in re.finditer(r"\S+", line))}
    found = split(line, model, 130)
    assert len(line) > 50_000
    assert {piece.end for piece in found} <= ends


@pytest.mark.parametrize("family", ["roberta", "xlm-roberta"])
def test_other_tokenizers_cut_long_lines_too(
    family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of BERT's neighbours have no [UNK] for a long word: it is cut into pieces of all the room."""
    tokenizer = neighbours_tokenizer(family, tmp_path)
    given_to = recorded_windows(monkeypatch)
    for text in ("a" * 30_000, "a" * 20_000 + " a" * 5000, "\u0e01" * 30_000, "a b" * 7000):
        given_to.clear()
        found = split(text, tokenizer, 34)
        covered = {place for piece in found for place in range(piece.start, piece.end)}
        assert all(place in covered or letter == " " for place, letter in enumerate(text))
        assert max(piece.tokens for piece in found) <= 32
        assert sum(map(len, given_to)) < 3 * len(text)


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
