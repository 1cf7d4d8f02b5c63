"""BERT's uncased tokenizer in plain Python, written from its definition: slow and short.

References
----------
.. [1] Devlin et al. 2019, https://github.com/google-research/bert, tokenization.py: cleaning, words and
   WordPiece. Letters are lower-cased one at a time, after the accents are removed, as in the ``tokenizers``
   library.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from functools import cache

LONGEST_WORD = 100  # characters; a longer word is [UNK]

_CHINESE = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def token_ids(text: str, vocab: Mapping[str, int], max_seq_length: int) -> list[int]:
    """The token ids of a text with [CLS] and [SEP], cut at ``max_seq_length``."""
    pieces: list[int] = []
    for part in _split_special(text):
        if part in _SPECIAL:
            pieces.append(vocab[part])
        else:
            for word in _words(part):
                pieces += _word_pieces(word, vocab)
    return [vocab["[CLS]"], *pieces[: max_seq_length - 2], vocab["[SEP]"]]


def _split_special(text: str) -> list[str]:
    """Split the text into special tokens and the parts between them; the first to begin wins."""
    parts, start = [], 0
    while found := [(at, token) for token in _SPECIAL if (at := text.find(token, start)) >= 0]:
        at, token = min(found)
        parts += [text[start:at], token]
        start = at + len(token)
    return [*parts, text[start:]]


def _words(text: str) -> list[str]:
    return "".join(map(_plain, unicodedata.normalize("NFD", "".join(map(_cleaned, text))))).split()


@cache
def _cleaned(character: str) -> str:
    """Remove a control character, and put spaces around a Chinese character."""
    if character in "\t\n\r":
        return " "
    if character in "\0\ufffd" or unicodedata.category(character) in ("Cc", "Cf", "Co"):
        return ""
    is_chinese = any(first <= ord(character) <= last for first, last in _CHINESE)
    return f" {character} " if is_chinese else character


@cache
def _plain(character: str) -> str:
    """Remove an accent, lower-case a letter, and put spaces around a punctuation mark."""
    category = unicodedata.category(character)
    if category == "Mn":
        return ""
    is_ascii_symbol = character.isascii() and not character.isalnum() and character > " "
    return f" {character} " if is_ascii_symbol or category.startswith("P") else character.lower()


def _word_pieces(word: str, vocab: Mapping[str, int]) -> list[int]:
    """Take the longest piece at the start of the word, then at the start of the rest, and so on."""
    pieces: list[int] = []
    start = 0
    while start < len(word) <= LONGEST_WORD:
        prefix = "##" if start else ""
        ends = range(len(word), start, -1)
        end = next((end for end in ends if prefix + word[start:end] in vocab), None)
        if end is None:
            return [vocab["[UNK]"]]
        pieces.append(vocab[prefix + word[start:end]])
        start = end
    return pieces or [vocab["[UNK]"]]
