"""The model behind the routes: what a request gave as token ids, within limits, and gathered with others'."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from minilm.explanation import Explanation
from minilm.model import MiniLM
from minilm.server.batching import Gatherer, QueueFullError, Texts
from minilm.server.errors import RequestError
from minilm.server.limits import Settings
from minilm.server.metrics import Metrics
from minilm.text.inputs import is_encodable

Array = npt.NDArray[np.float32]
T = TypeVar("T")

# Texts with fewer characters than this are tokenized where the requests are read: half a millisecond at most.
INLINE_CHARACTERS = 2_000

logger = logging.getLogger(__name__)


class Service:
    """The model behind the routes: texts or ids in, rows out, gathered with other requests."""

    def __init__(self, model: MiniLM, settings: Settings) -> None:
        self.model = model
        self.settings = settings
        self.name = model.checkpoint.directory.name
        self.started = int(time.time())
        self.metrics = Metrics(lambda: self.gatherer.waiting_tokens)
        self.gatherer = Gatherer(
            lambda ids: model.encode_tokens(ids, normalize=False),
            width=model.embedding_dimension,
            cores=model.threads,
            max_tokens=settings.max_queue_tokens,
            watcher=self.metrics,
        )

    async def token_ids(
        self,
        given: Any,  # noqa: ANN401 - a text, texts, ids, or lists of ids
        *,
        param: str,
        truncate: bool = True,
        prompt_name: str | None = None,
    ) -> tuple[list[list[int]], list[int]]:
        """Token ids of what a request gave, and the indices of the texts that were cut.

        Before texts, not before ids, stands the prompt of that name, or else the model's default one.

        Raises
        ------
        RequestError
            If there is nothing, too much, an id that the vocabulary lacks, or, without ``truncate``, a text
            that is too long.
        """
        texts, ids = _as_lists(given, param)
        self.hold_to_limits(texts if texts is not None else ids or [], param)
        longest = self.model.max_seq_length
        if texts is not None:
            before = self._prompt(prompt_name)
            tokenized = await tokenize(self.model.tokenizer, [before + text for text in texts])
            rows = tokenized.input_ids
            truncated = [i for i, is_cut in enumerate(tokenized.is_truncated) if is_cut]
        else:
            before_ids, behind_ids = self.model.tokenizer.special_token_ids
            room = longest - len(before_ids) - len(behind_ids)
            rows, truncated = [], []
            for index, row in enumerate(ids or []):
                if row and max(row) >= self.model.config.vocab_size:
                    last = self.model.config.vocab_size - 1
                    raise RequestError(
                        422, f"{param}[{index}]: token id {max(row)} is not in 0 to {last}", param=param
                    )
                bare = _without(row, before_ids, behind_ids)
                if len(bare) > room:
                    truncated.append(index)
                rows.append([*before_ids, *bare[:room], *behind_ids])
        self.note_truncated(truncated, len(rows), param=param, longest=longest, is_allowed=truncate)
        return rows, truncated

    def note_truncated(
        self, truncated: list[int], of: int, *, param: str, longest: int, is_allowed: bool
    ) -> None:
        """Count texts that were cut, or refuse them."""
        if not truncated:
            return
        if not is_allowed:
            long = f"{param}[{truncated[0]}] is longer than the model's {longest} tokens"
            message = f"{long}; send truncate: true to have it cut"
            raise RequestError(413, message, param=param, code="context_length_exceeded")
        self.metrics.truncated.inc(len(truncated))
        logger.info("%d of %d texts of a request were cut at %d tokens", len(truncated), of, longest)

    async def embed(self, input_ids: Sequence[Sequence[int]]) -> Array:
        """Unnormalized embeddings (n, E)."""
        return await gathered(self.gatherer, input_ids)

    async def explain(self, texts: Sequence[str], tokens: int) -> Explanation:
        """Why two texts, of so many tokens, have their score; beside the queue, but counted in it."""
        with _refusing_when_full(), self.gatherer.occupied(tokens):
            return await asyncio.to_thread(self.model.explain, *texts)

    def _prompt(self, name: str | None) -> str:
        try:
            return self.model.resolve_prompt(prompt_name=name)
        except ValueError as error:
            raise RequestError(422, str(error), param="prompt_name") from None

    def hold_to_limits(self, given: Sequence[Sequence[Any]], param: str) -> None:
        """Refuse an empty request and one that is too large."""
        limits = self.settings
        if not given:
            raise RequestError(422, f"{param} is empty", param=param)
        if len(given) > limits.max_texts:
            message = (
                f"{param} has {len(given):,} texts; this server's limit is {limits.max_texts:,} a request"
            )
            raise RequestError(422, message, param=param, code="too_many_texts")
        characters = sum(map(len, given))
        if characters > limits.max_characters:
            limit = f"{limits.max_characters:,} characters a request"
            message = f"{param} has {characters:,} characters; this server's limit is {limit}"
            raise RequestError(422, message, param=param, code="too_many_characters")


async def tokenize(tokenizer: Callable[[Any], T], texts: Sequence[Any]) -> T:
    """What the tokenizer makes of texts or pairs; in a thread, if there is much to do."""
    characters = sum(len(text) if isinstance(text, str) else sum(map(len, text)) for text in texts)
    return tokenizer(texts) if characters < INLINE_CHARACTERS else await asyncio.to_thread(tokenizer, texts)


async def gathered(gatherer: Gatherer, texts: Texts) -> Array:
    """A row of each text.

    Raises
    ------
    RequestError
        503, if too much waits already.
    """
    with _refusing_when_full():
        return await gatherer.encode(texts)


@contextmanager
def _refusing_when_full() -> Iterator[None]:
    try:
        yield
    except QueueFullError as error:
        headers = {"Retry-After": str(error.retry_after)}
        raise RequestError(503, str(error), code="queue_full", headers=headers) from None


def check_texts(texts: Sequence[str], param: str) -> None:
    """Refuse texts that have no UTF-8 form."""
    for index, text in enumerate(texts):
        if not is_encodable(text):
            raise RequestError(
                422, f"{param}[{index}] holds a lone surrogate, which is no character", param=param
            )


def _without(row: list[int], before: list[int], behind: list[int]) -> list[int]:
    """The text's own ids, if the tokenizer's stand around them."""
    end = len(row) - len(behind)
    is_framed = end >= len(before) and row[: len(before)] == before and row[end:] == behind
    return row[len(before) : end] if is_framed else row


def _as_lists(given: Any, param: str) -> tuple[list[str] | None, list[list[int]] | None]:  # noqa: ANN401
    """What a request gave as a list of texts or as a list of lists of ids."""
    if isinstance(given, str):
        texts, ids = [given], None
    elif given and isinstance(given[0], str):
        texts, ids = given, None
    elif given and isinstance(given[0], int):
        texts, ids = None, [given]
    else:
        texts, ids = None, given
    check_texts(texts or [], param)
    for index, row in enumerate(ids or []):
        if not row:
            raise RequestError(422, f"{param}[{index}] has no token ids", param=param)
    return texts, ids
