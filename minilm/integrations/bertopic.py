"""BERTopic: a backend, for ``BERTopic(embedding_model=BERTopicBackend())``."""

from __future__ import annotations

from typing import Any

from bertopic.backend import BaseEmbedder

from minilm._arrays import Float32Array
from minilm.hub import DEFAULT_MODEL
from minilm.integrations.models import ModelOrName, as_model, name_of


class BERTopicBackend(BaseEmbedder):
    """Embeddings of documents and words.

    Pass this to BERTopic, not the model itself: it takes only backends, and models of kinds that it knows.
    A topic model that is saved holds the name of the checkpoint. To load it, name the backend again:
    ``BERTopic.load(path, embedding_model=BERTopicBackend())``.

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
        self._hf_model = name_of(model)  # what BERTopic.save writes down as the model's name

    def embed(self, documents: list[str], verbose: bool = False) -> Float32Array:
        """Return embeddings (n, E) of n documents or words; ``verbose`` shows the progress."""
        return self.embedding_model.encode(documents, **{"show_progress_bar": verbose} | self.encode_kwargs)


MiniLMBackend = BERTopicBackend  # one name in both modules: both libraries say "backend"
