"""Chroma: an ``EmbeddingFunction`` that a collection finds again by itself when it is reopened."""

from __future__ import annotations

from typing import Any

from chromadb.api.types import Documents, EmbeddingFunction, Embeddings, Space
from chromadb.utils.embedding_functions import register_embedding_function

from minilm.hub import DEFAULT_MODEL
from minilm.integrations.models import ModelOrName, as_model, name_of


@register_embedding_function
class MiniLMEmbeddingFunction(EmbeddingFunction[Documents]):
    """Embeddings of documents and of queries, with the checkpoint's prompt for each, if it has them.

    A collection keeps the model's name; ``get_collection`` makes this function of it again, in any process
    that has imported this module.

    Parameters
    ----------
    model : MiniLM, str or PathLike
        A model, a directory or a name on the Hub.
    """

    def __init__(self, model: ModelOrName = DEFAULT_MODEL) -> None:
        self._name = name_of(model)
        self._model = as_model(model)

    def __call__(self, input: Documents) -> Embeddings:  # noqa: A002 - Chroma calls it by this name
        """A vector of each document."""
        return list(self._model.encode_document(list(input)))

    def embed_query(self, input: Documents) -> Embeddings:  # noqa: A002 - as above
        """A vector of each query."""
        return list(self._model.encode_query(list(input)))

    @staticmethod
    def name() -> str:
        """The name under which Chroma knows the function."""
        return "minilm"

    def default_space(self) -> Space:
        """Collections compare by cosine, unless they are told otherwise."""
        return "cosine"

    def get_config(self) -> dict[str, Any]:
        """What a collection keeps."""
        return {"model": self._name}

    @staticmethod
    def build_from_config(config: dict[str, Any]) -> MiniLMEmbeddingFunction:
        """The function of a collection that kept ``config``."""
        return MiniLMEmbeddingFunction(config["model"])
