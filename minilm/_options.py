"""Options of a model that may be set after it was loaded, and the types of its arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast, overload

import numpy as np

from minilm._arguments import Source, TorchOnly, TorchOnlyCall, positive_int, unknown_name
from minilm._arrays import Float32Array, IntArray
from minilm._pipeline import Pipeline
from minilm.config import ModelConfig
from minilm.heads import EmbeddingHead, Features
from minilm.hub import Checkpoint
from minilm.pooling import Pooling
from minilm.similarity import SIMILARITY
from minilm.tokenizer import Tokenizer

if TYPE_CHECKING:
    from typing_extensions import Unpack


class PipelineOptions:
    """Options that :class:`minilm.MiniLM` and :class:`minilm.CrossEncoder` have in common."""

    checkpoint: Checkpoint  # the files and their origin
    config: ModelConfig  # the checkpoint's configuration
    pipeline: Pipeline  # turns texts into token ids and runs the encoder

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer, which cuts at ``max_seq_length``."""
        return self.pipeline.tokenizer

    @property
    def prompts(self) -> dict[str, str]:
        """Texts to put before what is encoded, by name."""
        return self.pipeline.prompts

    @property
    def default_prompt_name(self) -> str | None:
        """The prompt that is used when none is given; may be set, also to None."""
        return self.pipeline.default_prompt_name

    @default_prompt_name.setter
    def default_prompt_name(self, value: str | None) -> None:
        self.pipeline.update_prompts(default_prompt_name=value)
        self.pipeline.default_prompt_name = value

    def resolve_prompt(self, prompt: str | None = None, prompt_name: str | None = None) -> str:
        """The text that goes before every text: ``prompt``, or the one of that name, or the default."""
        return self.pipeline.prompt_text(prompt, prompt_name)

    def _role_arguments(
        self,
        names: tuple[str, ...],
        prompt_name: str | None = None,
        prompt: str | None = None,
        *rest: Any,  # noqa: ANN401 - as encode
        **options: Any,  # noqa: ANN401 - as encode
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return arguments of encode, with the first prompt of ``names`` that exists if they have none."""
        if prompt_name is None and prompt is None:
            prompt_name = next((name for name in names if name in self.prompts), None)
        return (prompt_name, prompt, *rest), options

    @property
    def max_seq_length(self) -> int:
        """Tokens that are kept of a text or pair, special tokens included; may be set."""
        return self.tokenizer.max_seq_length

    @max_seq_length.setter
    def max_seq_length(self, value: int) -> None:
        self.tokenizer.max_seq_length = self._checked_length("max_seq_length", value)

    def _checked_length(self, argument: str, value: object) -> int:
        """Return a length that the model can have, or raise an error that names the argument."""
        least, most = self._shortest_input, self.config.max_position_embeddings
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
            raise TypeError(f"{argument} must be an int, not {type(value).__name__}")
        if not least <= value <= most:
            raise ValueError(f"{argument} must lie in {least} to {most} for this model, not {value}")
        return int(value)

    def get_max_seq_length(self) -> int:
        """:attr:`max_seq_length`, as sentence-transformers also calls it."""
        return self.max_seq_length

    @property
    def _shortest_input(self) -> int:
        """Tokens of the shortest input that has more than special tokens."""
        return 3

    @property
    def threads(self) -> int:
        """Cores that the encoder uses; may be set."""
        return self.pipeline.engine.threads

    @threads.setter
    def threads(self, value: int) -> None:
        self.pipeline.engine.threads = positive_int("threads", value)


class EmbedderOptions(PipelineOptions):
    """Options of :class:`minilm.MiniLM`."""

    head: EmbeddingHead  # makes embeddings of hidden states
    normalize: bool  # whether embeddings are scaled to length 1; may be set
    _truncate_dim: int | None
    _similarity_fn_name: str

    @property
    def truncate_dim(self) -> int | None:
        """Components of an embedding that are kept, None for all; may be set."""
        return self._truncate_dim

    @truncate_dim.setter
    def truncate_dim(self, value: int | None) -> None:
        self._truncate_dim = None if value is None else positive_int("truncate_dim", value)

    @property
    def embedding_dimension(self) -> int:
        """Components of an embedding before any truncation: 384 for all-MiniLM-L6-v2."""
        return self.head.width()

    def get_embedding_dimension(self, pooling: Pooling | Sequence[Pooling] | None = None) -> int:
        """Components of an embedding as encode returns it, after the cut at ``truncate_dim``."""
        width = self.head.width(pooling)
        return min(width, self.truncate_dim or width)

    get_sentence_embedding_dimension = get_embedding_dimension  # the former name, still in wide use

    @property
    def similarity_fn_name(self) -> str:
        """What :meth:`similarity` computes: "cosine", "dot", "euclidean" or "manhattan"; may be set."""
        return self._similarity_fn_name

    @similarity_fn_name.setter
    def similarity_fn_name(self, value: str) -> None:
        if not isinstance(value, str) or value not in SIMILARITY:
            raise unknown_name("similarity_fn_name", value, SIMILARITY)
        self._similarity_fn_name = value


class MiniLMOptions(Source, TorchOnly, total=False):
    """Arguments of the constructor of :class:`minilm.MiniLM`, except its first."""

    max_seq_length: int | None
    threads: int | None
    prompts: Mapping[str, str] | None
    default_prompt_name: str | None
    similarity_fn_name: str | None
    truncate_dim: int | None


Quantized = Literal["int8", "uint8", "binary", "ubinary"]  # the precisions that are not floats


class EncodeOptions(TorchOnlyCall, total=False):
    """Arguments of :meth:`minilm.MiniLM.encode` that do not decide what type it returns."""

    normalize_embeddings: bool
    truncate_dim: int | None
    pooling: Pooling | Sequence[Pooling] | None


class EncodeMethod(Protocol):
    """What the encode methods of :class:`minilm.MiniLM` take and return."""

    @overload
    def __call__(  # type: ignore[overload-overlap] # a str is an iterable of str, but means one text
        self,
        inputs: str,
        prompt_name: str | None = ...,
        prompt: str | None = ...,
        batch_size: int = ...,
        show_progress_bar: bool | None = ...,
        *,
        output_value: Literal["sentence_embedding", "token_embeddings"] = ...,
        precision: Literal["float32"] = ...,
        **options: Unpack[EncodeOptions],
    ) -> Float32Array: ...
    @overload
    def __call__(
        self,
        inputs: Iterable[str],
        prompt_name: str | None = ...,
        prompt: str | None = ...,
        batch_size: int = ...,
        show_progress_bar: bool | None = ...,
        *,
        output_value: Literal["sentence_embedding"] = ...,
        precision: Literal["float32"] = ...,
        **options: Unpack[EncodeOptions],
    ) -> Float32Array: ...
    @overload
    def __call__(
        self,
        inputs: Iterable[str],
        prompt_name: str | None = ...,
        prompt: str | None = ...,
        batch_size: int = ...,
        show_progress_bar: bool | None = ...,
        *,
        output_value: Literal["token_embeddings"],
        precision: Literal["float32"] = ...,
        **options: Unpack[EncodeOptions],
    ) -> list[Float32Array]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap] # as above
        self,
        inputs: str,
        prompt_name: str | None = ...,
        prompt: str | None = ...,
        batch_size: int = ...,
        show_progress_bar: bool | None = ...,
        *,
        output_value: None,
        precision: Literal["float32"] = ...,
        **options: Unpack[EncodeOptions],
    ) -> Features: ...
    @overload
    def __call__(
        self,
        inputs: Iterable[str],
        prompt_name: str | None = ...,
        prompt: str | None = ...,
        batch_size: int = ...,
        show_progress_bar: bool | None = ...,
        *,
        output_value: None,
        precision: Literal["float32"] = ...,
        **options: Unpack[EncodeOptions],
    ) -> list[Features]: ...
    @overload
    def __call__(
        self,
        inputs: str | Iterable[str],
        prompt_name: str | None = ...,
        prompt: str | None = ...,
        batch_size: int = ...,
        show_progress_bar: bool | None = ...,
        *,
        output_value: Literal["sentence_embedding"] = ...,
        precision: Quantized,
        **options: Unpack[EncodeOptions],
    ) -> IntArray: ...
    @overload
    def __call__(
        self,
        inputs: str | Iterable[str],
        prompt_name: str | None = ...,
        prompt: str | None = ...,
        batch_size: int = ...,
        show_progress_bar: bool | None = ...,
        *,
        output_value: Literal["token_embeddings"],
        precision: Quantized,
        **options: Unpack[EncodeOptions],
    ) -> IntArray | list[IntArray]: ...


def encode_signature(method: Callable[..., Any]) -> EncodeMethod:
    """Give a method of a model the types of :class:`EncodeMethod`; at run time it stays as it is."""
    return cast(EncodeMethod, method)
