"""The request and the answer of text-embeddings-inference's /embed_sparse."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, Field, StrictStr

from minilm.server.schemas.requests import ForeignFields, Texts
from minilm.server.schemas.text_embeddings_inference import UNSCALED, Truncation


class EmbedSparseRequest(Truncation):
    """The request of /embed_sparse. It has no token ids: they would be of another vocabulary."""

    foreign_fields: ClassVar[ForeignFields] = UNSCALED
    inputs: StrictStr | Texts
    prompt_name: StrictStr | None = None


class SparseValue(BaseModel):
    """The weight of one word of the vocabulary."""

    index: int = Field(description="Its token id.")
    value: float
