"""A cross-encoder behind the routes, with a queue of its own: it ranks texts, or finds their labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from minilm._arrays import AnyArray, Float32Array
from minilm.activations import Activation, sigmoid
from minilm.checkpoint.config import read_settings
from minilm.checkpoint.heads import read_labels, read_probability
from minilm.cross_encoder import CrossEncoder
from minilm.server.inputs import Cutting, Places
from minilm.server.names import ModelNames
from minilm.server.service import Service, run_off_loop
from minilm.text.spans import TextSpans
from minilm.tokenizer import TokenizedTexts

TextOrPair = str | tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Item:
    """A text or pair in the queue."""

    input_ids: list[int]
    token_type_ids: list[int]

    def __len__(self) -> int:
        return len(self.input_ids)


class Ranking(NamedTuple):
    """The best texts: their indices and scores, the best first; all tokens; and what was cut."""

    indices: list[int]
    scores: list[float]
    tokens: int
    truncated: list[int]


class CrossEncoding:
    """A cross-encoder and its queue."""

    def __init__(self, model: CrossEncoder, service: Service) -> None:
        self.model = model
        self.names = ModelNames(model.checkpoint)
        checkpoint = model.checkpoint
        settings = read_settings(checkpoint.directory, kind="CrossEncoder", is_default=checkpoint.is_default)
        self.labels = read_labels(settings, model.num_labels)
        self.probability: Activation = read_probability(settings, model.num_labels)
        self._service = service
        self._cutting = Cutting(model.pipeline)
        self.batcher = service.add_batcher(self._encode)

    def _encode(self, items: Sequence[_Item]) -> Sequence[AnyArray]:
        ids, types = [item.input_ids for item in items], [item.token_type_ids for item in items]
        return list(self.model.predict_tokens(ids, types))

    async def rank(
        self,
        query: str,
        texts: list[str],
        *,
        param: str = "texts",
        truncate: bool | None = None,
        side: str | None = None,
        is_raw: bool = False,
        top_n: int | None = None,
        max_tokens_per_text: int | None = None,
    ) -> Ranking:
        """The texts that match a query best; of equal scores the earlier text first.

        Scores are logits, or 0 to 1 by the sigmoid. ``max_tokens_per_text`` is how much of a text is read.
        """
        places, prompt_text = Places(param), self.model.resolve_prompt()
        # the query is read again with each text, and so counts as often
        self._service.check_limits(texts, places, repeated=len(prompt_text) + len(query))

        def tokenize() -> TokenizedTexts:
            given = texts
            if max_tokens_per_text is not None and max_tokens_per_text < self.model.max_seq_length:
                given = self._shortened(texts, max_tokens_per_text)
            pipeline = self._cutting.on(side)
            return pipeline.tokenize_window([(query, text) for text in given], prompt_text)

        characters = sum(map(len, texts)) + len(query) * len(texts)
        tokenized = await run_off_loop(characters, tokenize)
        logits, truncated = await self._logits(tokenized, places, truncate)
        scores = logits[:, 0] if is_raw else sigmoid(logits[:, 0])  # (n,)
        best = np.argsort(-scores, kind="stable")[:top_n]
        tokens = sum(map(len, tokenized.input_ids))
        return Ranking(best.tolist(), scores[best].tolist(), tokens, truncated)

    async def logits(
        self, inputs: Sequence[TextOrPair], *, truncate: bool | None = None, side: str | None = None
    ) -> tuple[Float32Array, list[int]]:
        """Logits (n, num_labels) of texts or pairs, and the indices of those that were cut."""
        places, prompt_text = Places("inputs"), self.model.resolve_prompt()
        joined = ["".join(item) for item in inputs]  # of a text, itself
        self._service.check_limits(joined, places, repeated=len(prompt_text))
        tokenized = await run_off_loop(
            sum(map(len, joined)), lambda: self._tokenized(inputs, prompt_text, side)
        )
        return await self._logits(tokenized, places, truncate)

    async def _logits(
        self, tokenized: TokenizedTexts, places: Places, truncate: bool | None
    ) -> tuple[Float32Array, list[int]]:
        ids, is_cut, types = tokenized
        truncated = self._service.truncated_indices(
            is_cut, places, self.model.max_seq_length, truncate=truncate
        )
        # a model that was trained without token types has none, and looks at none
        items = [_Item(row, kinds) for row, kinds in zip(ids, types or ids, strict=True)]
        return np.stack(await self.batcher.encode(items)), truncated

    def _tokenized(self, inputs: Sequence[TextOrPair], prompt_text: str, side: str | None) -> TokenizedTexts:
        """Token ids and types of texts and pairs."""
        pipeline = self._cutting.on(side)
        texts = pipeline.tokenizer.texts([prompt_text + item for item in inputs if isinstance(item, str)])
        pairs = pipeline.tokenize_window([item for item in inputs if not isinstance(item, str)], prompt_text)
        zeros = [[0] * len(ids) for ids in texts.input_ids]
        text_rows = zip(texts.input_ids, texts.is_truncated, zeros, strict=True)
        types = pairs.token_type_ids or pairs.input_ids
        pair_rows = zip(pairs.input_ids, pairs.is_truncated, types, strict=True)
        rows = [next(text_rows if isinstance(item, str) else pair_rows) for item in inputs]
        return TokenizedTexts(*map(list, zip(*rows, strict=True)))

    def _shortened(self, texts: list[str], size: int) -> list[str]:
        """Leave at most ``size`` tokens of each text."""
        is_right = self.model.tokenizer.truncation_side == "right"
        _, spans = self.model.tokenizer.with_spans(texts)

        def shortened(text: str, span: TextSpans) -> str:
            tokens = [token for token in span.tokens if not token.is_special]
            if len(tokens) <= size:
                return text
            return text[: tokens[size - 1].end] if is_right else text[tokens[-size].start :]

        return list(map(shortened, texts, spans))
