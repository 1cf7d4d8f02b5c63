"""From token ids to results, pack by pack, on all cores: how ``packed.py`` is put to work.

A matrix product of many rows does more work per second than one of few, so a pack holds the tokens of many
short texts. Of many texts, each core takes a pack, then the next. Of a single long text, the cores share the
tokens.

Shapes: T tokens in a pack, N texts of equal length L, E hidden width.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minilm._arguments import KnownAttributes
from minilm._arrays import AnyArray, Float32Array, IntArray
from minilm.errors import CheckpointError
from minilm.fast import packed
from minilm.fast.blas import call_with_blas_threads
from minilm.fast.cores import run_jobs, run_together, scheduled_cores
from minilm.fast.packed import Group, Workspace
from minilm.fast.parameters import PackedParameters
from minilm.fast.shared import SharedParameters, starts_a_process

TokenIds = Sequence[Sequence[int]]

# From the hidden states (N, L, E) of N texts of equal length to a result for each of them.
Finish = Callable[[Float32Array], AnyArray | Sequence[AnyArray]]

# A pack holds as many tokens as batch_size texts of this many: 1024 by default. From 512 on the speed is the
# same, and a thread's buffers take 15 KiB per token.
TOKENS_PER_TEXT = 32

# From this many tokens on, threads share the work on a single text. Below, they would wait more than work.
SHARED_TOKENS = 64

# With fewer tokens, a worker would spend more time on reading the weights than on computing. (Ten short texts
# take 9.4 ms in two packs of 70 tokens, and 14.5 ms in one.)
SMALLEST_PACK = 32


class Pack(NamedTuple):
    """Texts that go through the encoder together."""

    rows: IntArray  # (texts,): which texts, in the order in which their tokens lie
    input_ids: IntArray  # (T,)
    groups: list[Group]
    token_type_ids: IntArray | None = None  # (T,); None: all 0


Keep = Callable[[Pack, Float32Array], None]  # what happens to the hidden states (T, E) of a pack


@dataclass(eq=False)
class Engine(KnownAttributes):
    """An encoder and the cores it runs on."""

    parameters: PackedParameters
    threads: int  # cores to use; no more than the system gives this process
    path: str | Path = "the checkpoint"  # the file of the parameters, for error messages
    shared: SharedParameters | None = None  # once a process was started anew

    def __getstate__(self) -> dict[str, Any]:
        """Give a process that multiprocessing starts anew this one's parameters, not a copy of its own."""
        if starts_a_process():
            with suppress(OSError):  # without a file in memory: a copy
                self.shared = self.shared or SharedParameters(self.parameters)
                self.parameters = self.shared.parameters
                return {**vars(self), "parameters": self.shared, "shared": None}
        return {**vars(self), "shared": None}

    def run(
        self,
        token_ids: TokenIds,
        finish: Finish,
        *,
        pack_tokens: int,
        token_type_ids: TokenIds | None = None,
        advance: Callable[[int], object] | None = None,
    ) -> list[AnyArray]:
        """Return what ``finish`` makes of each text, in the order given.

        ``token_ids`` has each text's ids, all in the vocabulary; none is empty. ``finish`` is called with the
        hidden states (N, L, E) of texts of equal length, by one thread at a time, and returns one result per
        text. It must not keep the hidden states, which are overwritten. ``pack_tokens`` go through the
        encoder at a time, on each core. ``advance`` is told how many more texts are done.
        """
        threads = min(self.threads, scheduled_cores())
        results: list[AnyArray] = [np.empty(0, np.float32)] * len(token_ids)
        one_at_a_time = threading.Lock()

        def keep(pack: Pack, hidden_states: Float32Array) -> None:
            first = 0
            with one_at_a_time:
                for group in pack.groups:
                    states = hidden_states[group.start : group.stop].reshape(group.texts, group.length, -1)
                    for row, result in zip(pack.rows[first:], self._finished(finish, states), strict=False):
                        results[row] = result
                    first += group.texts
                if advance:
                    advance(len(pack.rows))

        if len(token_ids) == 1:  # nothing to sort or to cut: saves 2% of the time of a short query
            types = None if token_type_ids is None else np.array(token_type_ids[0], np.intp)
            group = Group(0, 1, len(token_ids[0]))
            self._run_pack(
                Pack(np.zeros(1, np.intp), np.array(token_ids[0], np.intp), [group], types), keep, threads
            )
        elif token_ids:
            packs = make_packs(token_ids, token_type_ids, pack_tokens=pack_tokens, workers=threads)
            room = max(len(pack.input_ids) for pack in packs)

            def make_worker() -> Callable[[Pack], None]:
                workspace = Workspace(room, self.parameters)  # each thread has its own
                return lambda pack: self._encode(pack, workspace, keep)

            run_jobs(packs, make_worker, threads=threads)
        return results

    def _finished(self, finish: Finish, hidden_states: Float32Array) -> AnyArray | Sequence[AnyArray]:
        finished = finish(hidden_states)
        parts = [finished] if isinstance(finished, np.ndarray) else finished  # those of a list vary in shape
        if not all(np.isfinite(part).all() for part in parts):
            raise CheckpointError(f"{self.path} is damaged: its weights are finite, but its output is not")
        return finished

    def _run_pack(self, pack: Pack, keep: Keep, threads: int) -> None:
        """Encode a single text, on BLAS's threads or, if it is long, on threads of our own."""
        tokens = len(pack.input_ids)
        if threads > 1 and tokens >= SHARED_TOKENS:
            with _no_warnings():
                hidden_states = self._encode_together(pack, threads)
                if hidden_states is not None:
                    keep(pack, hidden_states)
                    return
        workspace = Workspace(tokens, self.parameters)
        call_with_blas_threads(threads, lambda: self._encode(pack, workspace, keep))

    def _encode(self, pack: Pack, workspace: Workspace, keep: Keep) -> None:
        ids, groups, types = pack.input_ids, pack.groups, pack.token_type_ids
        with _no_warnings():
            keep(pack, packed.encode_pack(ids, groups, self.parameters, workspace, token_type_ids=types))

    def _encode_together(self, pack: Pack, threads: int) -> Float32Array | None:
        """Hidden states (T, E) of a single long text, whose tokens the threads share; None with too few."""
        tokens, hidden_size = len(pack.input_ids), self.parameters.position_embeddings.shape[1]
        # Beyond 384 keys OpenBLAS cuts the sum over them, except in small products (packed.py, "panels"). All
        # threads must do as one would, so each has rows enough for its products not to be small (80 rows, 400
        # keys and 32 columns of a head are 1,024,000 multiply-adds).
        threads = min(threads, tokens // (80 if tokens > 384 else SHARED_TOKENS // 2))
        bounds = [tokens * i // threads for i in range(threads + 1)]
        query_key_value = np.empty((tokens, 3 * hidden_size), np.float32)  # (T, 3E)
        hidden_states = np.empty((tokens, hidden_size), np.float32)  # (T, E)

        def work(number: int, wait: Callable[[], object]) -> None:
            rows = slice(bounds[number], bounds[number + 1])
            workspace = Workspace(rows.stop - rows.start, self.parameters)
            with _no_warnings():
                hidden_states[rows] = packed.encode_share(
                    pack.input_ids,
                    rows,
                    query_key_value,
                    self.parameters,
                    workspace,
                    wait=wait,
                    token_type_ids=pack.token_type_ids,
                )

        return hidden_states if run_together(work, threads=threads) else None


def _no_warnings() -> np.errstate:
    """Silence numpy's error state in this thread: a result that is not finite is an error anyway."""
    return np.errstate(all="ignore")


def make_packs(
    token_ids: TokenIds, token_types: TokenIds | None = None, *, pack_tokens: int, workers: int
) -> list[Pack]:
    """Distribute texts over packs of similar size, the same number of packs for each worker if lengths allow.

    A pack has up to ``pack_tokens`` tokens, which its last text may exceed; ``workers`` packs are encoded at
    the same time. The longest texts come first, so that no long pack remains at the end.
    """
    lengths = np.array([len(ids) for ids in token_ids], dtype=np.intp)
    order = np.argsort(-lengths, kind="stable")
    ends = np.cumsum(lengths[order])  # tokens up to and including each text
    total = int(ends[-1])
    packs = max(-(-total // pack_tokens), min(workers, total // SMALLEST_PACK), 1)
    packs = -(-packs // workers) * workers if packs > 1 else 1
    # all tokens are cut into equal shares; a text belongs to the share that has its middle
    pack_of = ((2 * ends - lengths[order]) * packs // (2 * total)).clip(max=packs - 1)
    cuts = np.flatnonzero(np.diff(pack_of)) + 1
    return [_pack(rows, token_ids, token_types) for rows in np.split(order, cuts)]


def _pack(rows: IntArray, token_ids: TokenIds, token_types: TokenIds | None) -> Pack:
    def concatenated(per_token: TokenIds) -> IntArray:
        return np.array([value for row in rows for value in per_token[row]], dtype=np.intp)

    groups: list[Group] = []
    for row in rows:
        length = len(token_ids[row])
        if groups and groups[-1].length == length:
            groups[-1] = groups[-1]._replace(texts=groups[-1].texts + 1)
        else:
            groups.append(Group(groups[-1].stop if groups else 0, 1, length))
    types = None if token_types is None else concatenated(token_types)
    return Pack(rows, concatenated(token_ids), groups, types)
