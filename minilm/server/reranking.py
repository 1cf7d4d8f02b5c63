"""A CrossEncoder behind /rerank: pairs as token ids, gathered with other requests' pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from minilm.activations import sigmoid
from minilm.cross_encoder import CrossEncoder
from minilm.server.batching import Gatherer
from minilm.server.service import Service, check_texts, gathered, tokenize

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Pair:
    input_ids: list[int]
    token_type_ids: list[int]

    def __len__(self) -> int:
        return len(self.input_ids)


class Reranking:
    """The reranker behind its route.

    Raises
    ------
    ValueError
        If it has more than one label: then there is no one score to rank by.
    """

    def __init__(self, reranker: CrossEncoder, service: Service) -> None:
        if reranker.num_labels != 1:
            raise ValueError(f"a reranker has one label; {reranker!r} has {reranker.num_labels}")
        self.reranker = reranker
        self._service = service
        self.gatherer = Gatherer(
            self._encode,
            width=1,
            cores=service.model.threads,
            max_tokens=service.settings.max_queue_tokens,
            watcher=service.metrics,
        )
        service.metrics.add_queue(lambda: self.gatherer.waiting_tokens)

    def _encode(self, pairs: Sequence[_Pair]) -> Array:
        ids, types = [pair.input_ids for pair in pairs], [pair.token_type_ids for pair in pairs]
        return self.reranker.predict_tokens(ids, types)

    async def scores(self, query: str, texts: list[str], *, truncate: bool, is_raw: bool) -> Array:
        """A score of each text, (n,): logits, or 0 to 1 by the sigmoid."""
        check_texts([query], "query")
        check_texts(texts, "texts")
        before = self.reranker.resolve_prompt()
        pairs = [(before + query, text) for text in texts]
        # the query is read again with each text, and so counts as often
        self._service.hold_to_limits([first + second for first, second in pairs], "texts")
        ids, is_cut, types = await tokenize(self.reranker.tokenizer.pairs, pairs)
        self._service.note_truncated(
            [i for i, cut in enumerate(is_cut) if cut],
            len(texts),
            param="texts",
            longest=self.reranker.max_seq_length,
            is_allowed=truncate,
        )
        logits = await gathered(self.gatherer, list(map(_Pair, ids, types or [])))  # (n, 1)
        return logits[:, 0] if is_raw else sigmoid(logits[:, 0])
