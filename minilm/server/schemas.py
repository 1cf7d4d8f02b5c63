"""Requests and answers, as the types from which the OpenAPI document is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, StrictBool, StrictInt, StrictStr, model_validator

from minilm.text.inputs import is_encodable

# Validation of a list stops at the first wrong element: naming each of millions takes minutes and gigabytes.
Ids = Annotated[list[Annotated[StrictInt, Field(ge=0, lt=2**31)]], Field(fail_fast=True)]
Texts = Annotated[list[StrictStr], Field(fail_fast=True)]
Input = StrictStr | Texts | Ids | Annotated[list[Ids], Field(fail_fast=True)]


def _encodable(text: str) -> str:
    if not is_encodable(text):
        raise ValueError("holds a lone surrogate, which is not a character")
    return text


# One text. Those of a list are checked once their number is known to be within the limit.
EncodableText = Annotated[StrictStr, AfterValidator(_encodable)]


class RequestBody(BaseModel):
    """The JSON body of a request. The parsed JSON is emptied once the request is made of it.

    The web framework holds the parsed JSON until the answer is sent. Unknown fields are parsed as well, and
    can take 50 times their bytes.
    """

    @model_validator(mode="wrap")
    @classmethod
    def _release_json(cls, values: Any, validate: Callable[[Any], Any]) -> Any:  # noqa: ANN401
        request = validate(values)
        if isinstance(values, dict):
            values.clear()
        return request


class EmbeddingsRequest(RequestBody):
    """OpenAI's request for embeddings, https://platform.openai.com/docs/api-reference/embeddings/create."""

    input: Input = Field(
        description="A text, a list of texts, the token ids of a text, or a list of those.",
        examples=["A girl is styling her hair.", ["one text", "another"], [2023, 2003]],
    )
    model: EncodableText = Field(default="", description="The served model's name; see /v1/models.")
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: StrictInt | None = Field(
        default=None, ge=1, description="Keep this many first components, and scale to length 1 again."
    )
    user: StrictStr | None = Field(default=None, description="Accepted, as by OpenAI, and not used.")


class Truncation(BaseModel):
    """What to do with long texts."""

    truncate: StrictBool = Field(default=False, description="Cut long texts; otherwise they are refused.")
    truncation_direction: Literal["Right", "right"] = Field(
        default="Right", description="Texts are cut at their end only."
    )


class EmbedRequest(RequestBody, Truncation):
    """The request of text-embeddings-inference's /embed."""

    inputs: Input
    normalize: StrictBool = True
    prompt_name: StrictStr | None = None
    dimensions: StrictInt | None = Field(default=None, ge=1)


class SimilarityInputs(BaseModel):
    """One text, and the texts to compare it with."""

    source_sentence: StrictStr
    sentences: Texts


class SimilarityParameters(Truncation):
    """Options of /similarity."""

    prompt_name: StrictStr | None = None


class SimilarityRequest(RequestBody):
    """The request of text-embeddings-inference's /similarity."""

    inputs: SimilarityInputs
    parameters: SimilarityParameters | None = None


class RerankRequest(RequestBody, Truncation):
    """The request of text-embeddings-inference's /rerank."""

    query: EncodableText
    texts: Texts
    raw_scores: StrictBool = Field(default=False, description="Logits; otherwise their sigmoid, 0 to 1.")
    return_text: StrictBool = Field(default=False, description="Return the texts as well.")


class CompareRequest(RequestBody):
    """Two texts, as the page sends them."""

    text_a: StrictStr
    text_b: StrictStr
    explain: StrictBool = Field(default=False, description="Add the share of each pair of tokens.")


class MatrixRequest(RequestBody):
    """Many texts, to be compared with each other."""

    texts: Texts = Field(min_length=2, max_length=512)


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


class RankItem(BaseModel):
    """One text of a ranking."""

    index: int
    score: float
    text: str | None = Field(default=None, description="Only with return_text.")


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


class TextsAnswer(BaseModel):
    """What the page shows about its texts."""

    tokens: list[int] = Field(description="Number of tokens of each text.")
    truncated: list[int] = Field(description="Indices of the texts that were cut.")
    max_seq_length: int
    milliseconds: float


class CompareAnswer(TextsAnswer):
    """The score; with ``explain`` also why."""

    score: float = Field(description="Cosine of the two embeddings.")
    a: Side | None = None
    b: Side | None = None
    contributions: list[list[float]] | None = Field(
        default=None, description="What each pair of tokens adds to the score; their sum is the score."
    )
    unexplained: str | None = Field(default=None, description="Why explain has no effect for this model.")


class MatrixAnswer(TextsAnswer):
    """Cosine of each text with each."""

    similarities: list[list[float]]


class HealthAnswer(BaseModel):
    """The server accepts requests."""

    status: Literal["ok"]
