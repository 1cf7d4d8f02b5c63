"""What the requests of every protocol are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field, StrictInt, StrictStr, model_validator

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
