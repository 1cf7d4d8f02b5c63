"""semantic-router: a dense encoder for its routers."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from pydantic import ConfigDict, PrivateAttr
from semantic_router.encoders.base import AsymmetricDenseMixin, DenseEncoder

from minilm.hub import DEFAULT_MODEL
from minilm.integrations.models import ModelOrName, as_model, name_of
from minilm.model import MiniLM


class RouterEncoder(DenseEncoder, AsymmetricDenseMixin):
    """Embeddings of utterances and queries, with the checkpoint's prompts for them, if it has any.

    Parameters
    ----------
    model : MiniLM, str or PathLike
        A model, a directory or a name on the Hub.
    **options
        The other fields of ``DenseEncoder``.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid")  # other options would be ignored

    type: str = "minilm"
    _model: MiniLM = PrivateAttr()

    def __init__(self, model: ModelOrName = DEFAULT_MODEL, **options: Any) -> None:  # noqa: ANN401 - the fields
        super().__init__(**{"name": name_of(model)} | options)
        self._model = as_model(model)

    def encode_documents(self, docs: list[str]) -> list[list[float]]:
        """Return one vector per utterance of a route."""
        return self._model.encode_document(docs).tolist()

    def encode_queries(self, docs: list[str]) -> list[list[float]]:
        """Return one vector per query."""
        return self._model.encode_query(docs).tolist()

    __call__ = encode_documents

    # The encoder releases Python's lock while it computes, so a thread is enough.
    async def aencode_documents(self, docs: list[str]) -> list[list[float]]:
        """Return what ``encode_documents`` returns."""
        return await asyncio.to_thread(self.encode_documents, docs)

    async def aencode_queries(self, docs: list[str]) -> list[list[float]]:
        """Return what ``encode_queries`` returns."""
        return await asyncio.to_thread(self.encode_queries, docs)

    acall = aencode_documents
