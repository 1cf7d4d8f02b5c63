"""Requests and answers of text-embeddings-inference's /tokenize and /decode."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import BaseModel, Field, StrictBool, StrictStr

from minilm.server.schemas.requests import ForeignFields, Ids, RequestBody, Texts

_UNCUT: ForeignFields = {
    "truncate_prompt_tokens": ((), "nothing is cut"),
    **dict.fromkeys(("truncate", "truncation", "auto_truncate"), ((False,), "nothing is cut")),
}


class TokenizeRequest(RequestBody):
    """The request of /tokenize."""

    foreign_fields: ClassVar[ForeignFields] = {
        **_UNCUT,
        "skip_special_tokens": ((), "the field is called add_special_tokens"),
    }
    inputs: StrictStr | Texts
    add_special_tokens: StrictBool = Field(default=True, description="[CLS] and [SEP] as well: the default.")
    prompt_name: StrictStr | None = None


class DecodeRequest(RequestBody):
    """The request of /decode."""

    foreign_fields: ClassVar[ForeignFields] = {
        **_UNCUT,
        "add_special_tokens": ((), "the field is called skip_special_tokens"),
    }
    ids: Ids | Annotated[list[Ids], Field(fail_fast=True)]
    skip_special_tokens: StrictBool = Field(default=True, description="Leave them out: the default.")


class SimpleToken(BaseModel):
    """A token, and where it stands: bytes of the text with its prompt, in UTF-8, end exclusive."""

    id: int
    text: str
    special: bool
    start: int | None = Field(description="Of a special token null.")
    stop: int | None
