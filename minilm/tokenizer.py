"""From texts or pairs of texts to token ids, cut at ``max_seq_length``.

The ``tokenizers`` library does the work, as the checkpoint's ``tokenizer.json`` says. That file stores a
truncation and a padding of its own (128 tokens for all-MiniLM-L6-v2). Both are overridden, as
sentence-transformers does: the length comes from ``max_seq_length``, and nothing is padded here.
``checkpoint/tokenizer.py`` opens the file and checks it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tokenizers import Encoding
from tokenizers import Tokenizer as Backend

from minilm._arguments import unknown_name
from minilm._arrays import Int64Array
from minilm.errors import CheckpointError, is_panic, one_line
from minilm.text.calls import TokenizerCalls
from minilm.text.pairs import PairFrame, kept_of_pair, pair_frame
from minilm.text.prefix import CHARACTERS_PER_TOKEN, PrefixCutter
from minilm.text.spans import TextSpans, text_spans

# Whether the library may use several threads. A forked child does not have them. Older versions of the
# library wait for them, or complain on stderr, unless this variable is set.
_PARALLELISM = "TOKENIZERS_PARALLELISM"


class TokenizedTexts(NamedTuple):
    """Token ids of some texts or pairs, special tokens included, and which of them were cut."""

    input_ids: list[list[int]]
    is_truncated: list[bool]
    token_type_ids: list[list[int]] | None = None  # of pairs: 0 or 1, the text that a token belongs to


@dataclass(eq=False, repr=False)
class Tokenizer(TokenizerCalls):
    """The tokenizer of one checkpoint, as :func:`minilm.checkpoint.tokenizer.open_tokenizer` makes it."""

    backend: Backend  # truncates at max_seq_length tokens, and does not pad
    path: Path  # for error messages
    _max_seq_length: int
    _side_of_files: str = "right"  # the side on which the checkpoint's files let long texts be cut
    pad_token_id: int = 0
    unk_token_id: int | None = None  # the id of a token that there is not
    has_token_types: bool = True  # whether the encoder is told which text of a pair a token belongs to
    _truncation_side: str | None = None  # None: as the files say

    def __getstate__(self) -> dict[str, Any]:
        """Return the fields alone, so that a pickle, and a fingerprint of it, forgets former calls."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def _truncate(self, backend: Backend, max_length: int) -> None:
        """Let a tokenizer of the library cut every text to ``max_length`` tokens."""
        backend.enable_truncation(max_length, direction=self.truncation_side)

    @property
    def max_seq_length(self) -> int:
        """Tokens that are kept of a text, special tokens included."""
        return self._max_seq_length

    @max_seq_length.setter
    def max_seq_length(self, value: int) -> None:
        added = self.backend.num_special_tokens_to_add(is_pair=False)
        if value <= added:  # the library would count below zero, and cut nothing
            raise ValueError(
                f"max_seq_length must be more than the {added} tokens that {self.path} adds to every text, "
                f"not {value}"
            )
        self._truncate(self.backend, value)
        self._max_seq_length = value

    @property
    def truncation_side(self) -> str:
        """Side on which a long text is cut: "right", or "left", and then its end is kept; may be set."""
        return self._truncation_side or self._side_of_files

    @truncation_side.setter
    def truncation_side(self, value: str) -> None:
        if value not in ("left", "right"):
            raise unknown_name("truncation_side", value, ("left", "right"))
        self._truncation_side = value
        self._truncate(self.backend, self._max_seq_length)

    def cutting_on(self, side: str) -> Tokenizer:
        """Return this tokenizer, or one of its own state that cuts long texts on another side."""
        if side == self.truncation_side:
            return self
        other = self._with_own_backend()
        other.truncation_side = side
        return other

    def cutting_at(self, max_length: int) -> Tokenizer:
        """Return this tokenizer, or one of its own state that keeps another number of tokens."""
        if max_length == self.max_seq_length:
            return self
        other = self._with_own_backend()
        other.max_seq_length = max_length
        return other

    def _with_own_backend(self) -> Tokenizer:
        """Return a copy whose settings change nothing here; this takes 20 ms."""
        return replace(self, backend=Backend.from_str(self.backend.to_str()))

    @property
    def new_truncation_side(self) -> str | None:
        """:attr:`truncation_side`, if it was set; None as long as it is that of the files."""
        return None if self.truncation_side == self._side_of_files else self._truncation_side

    def texts(self, texts: Sequence[str]) -> TokenizedTexts:
        """Token ids of each text, cut at ``max_seq_length``, and whether it was cut.

        A lone surrogate raises TypeError or UnicodeEncodeError, for ``text.inputs.check_encodable`` to find.
        """
        encodings = self._encode(texts, with_offsets=False)
        return TokenizedTexts([e.ids for e in encodings], [bool(e.overflowing) for e in encodings])

    def with_spans(
        self, texts: Sequence[str], prompt_text: str = ""
    ) -> tuple[TokenizedTexts, list[TextSpans]]:
        """Token ids of the prompt followed by each text, and where the tokens stand in the text."""
        encodings = self._encode([prompt_text + text for text in texts], with_offsets=True)
        spans = [
            text_spans(text, encoding, prompt_length=len(prompt_text))
            for text, encoding in zip(texts, encodings, strict=True)
        ]
        return TokenizedTexts([e.ids for e in encodings], [span.is_truncated for span in spans]), spans

    def spans(self, text: str) -> TextSpans:
        """Where the tokens and words of one text stand in it."""
        _, [spans] = self.with_spans([text])
        return spans

    def pairs(self, pairs: Sequence[tuple[str, str]]) -> TokenizedTexts:
        """Token ids and types of each pair as one sequence, cut from the longer text if it is too long."""
        if self.max_seq_length < self.shortest_pair:
            raise CheckpointError(
                f"{self.path} adds {self._frame.added} tokens to every pair, and must leave room for one of "
                f"each text among the {self.max_seq_length} that are kept of it"
            )
        texts = list(dict.fromkeys(text for pair in pairs for text in pair))  # a query once, not per document
        encodings = self._encode(texts, with_offsets=False, add_special_tokens=False)
        of_text = dict(zip(texts, encodings, strict=True))
        room = self.max_seq_length - self._frame.added
        types: list[list[int]] = []
        tokenized = TokenizedTexts([], [], types)
        for pair in pairs:
            first, second = of_text[pair[0]], of_text[pair[1]]
            lengths = self._lengths(pair, first, second)
            kept = kept_of_pair(*lengths, room)
            ids = (self.kept(first.ids, kept[0]), self.kept(second.ids, kept[1]))
            input_ids, token_type_ids = self._frame.join(*ids)
            tokenized.input_ids.append(input_ids)
            tokenized.is_truncated.append(kept != lengths)
            types.append(token_type_ids)
        return tokenized

    def kept(self, ids: list[int], size: int) -> list[int]:
        """Return ``size`` of a text's token ids without special ones: the first, or the last of them."""
        return ids[:size] if self.truncation_side == "right" else ids[len(ids) - size :]

    @property
    def shortest_pair(self) -> int:
        """Tokens of a pair whose texts have one token each."""
        return self._frame.added + 2

    def _lengths(self, pair: tuple[str, str], first: Encoding, second: Encoding) -> tuple[int, int]:
        """Numbers of tokens; if only one text is too long, it counts as one token over the limit."""
        if first.overflowing and second.overflowing:  # the exact lengths decide which one is cut
            return self._count(pair[0]), self._count(pair[1])
        return len(first.ids) + bool(first.overflowing), len(second.ids) + bool(second.overflowing)

    def _count(self, text: str) -> int:
        """Return how many tokens the whole text has, special tokens not counted."""
        encode = self._without_truncation.encode
        return sum(len(encode(part, add_special_tokens=False).ids) for part in self._prefix.parts(text))

    def _encode(
        self, texts: Sequence[str], *, with_offsets: bool, add_special_tokens: bool = True
    ) -> list[Encoding]:
        """Encode as much of each text as its first ``max_seq_length`` tokens need."""
        encode = self.backend.encode_batch if with_offsets else self.backend.encode_batch_fast
        # of a text that is cut on the left, the end is kept, and so all of it is read
        short = (
            CHARACTERS_PER_TOKEN * self._max_seq_length if self.truncation_side == "right" else sys.maxsize
        )
        prefixes = [
            text if len(text) <= short else self._prefix.initial(text, self._max_seq_length) for text in texts
        ]
        try:
            encodings: list[Encoding] = encode(prefixes, add_special_tokens=add_special_tokens)
            while unfinished := [
                index
                for index, encoding in enumerate(encodings)
                if len(prefixes[index]) < len(texts[index]) and not encoding.overflowing
            ]:
                for index in unfinished:
                    prefixes[index] = self._prefix.extend(texts[index], prefixes[index])
                longer = encode([prefixes[i] for i in unfinished], add_special_tokens=add_special_tokens)
                for index, encoding in zip(unfinished, longer, strict=True):
                    encodings[index] = encoding
        except BaseException as error:
            # the library raises a bare Exception, or panics, for what it finds only when a text comes
            if type(error) is not Exception and not is_panic(error):
                raise
            raise CheckpointError(f"{self.path} is damaged: {one_line(error)}") from error
        return encodings

    @cached_property
    def _prefix(self) -> PrefixCutter:
        return PrefixCutter(self.backend)

    @cached_property
    def _without_truncation(self) -> Backend:
        backend = Backend.from_str(self.backend.to_str())
        backend.no_truncation()
        return backend

    def backend_of_length(self, max_length: int | None) -> Backend:
        """Return a tokenizer of the library that cuts at this length, or not at all."""
        if max_length is None:
            return self._without_truncation
        if max_length == self.max_seq_length:
            return self.backend
        backend = Backend.from_str(self.backend.to_str())  # a new one: this takes 20 ms
        self._truncate(backend, max_length)
        return backend

    @cached_property
    def _frame(self) -> PairFrame:
        return pair_frame(self._without_truncation, self.path)

    @cached_property
    def special_token_ids(self) -> tuple[list[int], list[int]]:
        """Ids that the tokenizer puts before every text, and ids that it puts after it."""
        backend = self._without_truncation
        framed, bare = (backend.encode("a", add_special_tokens=special) for special in (True, False))
        # the sequence id of an added token is None
        places = [index for index, side in enumerate(framed.sequence_ids) if side == 0]
        before, after = (framed.ids[: places[0]], framed.ids[places[-1] + 1 :]) if places else ([], [])
        if [*before, *bare.ids, *after] != framed.ids or before + after != self.texts([""]).input_ids[0]:
            raise CheckpointError(f"{self.path} does more to a text than put tokens around it")
        return before, after


class _AroundFork:
    """Give the tokenizers of a forked child one thread, unless the user has set the variable."""

    is_ours = False

    @classmethod
    def before(cls) -> None:
        # the library looks while the fork is under way: setting it in the child would be too late
        cls.is_ours = _PARALLELISM not in os.environ
        if cls.is_ours:
            os.environ[_PARALLELISM] = "false"

    @classmethod
    def after_in_parent(cls) -> None:
        if cls.is_ours:
            os.environ.pop(_PARALLELISM, None)


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(before=_AroundFork.before, after_in_parent=_AroundFork.after_in_parent)


def pad(input_ids: Sequence[Sequence[int]], *, pad_token_id: int = 0) -> tuple[Int64Array, Int64Array]:
    """Ids of B texts as one rectangle (B, L), and the attention mask (B, L): 1 for a token, 0 for padding.

    L is the length of the longest text. ``pad_token_id`` fills the rest of a row.

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
