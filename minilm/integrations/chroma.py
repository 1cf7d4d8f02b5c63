"""Chroma: an ``EmbeddingFunction`` that a collection finds by itself, and collections that others made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chromadb.api.types import Documents, EmbeddingFunction, Embeddings, Space
from chromadb.utils.embedding_functions import register_embedding_function

from minilm.errors import MiniLMError
from minilm.hub import DEFAULT_MODEL
from minilm.integrations.models import ModelOrName, as_model, name_of

if TYPE_CHECKING:
    from chromadb import Collection
    from chromadb.api import ClientAPI


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


class _InPlaceOfAnother(MiniLMEmbeddingFunction):
    """For a collection of sentence-transformers' function, which has no prompts for queries and documents."""

    def __call__(self, input: Documents) -> Embeddings:  # noqa: A002 - Chroma uses this name
        return list(self._model.encode(list(input)))

    def embed_query(self, input: Documents) -> Embeddings:  # noqa: A002 - as above
        return self(input)


def open_collection(client: ClientAPI, name: str, model: ModelOrName = DEFAULT_MODEL) -> Collection:
    """Return a collection of Chroma's default or sentence-transformers function, with minilm in its place.

    The collection keeps the name of its own function, so that programs without minilm can open it as before.

    Raises
    ------
    MiniLMError
        If the collection was made with another checkpoint, or with options that change its vectors.
    """
    # Chroma's default function, which this gives, loads nothing until it embeds
    stored = client.get_collection(name).configuration_json["embedding_function"] or {}
    known = {"default": {"model_name": DEFAULT_MODEL}, "sentence_transformer": stored.get("config", {})}
    if stored.get("name") not in known:
        raise MiniLMError(
            f"the collection {name!r} was made with the embedding function {stored.get('name')!r}: minilm "
            f"can take the place of {' and '.join(known)}"
        )
    config = known[stored["name"]]
    loaded = as_model(model)
    if _short(config["model_name"]) != _short(name_of(loaded)):
        raise MiniLMError(
            f"the collection {name!r} was made with {config['model_name']!r}, not with {name_of(loaded)!r}: "
            "pass its checkpoint as model"
        )
    if config.get("kwargs") or (config.get("normalize_embeddings") and not loaded.normalize):
        raise MiniLMError(f"the collection {name!r} has options that minilm lacks: {config}")
    ours: Any = _InPlaceOfAnother(model)
    ours.name = lambda: stored["name"]  # Chroma compares it with the stored one
    return client.get_collection(name, embedding_function=ours)


def _short(name: str) -> str:
    """Return a name on the Hub without its owner, which sentence-transformers lets people leave out."""
    return name.rpartition("/")[2]
