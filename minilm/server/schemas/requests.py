"""What the requests of every protocol are made of, and what is done with fields that they do not have."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictInt,
    StrictStr,
    model_validator,
)
from pydantic_core import PydanticCustomError

from minilm.text.inputs import is_encodable

# Validation of a list stops at the first wrong element: naming each of millions takes minutes and gigabytes.
Ids = Annotated[list[Annotated[StrictInt, Field(ge=0, lt=2**31)]], Field(fail_fast=True)]
Texts = Annotated[list[StrictStr], Field(fail_fast=True)]
Input = StrictStr | Texts | Ids | Annotated[list[Ids], Field(fail_fast=True)]
MOST_SPELLINGS = 20  # unknown fields of a request that are compared with its own: more are no mistake
Dimensions = Annotated[StrictInt, Field(ge=1)]


def _encodable(text: str) -> str:
    if not is_encodable(text):
        raise ValueError("holds a lone surrogate, which is not a character")
    return text


# One text. Those of a list are checked once their number is known to be within the limit.
EncodableText = Annotated[StrictStr, AfterValidator(_encodable)]

_PROMPT = "a prompt goes before texts by prompt_name, in /embed and /similarity"
_FLOAT32 = "vectors are float32; encoding_format base64 makes them short"
_WHOLE = ("float", "float32", ["float"])

# Fields of other services that change their answers: the values that ask for what is done here anyway, and
# the remedy. A request whose protocol lacks the field is refused, unless it has such a value.
FOREIGN_FIELDS: dict[str, tuple[tuple[object, ...], str]] = {
    "prompt_name": ((), _PROMPT),
    "prompt": ((), _PROMPT),
    "input_type": ((), _PROMPT),
    "task": ((), _PROMPT),
    "task_type": ((), _PROMPT),
    "instruction": ((), _PROMPT),
    "embedding_type": (_WHOLE, _FLOAT32),
    "embedding_types": (_WHOLE, _FLOAT32),
    "encoding_type": (_WHOLE, _FLOAT32),
    "embed_dtype": (_WHOLE, _FLOAT32),
    "output_dtype": (_WHOLE, _FLOAT32),
    "precision": (_WHOLE, _FLOAT32),
    "output_dimension": ((), "the field is called dimensions"),
    "normalize": ((True,), "vectors have length 1, except from /embed with normalize: false"),
    "normalized": ((True,), "vectors have length 1, except from /embed with normalize: false"),
    "normalize_embeddings": ((True,), "vectors have length 1, except from /embed with normalize: false"),
    "late_chunking": ((False,), "each text is encoded by itself"),
    "pooling": ((), "the checkpoint says how token vectors are pooled"),
    "add_special_tokens": ((True,), "the checkpoint's special tokens go around every text"),
    "truncate": ((True, "END"), "the option --auto-truncate of the server decides, or truncate of /embed"),
    "truncation": ((True,), "the option --auto-truncate of the server decides, or truncate of /embed"),
    "truncate_prompt_tokens": ((-1,), "the option --max-seq-length of the server decides"),
    "truncation_direction": (("Right", "right"), "/embed can cut texts on the left"),
    "truncation_side": (("right",), "/embed can cut texts on the left, by truncation_direction"),
    "priority": ((0,), "all requests have the same priority"),
    "modality": (("text",), "only texts are encoded"),
    "messages": ((), "send texts"),
    "parameters": (({},), "send its fields beside the texts"),
    "top_n": ((), "all texts are ranked"),
    "top_k": ((), "all texts are ranked"),
}


def _with_null(schema: dict[str, Any]) -> None:
    """Say in the OpenAPI document that null is accepted for every field that may be left out."""
    for name, field in schema.get("properties", {}).items():
        if name in schema.get("required", ()) or {"type": "null"} in field.get("anyOf", ()):
            continue
        about = {key: field.pop(key) for key in ("title", "description", "default") if key in field}
        schema["properties"][name] = {"anyOf": [field, {"type": "null"}], **about}


class RequestBody(BaseModel):
    """The JSON body of a request, or an object inside it.

    Null for a field that may be left out means that it is left out. A field of another service that would
    change the answer is refused, and so is a misspelt one; other unknown fields have no effect.

    The parsed JSON is emptied once the request is made of it. The web framework holds it until the answer is
    sent. Unknown fields are parsed as well, and can take 50 times their bytes.
    """

    model_config = ConfigDict(json_schema_extra=_with_null)

    @model_validator(mode="wrap")
    @classmethod
    def _read(cls, values: Any, validate: Callable[[Any], Any]) -> Any:  # noqa: ANN401
        if not isinstance(values, dict):
            return validate(values)
        required = {field.alias or name for name, field in cls.model_fields.items() if field.is_required()}
        given = {key: value for key, value in values.items() if value is not None or key in required}
        cls._refuse_unknown(given)
        request = validate(given)
        values.clear()
        return request

    @classmethod
    def _refuse_unknown(cls, given: dict[str, Any]) -> None:
        known = {field.alias or name for name, field in cls.model_fields.items()}
        unknown = [name for name in given if name not in known]
        for name in FOREIGN_FIELDS.keys() & unknown:
            accepted, remedy = FOREIGN_FIELDS[name]
            if not any(_is_same(given[name], value) for value in accepted):
                raise _refused_field(name, remedy)
        for name in unknown[:MOST_SPELLINGS]:
            if name not in FOREIGN_FIELDS and len(name) < 50:
                close = difflib.get_close_matches(name, known - given.keys(), n=1, cutoff=0.85)
                if close:
                    raise _refused_field(name, f"did you mean {close[0]}?")


def _is_same(value: object, other: object) -> bool:
    return type(value) is type(other) and value == other  # True is not 1


def _refused_field(name: str, remedy: str) -> PydanticCustomError:
    context = {"field": name, "remedy": remedy}
    return PydanticCustomError("refused_field", "{field} is not a field of this request: {remedy}", context)
