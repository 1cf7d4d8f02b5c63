"""What the requests of every protocol are made of, and what is done with fields that they do not have."""

from __future__ import annotations

import difflib
import sys
from collections import ChainMap
from collections.abc import Callable
from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    StrictInt,
    StrictStr,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

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

# By field of another service: the values that ask for what is done here anyway, and the remedy for others.
ForeignFields = dict[str, tuple[tuple[object, ...], str]]

_PROMPT = "a prompt goes before texts by prompt_name, in /embed and /similarity"
_FLOAT32 = "vectors are float32; encoding_format base64 makes them short"
_WHOLE = ("float", "float32", ["float"])
_LITTLE = ("little", "native") if sys.byteorder == "little" else ("little",)
_SHORTER = "/v1/embeddings, /embed and /api/embed make vectors shorter, by dimensions"
_SCALED = "vectors have length 1, except from /embed with normalize: false"
_CUT = "the option --auto-truncate of the server decides, or truncate of /embed"
_LENGTH = "the option --max-seq-length of the server decides"
_SIDE = "/embed can cut texts on the left, by truncation_direction"
_BEST = "all texts are ranked; /v1/rerank has top_n, /predict has top_k in parameters, /search has k"
_OTHER_TEXTS = "its texts have another field, which /docs shows"

# A request whose protocol lacks the field is refused, unless it has such a value. The fields of this server
# are here as well: on another route they would change nothing. A schema where another value asks for what
# is done, or which has another remedy, says so in its ``foreign_fields``.
FOREIGN_FIELDS: ForeignFields = {
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
    "encoding_format": (("float",), "numbers are written as decimals; /v1/embeddings can write base64"),
    "endianness": (_LITTLE, "the bytes of encoding_format base64 are little-endian"),
    **dict.fromkeys(("dimensions", "dimension", "dim", "truncate_dim"), ((), _SHORTER)),
    **dict.fromkeys(("output_dimension", "output_dimensionality"), ((), _SHORTER)),
    "normalize": ((True,), _SCALED),
    "normalized": ((True,), _SCALED),
    "normalize_embeddings": ((True,), _SCALED),
    "embd_normalize": ((2,), _SCALED),
    "use_activation": (
        (True,),
        "/embed takes normalize: false, a reranker and a classifier raw_scores: true",
    ),
    "return_multivector": ((False,), "/embed_all answers the vectors of tokens"),
    "late_chunking": ((False,), "each text is encoded by itself"),
    "pooling": ((), "the checkpoint says how token vectors are pooled"),
    "add_special_tokens": ((True,), "the checkpoint's special tokens go around every text"),
    "skip_special_tokens": ((False,), "/decode takes it; /tokenize has add_special_tokens"),
    "truncate": ((True, "END"), _CUT),
    "truncation": ((True,), _CUT),
    "auto_truncate": ((True,), _CUT),
    "max_length": ((), _LENGTH),
    "truncate_prompt_tokens": ((-1,), _LENGTH),
    "truncation_direction": ((), _SIDE),  # "right" is not always true: by default the checkpoint decides
    "truncation_side": ((), _SIDE),
    "priority": ((0,), "all requests have the same priority"),
    "rank_fields": ((["text"],), "of a document its text is read"),
    "return_embeddings": ((False,), "a reranker makes no embeddings"),
    "modality": (("text",), "only texts are encoded"),
    "messages": ((), "send texts"),
    "parameters": (({},), "send its fields beside the texts"),
    **dict.fromkeys(("top_n", "top_k", "k"), ((), _BEST)),
    "raw_scores": ((False,), "/rerank and /predict take it"),
    "function_to_apply": ((), "/predict takes it, in parameters; /rerank has raw_scores"),
    "return_text": ((False,), "/rerank takes it beside texts"),
    "return_documents": ((False,), "a request with documents takes it; with texts, /rerank has return_text"),
    "max_tokens_per_doc": ((), "a request with documents takes it, of a reranker"),
    "max_tokens_per_query": ((), "a query is read whole, as far as --max-seq-length allows"),
    "explain": ((False,), "/compare takes it"),
    "where": ((), "/search takes it"),
    "hybrid": ((False,), "/search takes it"),
    **dict.fromkeys(("input", "inputs", "texts", "documents", "query", "ids"), ((), _OTHER_TEXTS)),
    **dict.fromkeys(("source_sentence", "sentences", "text_a", "text_b"), ((), _OTHER_TEXTS)),
}


def _with_null(schema: dict[str, Any]) -> None:
    """Say in the OpenAPI document that null is accepted for every field that may be left out."""
    for name, field in schema.get("properties", {}).items():
        if name in schema.get("required", ()) or {"type": "null"} in field.get("anyOf", ()):
            continue
        about = {key: field.pop(key) for key in ("title", "description", "default") if key in field}
        schema["properties"][name] = {"anyOf": [field, {"type": "null"}], **about}


class AnyOf:
    """Say in the OpenAPI document that a body of several forms may fit more than one, as its fields may."""

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        document = handler(schema)
        document["anyOf"] = document.pop("oneOf")
        return document


class RequestBody(BaseModel):
    """The JSON body of a request, or an object inside it.

    Null for a field that may be left out means that it is left out. A field of another service or another
    route that would change the answer is refused, and so is a misspelt one; other unknown fields have no
    effect.

    The parsed JSON is emptied once the request is made of it. The web framework holds it until the answer is
    sent. Unknown fields are parsed as well, and can take 50 times their bytes.
    """

    model_config = ConfigDict(json_schema_extra=_with_null)
    foreign_fields: ClassVar[ForeignFields] = {}

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
        foreign = ChainMap(cls.foreign_fields, FOREIGN_FIELDS)  # a copy would be made for each request
        unknown = [name for name in given if name not in known]
        wrong = [
            name for name in unknown if name in foreign and not _is_one_of(given[name], foreign[name][0])
        ]
        for name in [*wrong, *(name for name in unknown[:MOST_SPELLINGS] if name not in foreign)]:
            if len(name) < 50 and is_encodable(name):
                close = difflib.get_close_matches(name, known - given.keys(), n=1, cutoff=0.85)
                if close:
                    raise _refused_field(name, f"did you mean {close[0]}?")
            if name in foreign:
                raise _refused_field(name, foreign[name][1])


def contradiction(name: str, other: str) -> PydanticCustomError:
    """Return the refusal of a field that asks for something else than another field of the request."""
    context = {"field": name, "other": other}
    return PydanticCustomError("refused_field", "{field} contradicts {other}: send one of them", context)


def _is_one_of(value: object, others: tuple[object, ...]) -> bool:
    return any(type(value) is type(other) and value == other for other in others)  # True is not 1


def _refused_field(name: str, remedy: str) -> PydanticCustomError:
    context = {"field": name, "remedy": remedy}
    return PydanticCustomError("refused_field", "{field} is not a field of this request: {remedy}", context)
