"""The request and the answer of /trace."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field, StrictStr

from minilm.server.schemas.page import TextsAnswer, TokenItem
from minilm.server.schemas.requests import RequestBody


class TraceRequest(RequestBody):
    """One text, or two."""

    text_a: StrictStr
    text_b: StrictStr | None = None
    encoding_format: Literal["float", "base64"] = Field(
        default="float", description="How attention is given."
    )


class WordPiece(TokenItem):
    """A token with its number in the vocabulary."""

    id: int


class InsideText(BaseModel):
    """What the encoder makes of one text, layer by layer."""

    pieces: list[WordPiece]
    attention: list[list[list[list[float]]]] | str = Field(
        description="By layer, head, token that looks, and token that is looked at; each row adds up to 1. "
        "For encoding_format base64, little-endian float32 in base64."
    )
    path: list[list[list[float]]] = Field(
        description="By layer (first the embeddings) and token: the vector in two dimensions."
    )
    norms: list[list[float]] = Field(description="By layer and token: the length of the vector.")
    pooled_shares: list[float] = Field(
        description="What each token adds to the pooled vector, along it; they add up to 1."
    )


class TraceAnswer(TextsAnswer):
    """The inside of the encoder."""

    texts: list[InsideText]
    variance: list[float] = Field(description="Parts of the variance that the two axes of the paths show.")
    scores: list[float] | None = Field(
        description="The score of two texts by layer, first that of the embeddings; of one text null."
    )
