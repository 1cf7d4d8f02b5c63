"""Ollama's requests and answers, https://github.com/ollama/ollama/blob/main/docs/api.md."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError
from typing_extensions import Self

from minilm.server.schemas.requests import EncodableText, ForeignFields, RequestBody, Texts, contradiction

# Options of Ollama that change no embedding: they steer how text is generated, or how a machine is used.
_WITHOUT_EFFECT = """
draft_num_predict f16_kv frequency_penalty logits_all low_vram main_gpu min_p mirostat mirostat_eta
mirostat_tau num_batch num_gpu num_gqa num_keep num_predict num_thread numa penalize_newline presence_penalty
repeat_last_n repeat_penalty seed stop temperature tfs_z top_k top_p typical_p use_mlock use_mmap vocab_only
"""


def _known_options(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that are not null; refuse one that may mean another embedding."""
    given = {name: value for name, value in options.items() if value is not None}
    for name in given.keys() - {*_WITHOUT_EFFECT.split(), "num_ctx"}:
        raise ValueError(f"has {name!r:.80}, which is not supported: leave it out")
    length = given.get("num_ctx", 1)
    if isinstance(length, bool) or not isinstance(length, int) or length < 1:
        raise ValueError(f"has num_ctx {length!r:.80}: it must be a positive whole number")
    return given


def _duration(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Refuse what is neither a number of seconds nor one of Go's durations."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if value is None or is_number or (isinstance(value, str) and _GO_DURATION.fullmatch(value)):
        return value
    raise PydanticCustomError("duration", "a number of seconds, or a duration such as 5m")


Options = Annotated[dict[str, Any], AfterValidator(_known_options)]
_GO_DURATION = re.compile(r"[+-]?(0|((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+)", re.ASCII)
_DURATION_SCHEMA = {"anyOf": [{"type": "number"}, {"type": "string"}, {"type": "null"}]}
Duration = Annotated[Any, AfterValidator(_duration), WithJsonSchema(_DURATION_SCHEMA)]


class OllamaRequest(RequestBody):
    """What both requests for embeddings have."""

    model: EncodableText = Field(description="The served model's name; see /api/tags.")
    keep_alive: Duration = Field(
        default=None,
        description="Seconds, or a duration such as 5m. The model stays in memory, whatever it says.",
    )
    options: Options | None = Field(
        default=None,
        description="num_ctx, if it is at least max_seq_length; others of Ollama's change no embedding.",
    )


class OllamaEmbedRequest(OllamaRequest):
    """The request of /api/embed."""

    foreign_fields: ClassVar[ForeignFields] = {"prompt": ((), "did you mean input?")}
    input: StrictStr | Texts | None = Field(default=None, description="A text, or a list of texts.")
    truncate: StrictBool | None = Field(
        default=None, description="Cut long texts, as by default; with false they are refused."
    )
    dimensions: StrictInt | None = Field(
        default=None,
        ge=0,
        description="Keep this many first components, and scale to length 1 again; 0 is all.",
    )


class OllamaEmbeddingsRequest(OllamaRequest):
    """The request of /api/embeddings, which came before /api/embed."""

    foreign_fields: ClassVar[ForeignFields] = {"input": ((), "did you mean prompt?")}
    prompt: EncodableText = ""


class OllamaShowRequest(RequestBody):
    """The request of /api/show; ``name`` is the former name of ``model``."""

    model: EncodableText | None = None
    name: EncodableText | None = None
    verbose: StrictBool | None = Field(default=None, description="Accepted; there is nothing more to say.")

    @model_validator(mode="after")
    def _has_one_name(self) -> Self:
        if self.model and self.name and self.model != self.name:
            raise contradiction("name", "model")
        return self


class OllamaError(BaseModel):
    """What was wrong."""

    error: str


class OllamaEmbedAnswer(BaseModel):
    """Embeddings, with what they took."""

    model: str
    embeddings: list[list[float]] = Field(description="Of length 1 (L2).")
    total_duration: int = Field(description="Nanoseconds.")
    load_duration: int = Field(description="Nanoseconds; the model is in memory already.")
    prompt_eval_count: int = Field(description="Number of tokens, [CLS] and [SEP] included.")


class OllamaEmbeddingsAnswer(BaseModel):
    """One embedding."""

    embedding: list[float]


class OllamaDetails(BaseModel):
    """What kind of model it is."""

    parent_model: str
    format: str
    family: str
    families: list[str]
    parameter_size: str
    quantization_level: str
    context_length: int
    embedding_length: int


class OllamaModel(BaseModel):
    """A model that is served."""

    name: str
    model: str
    modified_at: str
    size: int = Field(description="Bytes of its files.")
    digest: str = Field(description="It changes whenever one of its files does.")
    details: OllamaDetails
    capabilities: list[Literal["embedding"]]


class OllamaTagsAnswer(BaseModel):
    """The models that are served."""

    models: list[OllamaModel]


class OllamaShowAnswer(BaseModel):
    """One model, in full."""

    model_config = ConfigDict(protected_namespaces=())  # before 2.10 pydantic warns of names like model_info

    details: OllamaDetails
    model_info: dict[str, Any]
    capabilities: list[Literal["embedding"]]
    modified_at: str


class OllamaVersionAnswer(BaseModel):
    """The version of minilm."""

    version: str
