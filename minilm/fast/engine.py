"""From token ids to results, pack by pack, on all cores: how ``packed.py`` is put to work.

Many texts: each core takes a pack of them, then the next. A single long one: the cores share its tokens.

Shapes: T tokens in a pack, N texts of equal length L, E hidden width.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from minilm.errors import CheckpointError
from minilm.fast import packed
from minilm.fast.packed import PackedParameters, Workspace
from minilm.fast.packing import Pack, make_packs
from minilm.fast.threads import run_jobs, run_together

Array = npt.NDArray[np.float32]

# From the hidden states (N, L, E) of N texts of equal length to what is wanted of each of them.
Finish = Callable[[Array], Array | list[Array]]

# A pack holds as many tokens as batch_size texts of this many: 1024 by default. From 512 on the speed is the
# same, and a thread's buffers take 15 KiB a token.
TOKENS_PER_TEXT = 32

# From this many tokens on, threads share the work on a single text; below, they would wait more than work.
SHARED_TOKENS = 64


class Engine:
    """An encoder and the cores it runs on.

    Parameters
    ----------
    parameters : PackedParameters
    threads : int
        Cores to use; may be changed.
    name : str or Path
        What the parameters are called in an error.
    """

    def __init__(
        self, parameters: PackedParameters, threads: int, *, name: str | Path = "the checkpoint"
    ) -> None:
        self.parameters = parameters
        self.threads = threads
        self._name = name

    def run(
        self,
        token_ids: Sequence[Sequence[int]],
        pack_tokens: int,
        finish: Finish,
        advance: Callable[[int], object] = lambda _: None,
        token_types: Sequence[Sequence[int]] | None = None,
    ) -> Sequence[Array]:
        """What ``finish`` makes of each text, in the order given.

        Parameters
        ----------
        token_ids : sequence of n sequences of int
            Each text's ids, in the vocabulary; none is empty.
        pack_tokens : int
            Tokens that go through the encoder at a time, on each core.
        finish : callable
            Called with the hidden states of texts of equal length, by one thread at a time; it must not keep
            them, for they are overwritten.
        advance : callable
            Told how many texts more are done.
        token_types : sequence of n sequences of int, optional
            Each token's type, the sentence of a pair it belongs to; all 0 by default.

        Raises
        ------
        CheckpointError
            If what comes out is not finite, as the weights of a damaged checkpoint make it.
        """
        results: list[Array] = [np.empty(0, np.float32)] * len(token_ids)
        packs = make_packs(token_ids, pack_tokens=pack_tokens, workers=self.threads, token_types=token_types)

        def keep(pack: Pack, hidden_states: Array) -> None:
            rows = iter(pack.rows)
            for group in pack.groups:
                by_text = hidden_states[group.start : group.stop].reshape(group.texts, group.length, -1)
                finished = finish(by_text)
                if not np.isfinite(finished).all():
                    raise CheckpointError(
                        f"{self._name} is damaged: its weights are finite and what it makes of a text is not"
                    )
                for result, row in zip(finished, rows, strict=False):  # rows go on in the next group
                    results[row] = result
            advance(len(pack.rows))

        if len(token_ids) == 1 and self.threads > 1 and len(token_ids[0]) >= SHARED_TOKENS:
            with np.errstate(over="ignore", invalid="ignore"):
                keep(packs[0], self._encode_together(packs[0]))
            return results

        room = max(len(pack.input_ids) for pack in packs)  # tokens of the largest
        one_at_a_time = threading.Lock()

        def make_worker() -> Callable[[Pack], None]:
            workspace = Workspace(room, self.parameters)

            def encode_pack(pack: Pack) -> None:
                # no warning, for whatever overflows in the end is an error
                with np.errstate(over="ignore", invalid="ignore"):
                    hidden_states = packed.encode_pack(
                        pack.input_ids,
                        pack.groups,
                        self.parameters,
                        workspace,
                        token_type_ids=pack.token_type_ids,
                    )
                    with one_at_a_time:
                        keep(pack, hidden_states)

            return encode_pack

        run_jobs(packs, make_worker, threads=self.threads)
        return results

    def _encode_together(self, pack: Pack) -> Array:
        """Hidden states (T, E) of a single long text, its tokens shared among the threads."""
        tokens, hidden = len(pack.input_ids), self.parameters.position_embeddings.shape[1]
        # Beyond 384 keys OpenBLAS cuts the sum over them, except in small products (packed.py, 6): so
        # that all threads do as one would, each has rows enough for its products not to be small (80 rows,
        # 400 keys and 32 columns of a head are 1,024,000 multiply-adds).
        threads = min(self.threads, tokens // (80 if tokens > 384 else SHARED_TOKENS // 2))
        bounds = [tokens * i // threads for i in range(threads + 1)]
        query_key_value = np.empty((tokens, 3 * hidden), np.float32)  # (T, 3E)
        hidden_states = np.empty((tokens, hidden), np.float32)  # (T, E)

        def work(number: int, wait: Callable[[], object]) -> None:
            rows = slice(bounds[number], bounds[number + 1])
            workspace = Workspace(rows.stop - rows.start, self.parameters)
            with np.errstate(over="ignore", invalid="ignore"):  # of this thread
                hidden_states[rows] = packed.encode_share(
                    pack.input_ids,
                    rows,
                    query_key_value,
                    self.parameters,
                    workspace,
                    wait=wait,
                    token_type_ids=pack.token_type_ids,
                )

        run_together(work, threads=threads)
        return hidden_states
