"""The requests and answers of text-embeddings-inference."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import BaseModel, Field, StrictBool, StrictStr

from minilm.server.schemas.requests import (
    Dimensions,
    EncodableText,
    ForeignFields,
    Input,
    RequestBody,
    Texts,
)

_NORMALIZE = "the field is called normalize"
_UNSCALED = "these vectors are not scaled to length 1"
# For answers whose vectors do not have length 1.
UNSCALED: ForeignFields = {
    "embd_normalize": ((-1,), _UNSCALED),
    **dict.fromkeys(
        ("normalize", "normalized", "normalize_embeddings", "use_activation"), ((False,), _UNSCALED)
    ),
}


class Truncation(RequestBody):
    """What to do with long texts."""

    truncate: StrictBool | None = Field(
        default=None,
        description="Cut long texts, or refuse them. By default as the option --auto-truncate says: cut.",
    )
    truncation_direction: Literal["Right", "right", "Left", "left"] | None = Field(
        default=None,
        description="Side on which long texts are cut. By default as the checkpoint says: on the right.",
    )


class EmbedRequest(Truncation):
    """The request of text-embeddings-inference's /embed."""

    # none of their values is accepted: it could contradict normalize
    foreign_fields: ClassVar[ForeignFields] = dict.fromkeys(UNSCALED.keys() - {"normalize"}, ((), _NORMALIZE))
    inputs: Input
    normalize: StrictBool = True
    prompt_name: StrictStr | None = None
    dimensions: Dimensions | None = None


class EmbedAllRequest(Truncation):
    """The request of text-embeddings-inference's /embed_all."""

    foreign_fields: ClassVar[ForeignFields] = {
        **UNSCALED,
        "return_multivector": ((True,), "the answer has the vector of every token"),
    }
    inputs: Input
    prompt_name: StrictStr | None = None


class SimilarityInputs(RequestBody):
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


class RerankRequest(Truncation):
    """The request of text-embeddings-inference's /rerank."""

    foreign_fields: ClassVar[ForeignFields] = {
        "use_activation": ((), "raw_scores: true answers logits"),
        "top_n": ((), "all texts are ranked; a request with documents has top_n"),
    }
    query: EncodableText
    texts: Texts
    raw_scores: StrictBool = Field(default=False, description="Logits; otherwise their sigmoid, 0 to 1.")
    return_text: StrictBool = Field(default=False, description="Return the texts as well.")


class RankItem(BaseModel):
    """One text of a ranking."""

    index: int
    score: float
    text: str | None = Field(default=None, description="Only with return_text.")


class TextEmbeddingsInferenceError(BaseModel):
    """What was wrong."""

    error: str
    error_type: Literal["Backend", "Empty", "Overloaded", "Validation"]
