"""What clients may send, as the types from which the OpenAPI document is made."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field, StrictBool, StrictInt, StrictStr

from minilm.text.inputs import is_encodable

# A list is left at its first wrong element: to name each of millions takes minutes and gigabytes.
Ids = Annotated[list[Annotated[StrictInt, Field(ge=0, lt=2**31)]], Field(fail_fast=True)]
Texts = Annotated[list[StrictStr], Field(fail_fast=True)]
Given = StrictStr | Texts | Ids | Annotated[list[Ids], Field(fail_fast=True)]


def _encodable(text: str) -> str:
    if not is_encodable(text):
        raise ValueError("holds a lone surrogate, which is no character")
    return text


class EmbeddingsRequest(BaseModel):
    """OpenAI's request for embeddings, https://platform.openai.com/docs/api-reference/embeddings/create."""

    input: Given = Field(
        description="A text, a list of texts, the token ids of a text, or a list of those.",
        examples=["A girl is styling her hair.", ["one text", "another"], [2023, 2003]],
    )
    model: Annotated[StrictStr, AfterValidator(_encodable)] = Field(
        default="", description="The served model's name; see /v1/models."
    )
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: StrictInt | None = Field(
        default=None, ge=1, description="Keep the first so many components, and scale to length 1 again."
    )
    user: StrictStr | None = Field(default=None, description="Taken, as OpenAI does, and not used.")


class EmbedRequest(BaseModel):
    """The request of text-embeddings-inference's /embed."""

    inputs: Given
    normalize: StrictBool = True
    truncate: StrictBool = Field(default=False, description="Cut long texts; otherwise they are refused.")
    truncation_direction: Literal["Left", "Right", "left", "right"] = "Right"
    prompt_name: StrictStr | None = None
    dimensions: StrictInt | None = Field(default=None, ge=1)


class SimilarityInputs(BaseModel):
    """One text, and those it is compared with."""

    source_sentence: StrictStr
    sentences: Texts


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
    texts: Texts
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

    texts: Texts = Field(min_length=2, max_length=512)
