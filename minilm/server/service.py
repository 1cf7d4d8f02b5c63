"""The models behind the routes: a request's texts as token ids, within limits, and encoded in batches."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from minilm._arrays import AnyArray, Float32Array
from minilm.activations import sigmoid
from minilm.cross_encoder import CrossEncoder
from minilm.explanation import Explanation
from minilm.model import MiniLM
from minilm.pooling import normalize
from minilm.server.batching import Batcher, EncodeBatch
from minilm.server.inputs import IDS_REFUSED, Cutting, Places
from minilm.server.metrics import Metrics
from minilm.server.names import ModelNames
from minilm.server.responses import RequestError
from minilm.server.settings import ServerSettings
from minilm.text.inputs import is_encodable
from minilm.tokenizer import Tokenizer

T = TypeVar("T")

# Shorter texts are tokenized in the event loop: it takes half a millisecond at most.
INLINE_CHARACTERS = 2_000

logger = logging.getLogger(__name__)


class _Unpooled(list[int]):
    """Token ids in the queue whose token vectors (L, E) are wanted, not the pooled one (E,)."""


class Service:
    """The model behind the routes, and its queue."""

    def __init__(self, model: MiniLM, settings: ServerSettings) -> None:
        self.model = model
        self.settings = settings
        self.names = ModelNames(model.checkpoint, settings.served_model_names)
        self.started = int(time.time())
        self.batchers: list[Batcher] = []  # of the model, and of the reranker if there is one
        self.metrics = Metrics(lambda: sum(batcher.waiting_tokens for batcher in self.batchers))
        self.cutting = Cutting(model.pipeline)
        self._embed = model.head.embedder()
        self.batcher = self.add_batcher(self._encode)

    def add_batcher(self, encode: EncodeBatch) -> Batcher:
        """Return a new queue before ``encode``, within this server's limit and in its metrics."""
        batcher = Batcher(
            encode,
            threads=self.model.threads,
            max_tokens=self.settings.max_queue_tokens,
            observe_batch=self.metrics.observe_batch,
        )
        self.batchers.append(batcher)
        return batcher

    def _encode(self, batch: Sequence[list[int]]) -> list[AnyArray]:
        if not any(type(ids) is _Unpooled for ids in batch):
            return self.model.pipeline.run_tokens(batch, self._embed)
        return [
            vectors if type(ids) is _Unpooled else self._embed(vectors[None])[0]
            for ids, vectors in zip(batch, self.model.token_embeddings(batch), strict=True)
        ]

    async def token_ids(
        self,
        inputs: Any,  # noqa: ANN401 - a text, texts, ids, or lists of ids
        *,
        param: str,
        names: Sequence[str] = (),
        truncate: bool | None = None,
        side: str | None = None,
        prompt_name: str | None = None,
    ) -> tuple[list[list[int]], list[int]]:
        """Token ids of a request's inputs, and the indices of those that were cut.

        The prompt of that name, or the model's default one, goes before texts and not before ids. Without
        ``truncate`` the settings say whether long inputs are cut, and without ``side`` the checkpoint says on
        which side. ``names`` are those of the inputs in messages, by default ``param`` and an index.
        """
        if isinstance(inputs, str) or (inputs and isinstance(inputs[0], int)):
            inputs, names = [inputs], [param]
        places = Places(param, names)
        self.check_limits(inputs, places)
        pipeline = self.cutting.on(side)
        if isinstance(inputs[0], str):
            tokenized = await self._tokenize(pipeline.tokenize_window, inputs, prompt_name)
            rows, is_cut = tokenized.input_ids, tokenized.is_truncated
        elif self.settings.token_ids is None:
            raise RequestError(422, f"{param} {IDS_REFUSED}", param=param, code="token_ids_refused")
        else:
            rows, is_cut = self._frame(inputs, places, pipeline.tokenizer)
        return rows, self.truncated_indices(is_cut, places, self.model.max_seq_length, truncate=truncate)

    def _frame(
        self, inputs: list[list[int]], places: Places, tokenizer: Tokenizer
    ) -> tuple[list[list[int]], list[bool]]:
        """Put the special tokens around token ids, if they lack them; say which ids had to be cut."""
        prefix, suffix = tokenizer.special_token_ids
        room = self.model.max_seq_length - len(prefix) - len(suffix)
        last = self.model.config.vocab_size - 1
        rows, is_cut = [], []
        for index, ids in enumerate(inputs):
            if not ids:
                raise RequestError(
                    422, f"{places[index]} has no token ids", param=places.param, code="empty_input"
                )
            if max(ids) > last:
                message = f"{places[index]} has the token id {max(ids)}, and the vocabulary 0 to {last}"
                raise RequestError(422, message, param=places.param)
            end = len(ids) - len(suffix)
            is_framed = end >= len(prefix) and ids[: len(prefix)] == prefix and ids[end:] == suffix
            text_ids = ids[len(prefix) : end] if is_framed else ids
            is_cut.append(len(text_ids) > room)
            rows.append([*prefix, *tokenizer.kept(text_ids, min(room, len(text_ids))), *suffix])
        return rows, is_cut

    def truncated_indices(
        self, is_cut: Sequence[bool], places: Places, max_tokens: int, *, truncate: bool | None
    ) -> list[int]:
        """Return which texts were cut, and count them; refuse them if they are not to be cut."""
        truncated = [index for index, cut in enumerate(is_cut) if cut]
        if truncated and not (self.settings.auto_truncate if truncate is None else truncate):
            off = "the server has --no-auto-truncate"
            reason = off if truncate is None else "truncate: true has it cut"
            message = f"{places[truncated[0]]} is longer than the model's {max_tokens} tokens: {reason}"
            raise RequestError(413, message, param=places.param, code="context_length_exceeded")
        if truncated:
            self.metrics.truncated.inc(len(truncated))
            counts = len(truncated), len(is_cut), max_tokens
            logger.info("%d of %d texts of a request were cut at %d tokens", *counts)
        return truncated

    async def embed(
        self, input_ids: Sequence[list[int]], dimensions: int | None = None, *, is_normalized: bool = True
    ) -> Float32Array:
        """Embeddings (n, dimensions): cut first, and scaled to length 1 then; by default not cut."""
        width = self.model.embedding_dimension
        if dimensions is not None and dimensions > width:
            message = f"dimensions must lie in 1 to {width}, not {dimensions}"
            raise RequestError(422, message, param="dimensions")
        vectors = np.stack(await self.batcher.encode(input_ids))[:, :dimensions]
        return np.ascontiguousarray(normalize(vectors) if is_normalized else vectors, dtype=np.float32)

    async def explain(
        self, texts: list[str], param: str, names: Sequence[str] = ()
    ) -> tuple[Explanation, list[list[int]], list[int]]:
        """Why two texts have the score they have, their token ids, and the indices of those that were cut."""
        places = Places(param, names)
        self.check_limits(texts, places)
        tokenized, spans = await self._tokenize(self.model.pipeline.tokenize_with_spans, texts)
        tokens = await self.batcher.encode(list(map(_Unpooled, tokenized.input_ids)))
        explanation = await asyncio.to_thread(self.model.head.explain, spans, tokens)
        truncated = self.truncated_indices(
            tokenized.is_truncated, places, self.model.max_seq_length, truncate=True
        )
        return explanation, tokenized.input_ids, truncated

    async def _tokenize(
        self,
        tokenize: Callable[[Sequence[str], str], T],
        texts: Sequence[str],
        prompt_name: str | None = None,
    ) -> T:
        try:
            prompt_text = self.model.resolve_prompt(prompt_name=prompt_name)
        except ValueError as error:
            raise RequestError(422, str(error), param="prompt_name") from None
        return await run_off_loop(sum(map(len, texts)), lambda: tokenize(texts, prompt_text))

    def check_limits(self, inputs: Sequence[Sequence[Any]], places: Places, repeated: int = 0) -> None:
        """Refuse an empty request, one that is too large, and one with a text that has no UTF-8 form.

        ``repeated`` is the number of characters that are read again with each text.
        """
        limits, param = self.settings, places.param
        if not inputs:
            raise RequestError(422, f"{param} is empty", param=param, code="empty_input")
        if len(inputs) > limits.max_texts:
            limit = f"{limits.max_texts:,} per request"
            message = f"{param} has {len(inputs):,} texts; this server's limit is {limit}"
            raise RequestError(413, message, param=param, code="too_many_texts")
        characters = sum(map(len, inputs)) + repeated * len(inputs)
        if characters > limits.max_characters:
            limit = f"{limits.max_characters:,} characters per request"
            message = f"{param} has {characters:,} characters; this server's limit is {limit}"
            raise RequestError(413, message, param=param, code="too_many_characters")
        for index, text in enumerate(inputs):
            if isinstance(text, str) and not is_encodable(text):
                message = f"{places[index]} holds a lone surrogate, which is not a character"
                raise RequestError(422, message, param=param)


@dataclass(frozen=True, slots=True)
class _PairItem:
    """A pair in the queue of the reranker."""

    input_ids: list[int]
    token_type_ids: list[int]

    def __len__(self) -> int:
        return len(self.input_ids)


class Reranking:
    """The reranker behind ``/rerank``, and its queue. With several labels there is no single score."""

    def __init__(self, reranker: CrossEncoder, service: Service) -> None:
        if reranker.num_labels != 1:
            raise ValueError(f"a reranker has one label; {reranker!r} has {reranker.num_labels}")
        self.reranker = reranker
        self._service = service
        self._cutting = Cutting(reranker.pipeline)
        self.batcher = service.add_batcher(self._encode)

    def _encode(self, pairs: Sequence[_PairItem]) -> Sequence[AnyArray]:
        ids, types = [pair.input_ids for pair in pairs], [pair.token_type_ids for pair in pairs]
        return list(self.reranker.predict_tokens(ids, types))

    async def scores(
        self,
        query: str,
        texts: list[str],
        *,
        truncate: bool | None = None,
        side: str | None = None,
        is_raw: bool = False,
    ) -> tuple[AnyArray, list[int]]:
        """One score per text, (n,): logits, or 0 to 1 by the sigmoid; and which pairs were cut."""
        service, reranker = self._service, self.reranker
        prompt_text = reranker.resolve_prompt()
        places = Places("texts")
        service.check_limits(texts, places, repeated=len(prompt_text) + len(query))
        pairs = [(query, text) for text in texts]
        ids, is_cut, types = await run_off_loop(
            sum(len(query) + len(text) for text in texts),
            lambda: self._cutting.on(side).tokenize_window(pairs, prompt_text),
        )
        truncated = service.truncated_indices(is_cut, places, reranker.max_seq_length, truncate=truncate)
        # a reranker that was trained without token types has none, and looks at none
        items = [_PairItem(row, kinds) for row, kinds in zip(ids, types or ids, strict=True)]
        logits = np.stack(await self.batcher.encode(items))[:, 0]  # (n,)
        return logits if is_raw else sigmoid(logits), truncated


async def run_off_loop(characters: int, function: Callable[[], T]) -> T:
    """Return what ``function`` returns; with so many characters that it takes long, from a thread."""
    return function() if characters < INLINE_CHARACTERS else await asyncio.to_thread(function)
