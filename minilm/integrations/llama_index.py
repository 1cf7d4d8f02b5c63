"""LlamaIndex: a ``BaseEmbedding`` for its indices."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.bridge.pydantic import ConfigDict, PrivateAttr

from minilm.hub import DEFAULT_MODEL
from minilm.integrations.models import ModelOrName, as_model, name_of


class MiniLMEmbedding(BaseEmbedding):
    """Embeddings of texts and queries, with the checkpoint's prompts for them, if it has any.

    Parameters
    ----------
    model : MiniLM, str or PathLike, optional
        A model, a directory or a name on the Hub; None is all-MiniLM-L6-v2.
    model_name : str, optional
        LlamaIndex's own word for a directory or a name on the Hub. ``to_dict`` writes it.
    embed_batch_size : int
        Texts per call from LlamaIndex; larger batches are faster.
    **options
        The other fields of ``BaseEmbedding`` (``callback_manager``, ``num_workers`` ...).

    Raises
    ------
    TypeError
        If both ``model`` and ``model_name`` are given.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid")  # other options would be ignored

    _model: ModelOrName = PrivateAttr()

    def __init__(
        self,
        model: ModelOrName | None = None,
        *,
        model_name: str | None = None,
        embed_batch_size: int = 256,
        **options: Any,  # noqa: ANN401 - the fields of the base class
    ) -> None:
        if model is None:
            model = model_name or DEFAULT_MODEL
        elif model_name is not None:
            raise TypeError(
                f"give model or model_name, not both: model_name={model_name!r} is another word for it"
            )
        super().__init__(model_name=name_of(model), embed_batch_size=embed_batch_size, **options)
        self._model = model
        as_model(model)  # a wrong name is an error here

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take the model that was pickled: by its name alone it would lose its prompts and other options."""
        fields = state["__dict__"].items()
        model = state["__pydantic_private__"]["_model"]
        self.__init__(model, **{k: v for k, v in fields if k != "model_name"})  # type: ignore[misc] # as theirs does

    @classmethod
    def class_name(cls) -> str:
        """Return the name under which LlamaIndex registers the class."""
        return "MiniLMEmbedding"

    def _get_query_embedding(self, query: str) -> list[float]:
        return as_model(self._model).encode_query(query).tolist()

    def _get_text_embedding(self, text: str) -> list[float]:
        return as_model(self._model).encode_document(text).tolist()

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return as_model(self._model).encode_document(texts).tolist()

    # The encoder releases Python's lock while it computes, so a thread is enough.
    async def _aget_query_embedding(self, query: str) -> list[float]:
        return await asyncio.to_thread(self._get_query_embedding, query)

    async def _aget_text_embedding(self, text: str) -> list[float]:
        return await asyncio.to_thread(self._get_text_embedding, text)

    async def _aget_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return await asyncio.to_thread(self._get_text_embeddings, texts)
