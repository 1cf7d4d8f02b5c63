"""The models behind the routes: a request's texts as token ids, within limits, and encoded in batches."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from minilm._arrays import AnyArray, Float32Array
from minilm.explanation import Explanation
from minilm.model import MiniLM
from minilm.pooling import normalize
from minilm.server.batching import Batcher, EncodeBatch
from minilm.server.inputs import IDS_REFUSED, Cutting, Places
from minilm.server.metrics import Metrics
from minilm.server.names import ModelNames
from minilm.server.request_record import current_record
from minilm.server.responses import RequestError
from minilm.server.settings import ServerSettings
from minilm.server.unfamiliar import Unfamiliar
from minilm.sparse_encoder import SparseEncoder
from minilm.text.inputs import is_encodable
from minilm.text.spans import TextSpans
from minilm.tokenizer import TokenizedTexts, Tokenizer

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
        self.unfamiliar = Unfamiliar(model.tokenizer)
        self._embed = model.head.embedder()
        self.batcher = self.add_batcher(self._encode)

    def add_batcher(self, encode: EncodeBatch) -> Batcher:
        """Return a new queue before ``encode``, within this server's limit and in its metrics."""
        batcher = Batcher(
            encode,
            threads=self.model.threads,
            max_tokens=self.settings.max_queue_tokens,
            observe_batch=self.metrics.observe_batch,
            observe_cancelled=self.metrics.observe_cancelled,
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
        rows, is_cut = [], []
        self.check_ids(inputs, places)
        for ids in inputs:
            end = len(ids) - len(suffix)
            is_framed = end >= len(prefix) and ids[: len(prefix)] == prefix and ids[end:] == suffix
            text_ids = ids[len(prefix) : end] if is_framed else ids
            is_cut.append(len(text_ids) > room)
            rows.append([*prefix, *tokenizer.kept(text_ids, min(room, len(text_ids))), *suffix])
        return rows, is_cut

    def check_ids(self, inputs: Sequence[list[int]], places: Places) -> None:
        """Refuse a text without token ids, and one with an id that is not in the vocabulary."""
        last = self.model.config.vocab_size - 1
        for index, ids in enumerate(inputs):
            if not ids:
                raise RequestError(
                    422, f"{places[index]} has no token ids", param=places.param, code="empty_input"
                )
            if max(ids) > last:
                message = f"{places[index]} has the token id {max(ids)}, and the vocabulary 0 to {last}"
                raise RequestError(422, message, param=places.param)

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
            current_record().truncated += len(truncated)
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

    async def token_vectors(self, input_ids: Sequence[list[int]]) -> list[AnyArray]:
        """Hidden states (n_tokens, E) of each text, special tokens included."""
        return await self.batcher.encode(list(map(_Unpooled, input_ids)))

    async def explain(
        self, texts: list[str], param: str, names: Sequence[str] = ()
    ) -> tuple[Explanation, list[list[int]], list[int]]:
        """Why two texts have the score they have, their token ids, and the indices of those that were cut."""
        tokenized, spans = await self.with_spans(texts, places := Places(param, names))
        tokens = await self.token_vectors(tokenized.input_ids)
        explanation = await asyncio.to_thread(self.model.head.explain, spans, tokens)
        truncated = self.truncated_indices(
            tokenized.is_truncated, places, self.model.max_seq_length, truncate=True
        )
        return explanation, tokenized.input_ids, truncated

    async def with_spans(self, texts: list[str], places: Places) -> tuple[TokenizedTexts, list[TextSpans]]:
        """Token ids of texts, and where their tokens stand in them."""
        self.check_limits(texts, places)
        return await self._tokenize(self.model.pipeline.tokenize_with_spans, texts)

    async def _tokenize(
        self,
        tokenize: Callable[[Sequence[str], str], T],
        texts: Sequence[str],
        prompt_name: str | None = None,
    ) -> T:
        prompt_text = self.prompt_text(prompt_name)
        return await run_off_loop(sum(map(len, texts)), lambda: tokenize(texts, prompt_text))

    def prompt_text(self, prompt_name: str | None) -> str:
        """The prompt of that name, or the default one."""
        return prompt_text_of(self.model, prompt_name)

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


async def run_off_loop(characters: int, function: Callable[[], T]) -> T:
    """Return what ``function``, which tokenizes, returns; from a thread if so many characters take long."""
    with current_record().timed("tokenize"):
        return function() if characters < INLINE_CHARACTERS else await asyncio.to_thread(function)


def prompt_text_of(model: MiniLM | SparseEncoder, prompt_name: str | None) -> str:
    """The prompt of that name in a model, or its default one; a RequestError if it has none of that name."""
    try:
        return model.resolve_prompt(prompt_name=prompt_name)
    except ValueError as error:
        raise RequestError(422, str(error), param="prompt_name") from None
