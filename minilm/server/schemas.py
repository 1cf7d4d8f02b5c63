"""What clients may send and what they are answered, as the types from which the OpenAPI document is made."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    ModelWrapValidatorHandler,
    StrictBool,
    StrictInt,
    StrictStr,
    model_validator,
)
from typing_extensions import Self

from minilm.text.inputs import is_encodable

# Validation stops at the first wrong element of a list: naming each of millions takes minutes and gigabytes.
Ids = Annotated[list[Annotated[StrictInt, Field(ge=0, lt=2**31)]], Field(fail_fast=True)]
Texts = Annotated[list[StrictStr], Field(fail_fast=True)]
Input = StrictStr | Texts | Ids | Annotated[list[Ids], Field(fail_fast=True)]


def _encodable(text: str) -> str:
    if not is_encodable(text):
        raise ValueError("holds a lone surrogate, which is no character")
    return text


class RequestBody(BaseModel):
    """The body of a request. What was parsed is released once the request is made of it.

    FastAPI keeps the parsed JSON until the request is answered. Fields that no request has are parsed as
    well, and can take 50 times their bytes.
    """

    @model_validator(mode="wrap")
    @classmethod
    def _release_json(cls, parsed: Any, make: ModelWrapValidatorHandler[Self]) -> Self:  # noqa: ANN401
        request = make(parsed)
        if isinstance(parsed, dict):
            parsed.clear()
        return request


class EmbeddingsRequest(RequestBody):
    """OpenAI's request for embeddings, https://platform.openai.com/docs/api-reference/embeddings/create."""

    input: Input = Field(
        description="A text, a list of texts, the token ids of a text, or a list of those.",
        examples=["A girl is styling her hair.", ["one text", "another"], [2023, 2003]],
    )
    model: Annotated[StrictStr, AfterValidator(_encodable)] = Field(
        default="", description="The served model's name; see /v1/models."
    )
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: StrictInt | None = Field(
        default=None, ge=1, description="Keep this many components, the first, and scale to length 1 again."
    )
    user: StrictStr | None = Field(default=None, description="Accepted, as by OpenAI, and not used.")


class EmbedRequest(RequestBody):
    """The request of text-embeddings-inference's /embed."""

    inputs: Input
    normalize: StrictBool = True
    truncate: StrictBool = Field(default=False, description="Cut long texts; otherwise they are refused.")
    truncation_direction: Literal["Left", "Right", "left", "right"] = "Right"
    prompt_name: StrictStr | None = None
    dimensions: StrictInt | None = Field(default=None, ge=1)


class SimilarityInputs(BaseModel):
    """One text, and the texts it is compared with."""

    source_sentence: StrictStr
    sentences: Texts


class SimilarityParameters(BaseModel):
    """Options of /similarity."""

    truncate: StrictBool = False
    truncation_direction: Literal["Left", "Right", "left", "right"] = "Right"
    prompt_name: StrictStr | None = None


class SimilarityRequest(RequestBody):
    """The request of text-embeddings-inference's /similarity."""

    inputs: SimilarityInputs
    parameters: SimilarityParameters | None = None


class RerankRequest(RequestBody):
    """The request of text-embeddings-inference's /rerank."""

    query: StrictStr
    texts: Texts
    raw_scores: StrictBool = Field(default=False, description="Logits; otherwise their sigmoid, 0 to 1.")
    return_text: StrictBool = Field(default=False, description="Return the texts as well.")
    truncate: StrictBool = Field(default=False, description="Cut long pairs; otherwise they are refused.")
    truncation_direction: Literal["Left", "Right", "left", "right"] = "Right"


class CompareRequest(RequestBody):
    """Two texts, as the page sends them."""

    text_a: StrictStr
    text_b: StrictStr
    explain: StrictBool = Field(default=False, description="Add what each pair of tokens adds to the score.")


class MatrixRequest(RequestBody):
    """Many texts, to be compared with one another."""

    texts: Texts = Field(min_length=2, max_length=512)


class ErrorDetail(BaseModel):
    """What was wrong with a request."""

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
        description="Its length (L2) is 1. With base64, little-endian float32."
    )


class EmbeddingsAnswer(BaseModel):
    """OpenAI's list of embeddings."""

    object: Literal["list"]
    data: list[EmbeddingItem]
    model: str
    usage: Usage
    truncated: list[int] = Field(default=[], description="The inputs that were cut; absent if none was.")


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
    """A token and its characters in the text (code points, end exclusive)."""

    token: str
    start: int
    end: int
    is_special: bool


class WordItem(BaseModel):
    """A word and its share in the score."""

    start: int
    end: int
    share: float


class Side(BaseModel):
    """The explanation of one of the two texts."""

    tokens: list[TokenItem]
    words: list[WordItem]
    special_share: float = Field(description="What [CLS] and [SEP] add.")
    is_truncated: bool


class RankItem(BaseModel):
    """One text of a ranking."""

    index: int
    score: float
    text: str | None = Field(default=None, description="Only with return_text.")


class CompareAnswer(BaseModel):
    """The score; with ``explain`` also its parts."""

    score: float = Field(description="Cosine of the two embeddings.")
    tokens: list[int]
    truncated: list[int]
    max_seq_length: int
    milliseconds: float
    a: Side | None = None
    b: Side | None = None
    contributions: list[list[float]] | None = Field(
        default=None,
        description="What each token of a adds with each of b. The sum is the score.",
    )
    unexplained: str | None = Field(
        default=None, description="Why there is no explanation, although the request asked for one."
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
