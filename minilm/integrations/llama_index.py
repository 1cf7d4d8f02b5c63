"""LlamaIndex: a ``BaseEmbedding`` for its indices."""

from __future__ import annotations

import asyncio
from typing import Any

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.bridge.pydantic import PrivateAttr

from minilm.hub import DEFAULT_MODEL
from minilm.integrations.models import ModelOrName, as_model, name_of
from minilm.model import MiniLM


class MiniLMEmbedding(BaseEmbedding):
    """Embeddings of texts and queries, with the checkpoint's prompts for them, if it has any.

    Parameters
    ----------
    model : MiniLM, str or PathLike
        A model, a directory or a name on the Hub.
    embed_batch_size : int
        Texts per call from LlamaIndex; larger batches are faster.
    **options
        The other fields of ``BaseEmbedding`` (``callback_manager``, ``num_workers`` ...).
    """

    _model: MiniLM = PrivateAttr()

    def __init__(
        self,
        model: ModelOrName = DEFAULT_MODEL,
        *,
        embed_batch_size: int = 256,
        **options: Any,  # noqa: ANN401 - the fields of the base class
    ) -> None:
        options.setdefault("model_name", name_of(model))
        super().__init__(embed_batch_size=embed_batch_size, **options)
        self._model = as_model(model)

    @classmethod
    def class_name(cls) -> str:
        """Return the name under which LlamaIndex registers the class."""
        return "MiniLMEmbedding"

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._model.encode_query(query).tolist()

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._model.encode_document(text).tolist()

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return self._model.encode_document(texts).tolist()

    # The encoder releases Python's lock while it computes, so a thread is enough.
    async def _aget_query_embedding(self, query: str) -> list[float]:
        return await asyncio.to_thread(self._get_query_embedding, query)

    async def _aget_text_embedding(self, text: str) -> list[float]:
        return await asyncio.to_thread(self._get_text_embedding, text)

    async def _aget_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return await asyncio.to_thread(self._get_text_embeddings, texts)
