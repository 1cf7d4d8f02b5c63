"""KeyBERT: a backend, for ``KeyBERT(model=KeyBERTBackend())``."""

from __future__ import annotations

from typing import Any

from keybert.backend import BaseEmbedder

from minilm._arrays import Float32Array
from minilm.hub import DEFAULT_MODEL
from minilm.integrations.models import ModelOrName, as_model


class KeyBERTBackend(BaseEmbedder):
    """Embeddings of documents and of the phrases that may be their keywords.

    Pass this to KeyBERT, not the model itself: it takes only backends, and models of kinds that it knows.

    Parameters
    ----------
    model : MiniLM, str or PathLike
        A model, a directory or a name on the Hub.
    **encode_kwargs
        As for :meth:`minilm.MiniLM.encode`, such as ``batch_size``.
    """

    def __init__(self, model: ModelOrName = DEFAULT_MODEL, **encode_kwargs: Any) -> None:  # noqa: ANN401 - as encode
        super().__init__(embedding_model=as_model(model))
        self.encode_kwargs = encode_kwargs

    def embed(self, documents: list[str], verbose: bool = False) -> Float32Array:
        """Return embeddings (n, E) of n documents or phrases; ``verbose`` shows the progress."""
        return self.embedding_model.encode(documents, **{"show_progress_bar": verbose} | self.encode_kwargs)


MiniLMBackend = KeyBERTBackend  # one name in both modules: both libraries say "backend"
