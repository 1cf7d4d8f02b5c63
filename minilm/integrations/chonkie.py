"""chonkie: embeddings for its semantic chunker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chonkie.embeddings import BaseEmbeddings

from minilm._arrays import Float32Array
from minilm.hub import DEFAULT_MODEL
from minilm.integrations.models import ModelOrName, as_model, name_of

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Backend


class ChunkerEmbeddings(BaseEmbeddings):
    """Embeddings of sentences and groups of sentences, and the checkpoint's tokenizer to count with.

    Parameters
    ----------
    model : MiniLM, str or PathLike
        A model, a directory or a name on the Hub.
    """

    def __init__(self, model: ModelOrName = DEFAULT_MODEL) -> None:
        super().__init__()
        self.model = as_model(model)
        self._name = name_of(model)

    def embed(self, text: str) -> Float32Array:
        """Return the vector of a text."""
        return self.model.encode(text)

    def embed_batch(self, texts: list[str]) -> list[Float32Array]:
        """Return one vector per text."""
        return list(self.model.encode(texts))

    @property
    def dimension(self) -> int:
        """The number of components of a vector."""
        return self.model.get_embedding_dimension()

    def get_tokenizer(self) -> Backend:
        """Return the checkpoint's tokenizer, which does not cut a text."""
        return self.model.tokenizer.backend_of_length(None)

    def __repr__(self) -> str:
        return f"ChunkerEmbeddings({self._name!r})"
