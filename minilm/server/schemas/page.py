"""What the page asks for, and the answers."""

from __future__ import annotations

from pydantic import BaseModel, Field, StrictBool, StrictStr

from minilm.server.schemas.requests import RequestBody, Texts


class CompareRequest(RequestBody):
    """Two texts, as the page sends them."""

    text_a: StrictStr
    text_b: StrictStr
    explain: StrictBool = Field(default=False, description="Add the share of each pair of tokens.")


class MatrixRequest(RequestBody):
    """Many texts, to be compared with each other."""

    texts: Texts = Field(min_length=2, max_length=512)


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
    unfamiliar: list[int] = Field(
        description="Indices of the texts of which most tokens are unknown or single letters."
    )
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
