"""Chroma: an ``EmbeddingFunction`` that a collection finds by itself when it is reopened."""

from __future__ import annotations

from typing import Any

from chromadb.api.types import Documents, EmbeddingFunction, Embeddings, Space
from chromadb.utils.embedding_functions import register_embedding_function

from minilm.hub import DEFAULT_MODEL
from minilm.integrations.models import ModelOrName, as_model, name_of


@register_embedding_function
class MiniLMEmbeddingFunction(EmbeddingFunction[Documents]):
    """Embeddings of documents and queries, with the checkpoint's prompts for them, if it has any.

    A collection stores the model's name. ``get_collection`` makes this function from it, in any process that
    has imported this module.

    Parameters
    ----------
    model : MiniLM, str or PathLike
        A model, a directory or a name on the Hub.
    """

    def __init__(self, model: ModelOrName = DEFAULT_MODEL) -> None:
        self._name = name_of(model)
        self._model = as_model(model)

    def __call__(self, input: Documents) -> Embeddings:  # noqa: A002 - Chroma uses this name
        """Return one vector per document."""
        return list(self._model.encode_document(list(input)))

    def embed_query(self, input: Documents) -> Embeddings:  # noqa: A002 - as above
        """Return one vector per query."""
        return list(self._model.encode_query(list(input)))

    @staticmethod
    def name() -> str:
        """Return the name under which Chroma registers the function."""
        return "minilm"

    def default_space(self) -> Space:
        """Return the default measure of a collection, the cosine."""
        return "cosine"

    def get_config(self) -> dict[str, Any]:
        """Return what a collection stores."""
        return {"model": self._name}

    @staticmethod
    def build_from_config(config: dict[str, Any]) -> MiniLMEmbeddingFunction:
        """Return the function of a collection that stored ``config``."""
        return MiniLMEmbeddingFunction(config["model"])
