"""Where the tokens and the words of a text stand in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tokenizers import Encoding


class Token(NamedTuple):
    """A token and the characters it stands for.

    ``start`` and ``end`` count Unicode code points, as Python's slices do. A token that the tokenizer puts
    around a text (``[CLS]``, ``[SEP]``), or one of the prompt, is special and has no characters of the text.
    """

    token: str
    start: int
    end: int
    is_special: bool


class Word(NamedTuple):
    """A word: the characters ``start`` to ``end`` of its text, and the indices of its tokens."""

    start: int
    end: int
    tokens: range


@dataclass(frozen=True)
class TextSpans:
    """A text as the encoder sees it: its tokens and words, with their places in the text."""

    text: str
    tokens: tuple[Token, ...]
    words: tuple[Word, ...]
    is_truncated: bool


def text_spans(text: str, encoding: Encoding, *, prompt_length: int = 0) -> TextSpans:
    """Tokens and words of ``text``; ``encoding`` is of a prompt of this length, followed by the text."""
    rows = zip(encoding.tokens, encoding.offsets, encoding.special_tokens_mask, strict=True)
    tokens = tuple(
        Token(token, 0, 0, is_special=True)
        if is_special or end <= prompt_length
        else Token(token, max(start - prompt_length, 0), end - prompt_length, is_special=False)
        for token, (start, end), is_special in rows
    )
    words = words_of_tokens(encoding.word_ids, tokens)
    return TextSpans(text, tokens, words, is_truncated=bool(encoding.overflowing))


def words_of_tokens(word_ids: Sequence[int | None], tokens: Sequence[Token]) -> tuple[Word, ...]:
    """Words, from the number of the word that each token belongs to; special tokens belong to none."""
    words: list[Word] = []
    previous: int | None = None
    for index, (number, token) in enumerate(zip(word_ids, tokens, strict=True)):
        if number is not None and not token.is_special:
            if number == previous:
                words[-1] = Word(words[-1].start, token.end, range(words[-1].tokens.start, index + 1))
            else:
                words.append(Word(token.start, token.end, range(index, index + 1)))
        previous = None if token.is_special else number  # a prompt may end inside a word
    return tuple(words)
