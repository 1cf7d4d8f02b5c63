"""Cohere's and Jina's requests and answers for reranking.

https://docs.cohere.com/reference/rerank and https://api.jina.ai; vLLM and infinity speak the same.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, Field, StrictBool, StrictInt, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError
from typing_extensions import Self

from minilm.server.schemas.requests import EncodableText, ForeignFields, RequestBody, contradiction
from minilm.text.inputs import is_encodable


def _check_document(document: Any) -> Any:  # noqa: ANN401 - any JSON
    """Refuse what is neither a text nor an object of texts; a text is checked with all the others."""
    texts = document.items() if isinstance(document, dict) else ()
    if isinstance(document, str) or (
        "text" in dict(texts) and all(isinstance(v, str) and is_encodable(k + v) for k, v in texts)
    ):
        return document
    raise PydanticCustomError("document", "a text, or an object of texts with one that is called text")


_TEXTS = {"type": "object", "additionalProperties": {"type": "string"}, "required": ["text"]}
Document = Annotated[
    Any, AfterValidator(_check_document), WithJsonSchema({"anyOf": [{"type": "string"}, _TEXTS]})
]
Count = Annotated[StrictInt, Field(ge=1)]


class DocumentsRequest(RequestBody):
    """The request of Cohere's and Jina's rerankers."""

    foreign_fields: ClassVar[ForeignFields] = {
        "return_text": ((), "did you mean return_documents?"),
        "top_k": ((), "did you mean top_n?"),
    }
    query: EncodableText
    documents: Annotated[list[Document], Field(fail_fast=True)] = Field(
        description="Texts, or objects with a text; what else an object has is returned with it."
    )
    model: EncodableText | None = Field(default=None, description="The name of the reranker.")
    top_n: Count | None = Field(default=None, description="How many of the best to return; all by default.")
    return_documents: StrictBool | None = Field(
        default=None, description="Return the documents as well: the default, but not of /v2/rerank."
    )
    raw_scores: StrictBool = Field(default=False, description="Logits; otherwise their sigmoid, 0 to 1.")
    use_activation: StrictBool = Field(default=True, description="false is as raw_scores.")
    max_tokens_per_doc: Count | None = Field(default=None, description="Read no more tokens of a document.")
    max_chunks_per_doc: Count | None = Field(
        default=None, description="A document is one chunk, whatever it says."
    )

    @model_validator(mode="after")
    def _has_one_kind_of_scores(self) -> Self:
        has_both = {"raw_scores", "use_activation"} <= self.model_fields_set
        if has_both and self.raw_scores == self.use_activation:
            raise contradiction("raw_scores", "use_activation")
        return self

    @property
    def texts(self) -> list[str]:
        """The text of each document."""
        return [document if isinstance(document, str) else document["text"] for document in self.documents]


class RerankError(BaseModel):
    """What was wrong, as Cohere says it and as Jina does."""

    message: str
    detail: str


class RankedDocument(BaseModel):
    """One document of a ranking."""

    index: int
    relevance_score: float
    document: dict[str, str] | None = Field(default=None, description="Only with return_documents.")


class RerankUsage(BaseModel):
    """Number of tokens of all pairs, special tokens included, as Jina counts them."""

    prompt_tokens: int
    total_tokens: int


class RerankTokens(BaseModel):
    """Number of tokens of all pairs, as Cohere counts them."""

    input_tokens: int
    output_tokens: int


class ApiVersion(BaseModel):
    """The version of Cohere's API."""

    version: str


class RerankMeta(BaseModel):
    """What Cohere says about an answer."""

    api_version: ApiVersion
    tokens: RerankTokens


class RerankAnswer(BaseModel):
    """A ranking, with the fields of Cohere's answer and of Jina's."""

    id: str
    model: str
    results: list[RankedDocument] = Field(description="The best first.")
    usage: RerankUsage
    meta: RerankMeta
