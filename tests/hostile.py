"""Difficult texts: a strategy for hypothesis, and a faster generator from a seed."""

from __future__ import annotations

import os
import sys
import unicodedata
from collections.abc import Sequence
from random import Random

import numpy as np
from hypothesis import strategies as st
from tokenizers import Tokenizer as Library

from minilm import CrossEncoder, MiniLM
from minilm.tokenizer import Tokenizer

# The number of texts per test of volume. The default is for CI; long runs set more.
CASES = int(os.environ.get("MINILM_CASES", "20000"))

MARKS = "\u0301\u0308\u0323\u0338\u064b\u05b7\u0f39\u302a\u20dd\ufe0f\U0001d165\U000e0100"
BIDI = "\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
SPACES = " \t\n\r\x0b\x0c\x1c\x85\xa0\u1680\u2003\u2028\u2029\u202f\u3000\u200b\ufeff"
CONTROLS = "\0\x01\x1b\x7f\x9f\xad\ufffd\ufffe\uffff\u2060\U000e0041\U0010ffff"
# letters that lower-casing, decomposition or their neighbours change to several, none, or others
CHANGING = (
    "\u0130\u0131\xdf\u1e9e\u03a3\u03c2\ufb03\u01c6\u0149\ufdfa\uac00\u1100\u1161\u2126\u212b\u037e\u1fef"
)
CHINESE = "\u4e00\u9fa5\u9fff\u3400\U00020000\U0002b8a0\uf900\U0002f800\u3001\u3002\uff0c"
WORDS = [
    "a",
    "the",
    "unaffable",
    "Antidisestablishmentarianism",
    "na\xefve",
    "3.14",
    "##ing",
    "\U0001f600",
    "\u0645",
]
SPECIAL = ["[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]", "[cls]", "[SEP", "[ SEP]", "[[MASK]]"]


def _by_category() -> dict[str, list[str]]:
    kinds: dict[str, list[str]] = {}
    for point in range(sys.maxunicode + 1):
        kinds.setdefault(unicodedata.category(chr(point)), []).append(chr(point))
    del kinds["Cs"]
    return kinds


class HostileTexts:
    """Texts without lone surrogates, from a seed. Most are short, some have thousands of characters."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def text(self) -> str:
        """The next text."""
        random = self._random
        pools = random.sample(POOLS, random.randint(1, 4))
        count = random.choice((0, 1, 2, 3, 5, 8, 13, 21, 40))
        text = "".join(random.choice(random.choice(pools)) for _ in range(count))
        if random.random() < 0.05:  # one piece, repeated very often
            text = text[:8] * random.randint(2, 400) + text
        return text

    def texts(self, count: int) -> list[str]:
        """The next texts."""
        return [self.text() for _ in range(count)]


POOLS: list[list[str]] = [
    *_by_category().values(),
    [*MARKS],
    [*BIDI],
    [*SPACES],
    [*CONTROLS],
    [*CHANGING],
    [*CHINESE],
    [word + " " for word in WORDS],
    WORDS,
    SPECIAL,
    [chr(point) for point in range(128)],
]

# Every possible str, lone surrogates included.
strings = st.text(st.characters(exclude_categories=()), max_size=60)
# Every text that can be written in UTF-8.
texts = st.one_of(
    st.text(max_size=60),
    st.lists(st.sampled_from([*WORDS, *SPECIAL, *MARKS, *BIDI, *SPACES, *CHINESE, ". "]), max_size=40).map(
        "".join
    ),
    st.builds(lambda piece, times: piece * times, st.text(min_size=1, max_size=6), st.integers(2, 400)),
)

# Texts of up to ten million characters: a piece, its number of repetitions, and the end.
GIANTS: dict[str, tuple[str, int, str]] = {
    "one word of ten million letters": ("a", 10_000_000, ""),
    "two million words": ("word ", 2_000_000, ""),
    "words of 90 letters": ("a" * 90 + " ", 100_000, ""),
    "ten million full stops": (".", 10_000_000, ""),
    "a million spaces": (" ", 1_000_000, ""),
    "a million spaces, then a word": (" ", 1_000_000, "word"),
    "100,000 marks on a letter": ("\u0301", 100_000, ""),
    "100,000 marks in the wrong order": ("\u0301\u0323", 50_000, ""),
    "a million null bytes": ("\0", 1_000_000, ""),
    "bidirectional controls": (BIDI, 20_000, "word"),
    "a million Chinese characters": ("\u4e2d", 1_000_000, ""),
    "Hangul that decomposes": ("\uac01", 300_000, ""),
    "brackets that open": ("[", 300_000, ""),
    "special tokens": ("[MASK]", 50_000, ""),
    "special tokens that never end": ("[MASK", 50_000, ""),
    "emoji": ("\U0001f468\u200d\U0001f469\u200d\U0001f467 ", 100_000, ""),
}


def giant(name: str) -> str:
    """One of these texts. Each begins with a letter for the marks to combine with."""
    piece, times, end = GIANTS[name]
    return "e" + piece * times + end


# Each of up to 384 float32 components is rounded once; the largest error measured was 1.1e-7.
UNIT = 3e-7


def library(model: MiniLM | CrossEncoder) -> Library:
    """The tokenizer of the library, from the same file, without any code of minilm."""
    theirs = Library.from_file(str(model.checkpoint.directory / "tokenizer.json"))
    theirs.no_padding()
    theirs.enable_truncation(max_length=model.max_seq_length)
    return theirs


def assert_unit_vectors(model: MiniLM, given_texts: Sequence[str]) -> None:
    embeddings = model.encode(given_texts).astype(np.float64)
    assert embeddings.shape == (len(given_texts), model.embedding_dimension)
    assert np.abs(np.linalg.norm(embeddings, axis=1) - 1).max(initial=0) < UNIT


def assert_ids_of(theirs: Library, ours: Tokenizer, given_texts: Sequence[str]) -> None:
    expected = theirs.encode_batch(list(given_texts))
    ids, is_truncated, _ = ours.texts(given_texts)
    for text, encoding, row, cut in zip(given_texts, expected, ids, is_truncated, strict=True):
        assert (row, cut) == (encoding.ids, bool(encoding.overflowing)), ascii(text)


# Words, marks and special tokens across every place where a text might be cut.
PIECES = (
    *("a", "b ", "unaffable ", ". ", "\u4e2d", "\xe9", "e\u0301", "\u0301", "[MASK]", "[MA", "SK]", "[", "]"),
    *(" ", "\n", "\0", "\uac00", "\xdf", "\u0130", "1,", "\u3000", "\u202e", "x" * 99, "x" * 101, "\u3001"),
)


def long_text(random: Random, longest: int) -> str:
    few = random.sample(PIECES, random.randint(1, 6))
    return "".join(random.choice(few) for _ in range(random.randint(0, longest)))
