"""What the service answers, as the types from which the OpenAPI document is made."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class ErrorDetail(BaseModel):
    """What was wrong."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorAnswer(BaseModel):
    """OpenAI's error object."""

    error: ErrorDetail


class Usage(BaseModel):
    """Tokens that were read, [CLS] and [SEP] included."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingItem(BaseModel):
    """One input's embedding."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str = Field(
        description="Of length 1 (L2); little-endian float32 in base64 if so asked."
    )


class EmbeddingsAnswer(BaseModel):
    """OpenAI's list of embeddings."""

    object: Literal["list"]
    data: list[EmbeddingItem]
    model: str
    usage: Usage
    truncated: list[int] = Field(default=[], description="Inputs that were cut; absent if none was.")


class ModelCard(BaseModel):
    """OpenAI's description of a model."""

    id: str
    object: Literal["model"]
    created: int = Field(description="When the server was started, in seconds since 1970.")
    owned_by: str


class ModelsAnswer(BaseModel):
    """OpenAI's list of models."""

    object: Literal["list"]
    data: list[ModelCard]


class TokenItem(BaseModel):
    """A token and the characters of the text that it stands for (code points, end exclusive)."""

    token: str
    start: int
    end: int
    is_special: bool


class WordItem(BaseModel):
    """A word and what it adds to the score."""

    start: int
    end: int
    share: float


class Side(BaseModel):
    """One of the two texts, explained."""

    tokens: list[TokenItem]
    words: list[WordItem]
    special_share: float = Field(description="What [CLS] and [SEP] add.")
    is_truncated: bool


class RankItem(BaseModel):
    """One text of a ranking."""

    index: int
    score: float
    text: str | None = Field(default=None, description="Only if it was asked for.")


class CompareAnswer(BaseModel):
    """The score; with ``explain`` also why."""

    score: float = Field(description="Cosine of the two embeddings.")
    tokens: list[int]
    truncated: list[int]
    max_seq_length: int
    milliseconds: float
    a: Side | None = None
    b: Side | None = None
    contributions: list[list[float]] | None = Field(
        default=None, description="What each token of a adds with each of b; the sum is the score."
    )
    unexplained: str | None = Field(
        default=None, description="Why there is no explanation, if one was asked for and there is none."
    )


class MatrixAnswer(BaseModel):
    """Cosine of each text with each."""

    similarities: list[list[float]]
    tokens: list[int]
    truncated: list[int]
    max_seq_length: int
    milliseconds: float


class HealthAnswer(BaseModel):
    """The server takes requests."""

    status: Literal["ok"]
