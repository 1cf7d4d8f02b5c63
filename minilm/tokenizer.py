"""From text to token ids, by the ``tokenizers`` library and the checkpoint's own ``tokenizer.json``.

The file stores a truncation and a padding of its own (128 tokens for all-MiniLM-L6-v2); both are overridden,
as sentence-transformers does: the length comes from ``max_seq_length``, and nothing is padded here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from tokenizers import Encoding, normalizers
from tokenizers import Tokenizer as _Tokenizer

from minilm.checkpoint.files import check_regular
from minilm.checkpoint.tokenizer import check_special_tokens
from minilm.errors import CheckpointError, one_line
from minilm.explanation import ExplainedText, Token, words_of
from minilm.text.pairs import PairFrame, keep_of_pair, pair_frame
from minilm.text.prefix import Beginnings

IntArray = npt.NDArray[np.int64]

# That of LaBSE, with half a million words, has 10 million bytes.
MAX_BYTES = 64 << 20

# Texts on which a tokenizer that lacks a part shows it: a word that it may know, and one that it will not.
_PROBES = ("a", "\N{RUNIC LETTER FEHU FEOH FE F}\N{SNOWMAN}")

# A normalizer that lowers the case, in a tokenizer.json.
_LOWERS = r'"type":"Lowercase"|"lowercase":true'


# Whether the library may use several threads. A forked child does not have them, and older versions of the
# library wait for them, or complain on stderr, unless this is set.
_PARALLELISM = "TOKENIZERS_PARALLELISM"


class TokenizedTexts(NamedTuple):
    """Token ids of some texts, ``[CLS]`` and ``[SEP]`` included, and which of the texts were cut."""

    input_ids: list[list[int]]
    is_truncated: list[bool]


class Tokenizer:
    """The tokenizer of one checkpoint.

    Parameters
    ----------
    path : str or Path
        A ``tokenizer.json``.
    vocab_size : int
        Rows of the word embedding table; a tokenizer that could name a row beyond it is refused.
    max_seq_length : int
        Tokens that are kept of a text, special tokens included.
    do_lower_case : bool
        Lower the case of texts first, unless the tokenizer does so by itself.

    Raises
    ------
    CheckpointError
        If the file cannot be read as a tokenizer, holds ids beyond ``vocab_size``, or does not put special
        tokens around a text.
    """

    def __init__(
        self, path: str | Path, *, vocab_size: int, max_seq_length: int, do_lower_case: bool = False
    ) -> None:
        self._path = Path(path)
        check_regular(self._path, max_bytes=MAX_BYTES)
        try:
            self._tokenizer = _Tokenizer.from_file(str(path))
        except BaseException as error:  # the library raises bare Exception for every kind of bad file
            if not isinstance(error, Exception) and not _is_panic(error):
                raise
            raise CheckpointError(f"{path} cannot be read as a tokenizer: {one_line(error)}") from error
        largest_id = max(self._tokenizer.get_vocab(with_added_tokens=True).values(), default=-1)
        if not 0 <= largest_id < vocab_size:
            raise CheckpointError(
                f"{path} has token ids up to {largest_id}, but the model's vocabulary has {vocab_size} rows"
            )
        check_special_tokens(self._tokenizer, self._path, vocab_size, max_seq_length)
        if do_lower_case and not re.search(_LOWERS, self._tokenizer.to_str()):
            own = self._tokenizer.normalizer
            steps = [normalizers.Lowercase()] if own is None else [normalizers.Lowercase(), own]
            self._tokenizer.normalizer = normalizers.Sequence(steps)
        self._tokenizer.no_padding()
        self._beginnings = Beginnings(self._tokenizer)
        self.max_seq_length = max_seq_length
        with self._errors_named():
            for text in _PROBES:
                self._tokenizer.encode(text)

    @property
    def max_seq_length(self) -> int:
        """Tokens that are kept of a text, special tokens included."""
        return self._max_seq_length

    @max_seq_length.setter
    def max_seq_length(self, value: int) -> None:
        added = self._tokenizer.num_special_tokens_to_add(is_pair=False)
        if value <= added:  # the library would count below zero, and cut nothing
            raise ValueError(
                f"max_seq_length must be more than the {added} tokens that {self._path} adds to every text, "
                f"not {value}"
            )
        self._tokenizer.enable_truncation(max_length=value)
        self._max_seq_length = value

    def __call__(self, texts: Sequence[str]) -> TokenizedTexts:
        """Token ids of each text, cut at ``max_seq_length``, and whether it was cut.

        Raises
        ------
        TypeError, UnicodeEncodeError
            If a text holds a lone surrogate; :func:`minilm.text.inputs.check_encodable` says which and where.
        """
        _, encodings = self._read(texts)
        return TokenizedTexts(
            [encoding.ids for encoding in encodings], [bool(encoding.overflowing) for encoding in encodings]
        )

    def pairs(self, pairs: Sequence[tuple[str, str]]) -> tuple[TokenizedTexts, list[list[int]]]:
        """Token ids of each pair as one text, the longer side cut first, and each token's type (0 or 1).

        Raises
        ------
        CheckpointError
            If the file does not leave room for a token of each text.
        """
        if self.max_seq_length < self.shortest_pair:
            raise CheckpointError(
                f"{self._path} adds {self._frame.added} tokens to every pair, and must leave room for one of "
                f"each text among the {self.max_seq_length} that are kept of it"
            )
        _, encodings = self._read([text for pair in pairs for text in pair], add_special_tokens=False)
        room = self.max_seq_length - self._frame.added
        tokenized = TokenizedTexts([], [])
        types = []
        for pair, first, second in zip(pairs, encodings[::2], encodings[1::2], strict=True):
            lengths = self._lengths(pair, first, second)
            kept = keep_of_pair(*lengths, room)
            input_ids, token_types = self._frame.join(first.ids[: kept[0]], second.ids[: kept[1]])
            tokenized.input_ids.append(input_ids)
            tokenized.is_truncated.append(kept != lengths)
            types.append(token_types)
        return tokenized, types

    @property
    def shortest_pair(self) -> int:
        """Tokens of a pair that has one of each text."""
        return self._frame.added + 2

    def _lengths(self, pair: tuple[str, str], first: Encoding, second: Encoding) -> tuple[int, int]:
        """Tokens of each text; one more than fit, of a single one that is too long."""
        if first.overflowing and second.overflowing:  # which one is longer makes a difference
            return self._count(pair[0]), self._count(pair[1])
        return len(first.ids) + bool(first.overflowing), len(second.ids) + bool(second.overflowing)

    def _count(self, text: str) -> int:
        """How many tokens all of a text has, special ones not counted."""
        encode = self._without_truncation.encode
        return sum(len(encode(part, add_special_tokens=False).ids) for part in self._beginnings.parts(text))

    @cached_property
    def _without_truncation(self) -> _Tokenizer:
        tokenizer = _Tokenizer.from_str(self._tokenizer.to_str())
        tokenizer.no_truncation()
        return tokenizer

    @cached_property
    def _frame(self) -> PairFrame:
        with self._errors_named():
            return pair_frame(self._without_truncation, self._path)

    @cached_property
    def around(self) -> tuple[list[int], list[int]]:
        """Ids that are put before every text, and behind it."""
        tokenizer = self._without_truncation
        with self._errors_named():
            framed, bare = (tokenizer.encode("a", add_special_tokens=special) for special in (True, False))
        own = [
            i for i, side in enumerate(framed.sequence_ids) if side == 0
        ]  # None for a token that was added
        before, behind = (framed.ids[: own[0]], framed.ids[own[-1] + 1 :]) if own else ([], [])
        if [*before, *bare.ids, *behind] != framed.ids or before + behind != self([""]).input_ids[0]:
            raise CheckpointError(f"{self._path} does more to a text than put tokens around it")
        return before, behind

    def _read(
        self, texts: Sequence[str], *, add_special_tokens: bool = True
    ) -> tuple[list[str], list[Encoding]]:
        """As much of each text as its first ``max_seq_length`` tokens need, and what comes of it."""
        # "fast" leaves out the character offsets, which nobody asks for here
        encode = partial(self._tokenizer.encode_batch_fast, add_special_tokens=add_special_tokens)
        beginnings = [self._beginnings.first(text, self.max_seq_length) for text in texts]
        with self._errors_named():
            encodings = encode(beginnings)
        while more := [
            index
            for index, encoding in enumerate(encodings)
            if len(beginnings[index]) < len(texts[index]) and not encoding.overflowing
        ]:
            for index in more:
                beginnings[index] = self._beginnings.longer(texts[index], beginnings[index])
            for index, encoding in zip(more, encode([beginnings[index] for index in more]), strict=True):
                encodings[index] = encoding
        return beginnings, encodings

    def spans(self, text: str, prompt: str = "") -> ExplainedText:
        """The text's tokens and words, and where in it they stand; the prompt's tokens are special."""
        [beginning], _ = self._read([prompt + text])
        with self._errors_named():
            encoding = self._tokenizer.encode(beginning)
        given = zip(encoding.tokens, encoding.offsets, encoding.special_tokens_mask, strict=True)
        tokens = tuple(
            Token(token, 0, 0, is_special=True)
            if is_special or end <= len(prompt)
            else Token(token, max(start - len(prompt), 0), end - len(prompt), is_special=False)
            for token, (start, end), is_special in given
        )
        words = words_of(encoding.word_ids, tokens)
        return ExplainedText(text, tokens, words, is_truncated=bool(encoding.overflowing))

    @contextmanager
    def _errors_named(self) -> Iterator[None]:
        """Blame the file for what the library finds wrong with it only when a text comes."""
        try:
            yield
        except BaseException as error:
            # a bare Exception, or a panic; others are our own
            if type(error) is not Exception and not _is_panic(error):
                raise
            raise CheckpointError(f"{self._path} is damaged: {one_line(error)}") from error


def _is_panic(error: BaseException) -> bool:
    """Whether the library's Rust broke off, which is no Exception; stderr has its own words on it."""
    return type(error).__name__ == "PanicException"


class _AroundFork:
    """One thread for the tokenizers of a forked child, where the user has not said otherwise."""

    is_ours = False

    @classmethod
    def before(cls) -> None:
        # the library looks while the fork is under way, so that the child is too late
        cls.is_ours = _PARALLELISM not in os.environ
        if cls.is_ours:
            os.environ[_PARALLELISM] = "false"

    @classmethod
    def after_in_parent(cls) -> None:
        if cls.is_ours:
            os.environ.pop(_PARALLELISM, None)


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(before=_AroundFork.before, after_in_parent=_AroundFork.after_in_parent)


def pad(input_ids: Sequence[Sequence[int]], *, pad_token_id: int = 0) -> tuple[IntArray, IntArray]:
    """Ids of several texts as one rectangle, and the mask that says which entries are real.

    Parameters
    ----------
    input_ids : sequence of B sequences of int
        Token ids of each text.
    pad_token_id : int
        What fills the rest of a row; the mask keeps it out of every result.

    Returns
    -------
    input_ids, attention_mask : ndarray of int64, shape (B, L)
        L is the longest text's length; the mask is 1 for a token and 0 for padding.

    Examples
    --------
    >>> ids, mask = pad([[101, 7592, 102], [101, 102]])
    >>> ids.tolist(), mask.tolist()
    ([[101, 7592, 102], [101, 102, 0]], [[1, 1, 1], [1, 1, 0]])
    """
    lengths = np.array([len(ids) for ids in input_ids], dtype=np.int64)  # (B,)
    attention_mask = np.arange(lengths.max(initial=0)) < lengths[:, None]  # (B, L)
    padded = np.full(attention_mask.shape, pad_token_id, dtype=np.int64)  # (B, L)
    padded[attention_mask] = [token_id for ids in input_ids for token_id in ids]
    return padded, attention_mask.astype(np.int64)
