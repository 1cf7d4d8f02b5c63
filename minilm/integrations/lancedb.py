"""LanceDB: the embedding function ``minilm`` of its registry, once this module is imported."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt
from lancedb.embeddings import TextEmbeddingFunction, register
from pydantic import ConfigDict

from minilm.hub import DEFAULT_MODEL
from minilm.integrations.models import as_model


@register("minilm")
class LanceDBEmbeddings(TextEmbeddingFunction):
    """Embeddings of a column and of queries, with the checkpoint's prompts for them, if it has any.

    ``get_registry().get("minilm").create()`` makes one. A table stores the name, and a program that opens
    the table must have imported this module.

    Attributes
    ----------
    name : str
        A directory or a name on the Hub.
    normalize : bool
        Scale each embedding to length 1, also where the checkpoint does not.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid")  # other options would be ignored

    name: str = DEFAULT_MODEL
    normalize: bool = True
    max_retries: int = 0  # there is no service whose next answer may be another

    def ndims(self) -> int:
        """Return the number of components of an embedding."""
        return as_model(self.name).get_embedding_dimension()

    def compute_query_embeddings(self, query: str) -> list[list[float]]:
        """Return the vector of a query, in a list."""
        return as_model(self.name).encode_query([query], normalize_embeddings=self.normalize).tolist()

    def generate_embeddings(self, texts: list[str] | npt.NDArray[np.str_]) -> list[list[float]]:
        """Return one vector per text of a column."""
        return as_model(self.name).encode_document(list(texts), normalize_embeddings=self.normalize).tolist()
