"""OpenAI's requests and answers, https://platform.openai.com/docs/api-reference/embeddings."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field, StrictStr

from minilm.server.schemas.requests import Dimensions, EncodableText, Input, RequestBody


class EmbeddingsRequest(RequestBody):
    """OpenAI's request for embeddings, https://platform.openai.com/docs/api-reference/embeddings/create."""

    input: Input = Field(
        description="A text, a list of texts, the token ids of a text, or a list of those.",
        examples=["A girl is styling her hair.", ["one text", "another"], [2023, 2003]],
    )
    model: EncodableText = Field(
        default="", description="The served model's name; any other is accepted, unless the server is strict."
    )
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: Dimensions | None = Field(
        default=None, description="Keep this many first components, and scale to length 1 again."
    )
    user: StrictStr | None = Field(default=None, description="Accepted, as by OpenAI, and not used.")


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
    """Number of tokens, [CLS] and [SEP] included."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingItem(BaseModel):
    """The embedding of one input."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str = Field(
        description="Of length 1 (L2); for encoding_format base64, little-endian float32 in base64."
    )


class EmbeddingsAnswer(BaseModel):
    """OpenAI's list of embeddings."""

    object: Literal["list"]
    data: list[EmbeddingItem]
    model: str
    usage: Usage
    truncated: list[int] = Field(default=[], description="Indices of the inputs that were cut, if any were.")


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
