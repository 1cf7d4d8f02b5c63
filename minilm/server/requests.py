"""What clients may send, as the types from which the OpenAPI document is made."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, StrictBool, StrictInt, StrictStr

Ids = list[Annotated[StrictInt, Field(ge=0, lt=2**31)]]


class EmbeddingsRequest(BaseModel):
    """OpenAI's request for embeddings, https://platform.openai.com/docs/api-reference/embeddings/create."""

    input: StrictStr | list[StrictStr] | Ids | list[Ids] = Field(
        description="A text, a list of texts, the token ids of a text, or a list of those.",
        examples=["A girl is styling her hair.", ["one text", "another"], [2023, 2003]],
    )
    model: StrictStr = Field(default="", description="The served model's name; see /v1/models.")
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: StrictInt | None = Field(
        default=None, ge=1, description="Keep the first so many components, and scale to length 1 again."
    )
    user: StrictStr | None = Field(default=None, description="Taken, as OpenAI does, and not used.")


class EmbedRequest(BaseModel):
    """The request of text-embeddings-inference's /embed."""

    inputs: StrictStr | list[StrictStr] | Ids | list[Ids]
    normalize: StrictBool = True
    truncate: StrictBool = Field(default=False, description="Cut long texts; otherwise they are refused.")
    truncation_direction: Literal["Left", "Right", "left", "right"] = "Right"
    prompt_name: StrictStr | None = None
    dimensions: StrictInt | None = Field(default=None, ge=1)


class SimilarityInputs(BaseModel):
    """One text, and those it is compared with."""

    source_sentence: StrictStr
    sentences: list[StrictStr]


class SimilarityParameters(BaseModel):
    """Options of /similarity."""

    truncate: StrictBool = False
    truncation_direction: Literal["Left", "Right", "left", "right"] = "Right"
    prompt_name: StrictStr | None = None


class SimilarityRequest(BaseModel):
    """The request of text-embeddings-inference's /similarity."""

    inputs: SimilarityInputs
    parameters: SimilarityParameters | None = None


class RerankRequest(BaseModel):
    """The request of text-embeddings-inference's /rerank."""

    query: StrictStr
    texts: list[StrictStr]
    raw_scores: StrictBool = Field(default=False, description="Logits; otherwise their sigmoid, 0 to 1.")
    return_text: StrictBool = Field(default=False, description="Give back the texts as well.")
    truncate: StrictBool = Field(default=False, description="Cut long pairs; otherwise they are refused.")
    truncation_direction: Literal["Left", "Right", "left", "right"] = "Right"


class CompareRequest(BaseModel):
    """Two texts, as the page sends them."""

    text_a: StrictStr
    text_b: StrictStr
    explain: StrictBool = Field(default=False, description="Add the share of each pair of tokens.")


class MatrixRequest(BaseModel):
    """Many texts, each to be compared with each."""

    texts: list[StrictStr] = Field(min_length=2, max_length=512)
