"""Haystack: components that embed the query and the documents of a pipeline."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from haystack import Document, component, default_from_dict, default_to_dict

from minilm.hub import DEFAULT_MODEL
from minilm.integrations.models import ModelOrName, as_model, name_of


@component
class MiniLMTextEmbedder:
    """The component that embeds a query.

    Parameters
    ----------
    model : MiniLM, str or PathLike
        A model, a directory or a name on the Hub; it is loaded at first use.
    """

    def __init__(self, model: ModelOrName = DEFAULT_MODEL) -> None:
        self.model = model

    def warm_up(self) -> None:
        """Load the model now."""
        as_model(self.model)

    @component.output_types(embedding=list[float])
    def run(self, text: str) -> dict[str, Any]:
        """Return ``{"embedding": list of float}``."""
        if not isinstance(text, str):
            raise TypeError(
                f"text must be a str, not {type(text).__name__}; MiniLMDocumentEmbedder takes Documents"
            )
        return {"embedding": as_model(self.model).encode_query(text).tolist()}

    # The encoder releases Python's lock while it computes, so a thread is enough.
    @component.output_types(embedding=list[float])
    async def run_async(self, text: str) -> dict[str, Any]:
        """Return what ``run`` returns."""
        return await asyncio.to_thread(self.run, text)

    def to_dict(self) -> dict[str, Any]:
        """Return what a pipeline writes to its file."""
        return default_to_dict(self, model=name_of(self.model))

    from_dict: Any = classmethod(default_from_dict)


@component
class MiniLMDocumentEmbedder:
    """The component that embeds documents.

    Parameters
    ----------
    model : MiniLM, str or PathLike
        A model, a directory or a name on the Hub; it is loaded at first use.
    meta_fields_to_embed : list of str, optional
        Fields of a document's ``meta`` to put before its content.
    embedding_separator : str
        The text between them.
    batch_size : int
        As for :meth:`minilm.MiniLM.encode`.
    """

    def __init__(
        self,
        model: ModelOrName = DEFAULT_MODEL,
        meta_fields_to_embed: list[str] | None = None,
        embedding_separator: str = "\n",
        batch_size: int = 32,
    ) -> None:
        self.model = model
        self.meta_fields_to_embed = meta_fields_to_embed or []
        self.embedding_separator = embedding_separator
        self.batch_size = batch_size

    def warm_up(self) -> None:
        """Load the model now."""
        as_model(self.model)

    @component.output_types(documents=list[Document])
    def run(self, documents: list[Document]) -> dict[str, Any]:
        """Return ``{"documents": list of Document}``: copies, each with its embedding."""
        if not isinstance(documents, list) or not all(isinstance(one, Document) for one in documents):
            raise TypeError("documents must be a list of Documents; MiniLMTextEmbedder takes a str")
        texts = [self._text(document) for document in documents]
        embeddings = as_model(self.model).encode_document(texts, batch_size=self.batch_size).tolist()
        pairs = zip(documents, embeddings, strict=True)
        return {"documents": [replace(document, embedding=embedding) for document, embedding in pairs]}

    @component.output_types(documents=list[Document])
    async def run_async(self, documents: list[Document]) -> dict[str, Any]:
        """Return what ``run`` returns."""
        return await asyncio.to_thread(self.run, documents)

    def _text(self, document: Document) -> str:
        fields = [document.meta.get(name) for name in self.meta_fields_to_embed]
        values = [str(field) for field in fields if field is not None]
        return self.embedding_separator.join([*values, document.content or ""])

    def to_dict(self) -> dict[str, Any]:
        """Return what a pipeline writes to its file."""
        return default_to_dict(
            self,
            model=name_of(self.model),
            meta_fields_to_embed=self.meta_fields_to_embed,
            embedding_separator=self.embedding_separator,
            batch_size=self.batch_size,
        )

    from_dict: Any = classmethod(default_from_dict)
