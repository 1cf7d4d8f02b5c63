"""The request and the answer of /search."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, Field, StrictBool, StrictInt, StrictStr

from minilm.server.schemas.requests import EncodableText, ForeignFields, RequestBody

MOST_PIECES = 100


class SearchRequest(RequestBody):
    """The request of /search."""

    foreign_fields: ClassVar[ForeignFields] = {
        **dict.fromkeys(("top_n", "top_k"), ((), "did you mean k?")),
        **dict.fromkeys(("return_text", "return_documents"), ((True,), "each piece has its text")),
    }
    query: EncodableText
    k: Annotated[StrictInt, Field(ge=1, le=MOST_PIECES)] = Field(default=10, description="How many pieces.")
    where: StrictStr | None = Field(default=None, description="A condition in SQL on the columns of a piece.")
    hybrid: StrictBool = Field(default=False, description="Look for the words of the query as well.")


class FoundSnippet(BaseModel):
    """A part of a piece in one line, and the places of its most telling words."""

    text: str
    marks: list[tuple[int, int]]


class FoundPiece(BaseModel):
    """A piece, and its place in the document."""

    score: float
    piece: int
    start: int
    end: int
    line: int | None
    end_line: int | None
    heading: str
    text: str
    snippet: FoundSnippet


class FoundDocument(BaseModel):
    """A document, with the pieces of it that were found, the best first."""

    document: str
    path: str
    score: float
    metadata: dict[str, Any]
    pieces: list[FoundPiece]


class SearchAnswer(BaseModel):
    """The answer of /search, which is that of ``minilm search --json``."""

    query: str
    hits: list[FoundDocument]
