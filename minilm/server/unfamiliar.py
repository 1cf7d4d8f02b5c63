"""Which texts a model can hardly read, by their tokens: those in a language that it did not learn."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from minilm.tokenizer import Tokenizer

# What tokenizers write before a piece inside a word, or before a word.
MARKS = ("##", "\u2581", "\u0120")


class Unfamiliar:
    """Finds texts of which most tokens are unknown, or single letters where a known word has one token."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

    @cached_property
    def _ids(self) -> frozenset[int]:
        vocabulary = self._tokenizer.backend.get_vocab()
        letters = {token_id for token, token_id in vocabulary.items() if _is_letter(token)}
        unknown = self._tokenizer.unk_token_id
        return frozenset(letters if unknown is None else {*letters, unknown})

    def indices(self, rows: Sequence[Sequence[int]]) -> list[int]:
        """Return the indices of such texts; ``rows`` are their token ids, special tokens included."""
        special = sum(map(len, self._tokenizer.special_token_ids))
        return [
            index
            for index, row in enumerate(rows)
            if 2 * sum(token_id in self._ids for token_id in row) > len(row) - special
        ]


def _is_letter(token: str) -> bool:
    for mark in MARKS:
        token = token.removeprefix(mark)
    return len(token) == 1 and token.isalpha()
