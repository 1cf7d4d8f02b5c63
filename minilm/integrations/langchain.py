"""LangChain: an ``Embeddings`` for its vector stores and retrievers."""

from __future__ import annotations

from langchain_core.embeddings import Embeddings

from minilm.hub import DEFAULT_MODEL
from minilm.integrations.models import ModelOrName, as_model


class MiniLMEmbeddings(Embeddings):
    """Embeddings of documents and queries, with the checkpoint's prompts for them, if it has any.

    Parameters
    ----------
    model : MiniLM, str or PathLike
        A model, a directory or a name on the Hub.
    batch_size, show_progress_bar
        As for :meth:`minilm.MiniLM.encode`.
    """

    def __init__(
        self,
        model: ModelOrName = DEFAULT_MODEL,
        *,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
    ) -> None:
        self.model = as_model(model)
        self.batch_size = batch_size
        self.show_progress_bar = show_progress_bar

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return one vector per text."""
        size, show = self.batch_size, self.show_progress_bar
        return self.model.encode_document(texts, batch_size=size, show_progress_bar=show).tolist()

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of a query."""
        return self.model.encode_query(text).tolist()
