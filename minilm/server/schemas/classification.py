"""The request and the answer of text-embeddings-inference's /predict."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, Field, StrictBool, StrictInt, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError
from typing_extensions import Self

from minilm.server.schemas.requests import ForeignFields, RequestBody, contradiction
from minilm.server.schemas.text_embeddings_inference import Truncation


def _input_rows(inputs: Any) -> list[Any]:  # noqa: ANN401 - any JSON
    """The texts or pairs of ``inputs``, as lists."""
    if isinstance(inputs, list) and any(isinstance(item, list) for item in inputs):
        return inputs
    return [inputs if isinstance(inputs, list) else [inputs]]


def _check_inputs(inputs: Any) -> Any:  # noqa: ANN401 - any JSON
    for row in _input_rows(inputs):
        if not (isinstance(row, list) and 1 <= len(row) <= 2 and all(isinstance(text, str) for text in row)):
            raise PydanticCustomError(
                "inputs",
                'a text, a pair as a list of two, or a list of such lists: [["a"], ["b"]]',
            )
    return inputs


def _list_of(items: dict[str, Any], **size: int) -> dict[str, Any]:
    return {"type": "array", "items": items, **size}


_TEXT_OR_PAIR = _list_of({"type": "string"}, minItems=1, maxItems=2)
PredictInputs = Annotated[
    Any,
    AfterValidator(_check_inputs),
    WithJsonSchema({"anyOf": [{"type": "string"}, _TEXT_OR_PAIR, _list_of(_TEXT_OR_PAIR, minItems=1)]}),
]


class ClassificationParameters(RequestBody):
    """Options that Hugging Face's client sends for text classification."""

    foreign_fields: ClassVar[ForeignFields] = {
        "raw_scores": ((), "send it beside the inputs"),
        "use_activation": ((), 'function_to_apply: "none" answers logits'),
    }
    function_to_apply: Literal["sigmoid", "softmax", "none"] | None = None
    top_k: Annotated[StrictInt, Field(ge=1)] | None = None


class PredictRequest(Truncation):
    """The request of /predict."""

    foreign_fields: ClassVar[ForeignFields] = {
        **dict.fromkeys(("function_to_apply", "top_k"), ((), "send it in parameters")),
        "use_activation": ((), "raw_scores: true answers logits"),
    }
    inputs: PredictInputs = Field(
        description="A text, a pair of texts as a list of two, or a list of lists of one or two.",
        examples=["a text", ["first", "second"], [["a text"], ["first", "second"]]],
    )
    raw_scores: StrictBool = Field(default=False, description="Logits, not probabilities.")
    parameters: ClassificationParameters | None = None

    @model_validator(mode="after")
    def _has_one_kind_of_scores(self) -> Self:
        function = self.parameters.function_to_apply if self.parameters else None
        if function and "raw_scores" in self.model_fields_set and self.raw_scores != (function == "none"):
            raise contradiction("raw_scores", "parameters.function_to_apply")
        return self

    @property
    def texts_or_pairs(self) -> list[str | tuple[str, str]]:
        """The inputs, of which a pair is a tuple."""
        return [row[0] if len(row) == 1 else (row[0], row[1]) for row in _input_rows(self.inputs)]

    @property
    def is_batch(self) -> bool:
        """Whether the answer is a list of lists."""
        return _input_rows(self.inputs) is self.inputs


class Prediction(BaseModel):
    """A label and how likely it is."""

    score: float
    label: str
