"""Queries that are filled up with more tokens, as in ColBERT, on the way through the encoder.

In most of these models nothing attends to the added tokens: they see the query, and are seen neither by it
nor by each other. ``packed.py`` has no mask, and needs none for that. A query is filled up to a multiple of
its own length, and in each layer the keys and values of the added tokens are overwritten by copies of the
query's. Then each key of the query is there equally often, and softmax's average is that of the query alone.
``encoder.py``, which has a mask, takes several times as long.

MPNet's attention depends on where a key stands, so ``encoder.py`` computes its queries.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from minilm import encoder
from minilm._arrays import AnyArray, Float32Array, Parameters, no_float_errors
from minilm.config import ModelConfig
from minilm.fast import packed
from minilm.fast.cores import run_jobs, scheduled_cores
from minilm.fast.engine import Engine, Finish, TokenIds
from minilm.fast.parameters import PackedParameters


class QueryExpansion(NamedTuple):
    """ColBERT's query augmentation: a query is filled up with one token, mostly ``[MASK]``.

    The vectors of these tokens are scored as those of words, which weights and extends the query
    (Khattab and Zaharia 2020, "ColBERT", https://arxiv.org/abs/2004.12832, section 3.2).
    """

    length: int  # tokens that a query has at least
    token_id: int
    is_fixed: bool  # whether a longer query is cut to ``length``
    attend: bool  # whether other tokens attend to these: False means that they see the query, unseen by it

    def fill(self, input_ids: Sequence[int]) -> list[int]:
        """Token ids of a query, filled up."""
        return [*input_ids, *[self.token_id] * (self.length - len(input_ids))]


@dataclass(eq=False, kw_only=True)
class ExpandingEngine(Engine):
    """An engine that fills queries up, and gives results of the added tokens as well."""

    expansion: QueryExpansion
    config: ModelConfig
    textbook: Callable[[], Parameters]  # the parameters for ``encoder.py``, read only where they are needed

    def run(
        self,
        token_ids: TokenIds,
        finish: Finish,
        *,
        pack_tokens: int,
        token_type_ids: TokenIds | None = None,  # noqa: ARG002 - a query is one text, of type 0
        advance: Callable[[int], object] | None = None,
    ) -> list[AnyArray]:
        """Return what ``finish`` makes of each query, filled up: see :meth:`Engine.run`."""
        if self.expansion.attend:
            filled = [self.expansion.fill(ids) for ids in token_ids]
            return super().run(filled, finish, pack_tokens=pack_tokens, advance=advance)
        length = self.expansion.length
        short = [index for index, ids in enumerate(token_ids) if len(ids) < length]
        long = [index for index, ids in enumerate(token_ids) if len(ids) >= length]
        results: list[AnyArray] = [np.empty(0, np.float32)] * len(token_ids)
        one_at_a_time = threading.Lock()

        def encode(index: int) -> None:
            states = self._states(token_ids[index])[None]  # (1, L, E)
            with one_at_a_time:
                [results[index]] = self._finished(finish, states)
                if advance:
                    advance(1)

        run_jobs(short, lambda: encode, threads=min(self.threads, scheduled_cores()))
        rest = super().run(
            [token_ids[index] for index in long], finish, pack_tokens=pack_tokens, advance=advance
        )
        for index, result in zip(long, rest, strict=True):
            results[index] = result
        return results

    def _states(self, input_ids: Sequence[int]) -> Float32Array:
        """Hidden states (length, E) of one query and of the tokens that fill it up, which nothing sees."""
        expansion = self.expansion
        length, copies = expansion.length, -(-expansion.length // len(input_ids))  # rounded up
        total = copies * len(input_ids)
        if self.parameters.attention_bias is None and total <= self.parameters.longest_input:
            filled = np.array(expansion._replace(length=total).fill(input_ids), np.intp)
            return _encode_copied(filled, copies, self.parameters)[:length]
        ids = np.array([expansion.fill(input_ids)])  # (1, L)
        mask = (np.arange(length) < len(input_ids)).astype(np.int64)[None]  # (1, L)
        return np.asarray(encoder.encode(ids, mask, self.textbook(), self.config)[0], np.float32)


@no_float_errors
def _encode_copied(input_ids: AnyArray, copies: int, parameters: PackedParameters) -> Float32Array:
    """Hidden states (T, E) of tokens of which only the first T / ``copies`` are attended to."""
    tokens, hidden_size = len(input_ids), parameters.position_embeddings.shape[1]
    query_key_value = np.empty((tokens, 3 * hidden_size), np.float32)  # (T, 3E)
    key_value = query_key_value.reshape(copies, -1, 3 * hidden_size)[:, :, hidden_size:]  # a view

    def copy_keys() -> None:
        key_value[1:] = key_value[0]

    workspace = packed.Workspace(tokens, parameters)
    everything = slice(0, tokens)
    return packed.encode_share(input_ids, everything, query_key_value, parameters, workspace, wait=copy_keys)
