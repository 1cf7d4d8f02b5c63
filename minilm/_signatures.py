"""The types of the arguments of a model, as its users' type checkers see them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast, overload

from minilm._arguments import Source, TorchOnly, TorchOnlyCall
from minilm._arrays import Float32Array, IntArray
from minilm.heads import Features
from minilm.pooling import Pooling
from minilm.similarity import SimilarityFunction

if TYPE_CHECKING:
    from typing_extensions import Unpack


class MiniLMOptions(Source, TorchOnly, total=False):
    """Arguments of the constructor of :class:`minilm.MiniLM`, except its first."""

    max_seq_length: int | None
    threads: int | None
    prompts: Mapping[str, str | None] | None
    default_prompt_name: str | None
    similarity_fn_name: str | SimilarityFunction | None
    truncate_dim: int | None


Quantized = Literal["int8", "uint8", "binary", "ubinary"]  # the precisions that are not floats


class EncodeOptions(TorchOnlyCall, total=False):
    """Arguments of :meth:`minilm.MiniLM.encode` that do not decide what type it returns."""

    normalize_embeddings: bool
    truncate_dim: int | None
    pooling: Pooling | Sequence[Pooling] | None
    convert_to_numpy: Literal[True]
    convert_to_tensor: Literal[False]
    task: str | None
    long_texts: Literal["cut", "split"]  # of encode_document only


class EncodeMethod(Protocol):
    """What the encode methods of :class:`minilm.MiniLM` take and return."""

    @overload
    def __call__(
        self,
        inputs: str,
        prompt_name: str | None = ...,
        prompt: str | None = ...,
        batch_size: int = ...,
        show_progress_bar: bool | None = ...,
        *,
        output_value: Literal["sentence_embedding", "token_embeddings"] = ...,
        precision: Literal["float32"] | None = ...,
        **options: Unpack[EncodeOptions],
    ) -> Float32Array: ...
    @overload
    def __call__(
        self,
        inputs: Iterable[Any],
        prompt_name: str | None = ...,
        prompt: str | None = ...,
        batch_size: int = ...,
        show_progress_bar: bool | None = ...,
        *,
        output_value: Literal["sentence_embedding"] = ...,
        precision: Literal["float32"] | None = ...,
        **options: Unpack[EncodeOptions],
    ) -> Float32Array: ...
    @overload
    def __call__(
        self,
        inputs: Iterable[Any],
        prompt_name: str | None = ...,
        prompt: str | None = ...,
        batch_size: int = ...,
        show_progress_bar: bool | None = ...,
        *,
        output_value: Literal["token_embeddings"],
        precision: Literal["float32"] | None = ...,
        **options: Unpack[EncodeOptions],
    ) -> list[Float32Array]: ...
    @overload
    def __call__(
        self,
        inputs: str,
        prompt_name: str | None = ...,
        prompt: str | None = ...,
        batch_size: int = ...,
        show_progress_bar: bool | None = ...,
        *,
        output_value: None,
        precision: Literal["float32"] | None = ...,
        **options: Unpack[EncodeOptions],
    ) -> Features: ...
    @overload
    def __call__(
        self,
        inputs: Iterable[Any],
        prompt_name: str | None = ...,
        prompt: str | None = ...,
        batch_size: int = ...,
        show_progress_bar: bool | None = ...,
        *,
        output_value: None,
        precision: Literal["float32"] | None = ...,
        **options: Unpack[EncodeOptions],
    ) -> list[Features]: ...
    @overload
    def __call__(
        self,
        inputs: str | Iterable[Any],
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
        inputs: str | Iterable[Any],
        prompt_name: str | None = ...,
        prompt: str | None = ...,
        batch_size: int = ...,
        show_progress_bar: bool | None = ...,
        *,
        output_value: Literal["token_embeddings"],
        precision: Quantized,
        **options: Unpack[EncodeOptions],
    ) -> IntArray | list[IntArray]: ...
    @overload
    def __call__(
        self, inputs: Iterable[Any], *arguments: object, convert_to_tensor: Literal[True], **options: object
    ) -> Any: ...  # noqa: ANN401 - a tensor of torch
    @overload
    def __call__(
        self, inputs: Iterable[Any], *arguments: object, convert_to_numpy: Literal[False], **options: object
    ) -> Any: ...  # noqa: ANN401 - tensors of torch


def encode_signature(method: Callable[..., Any]) -> EncodeMethod:
    """Give a method of a model the types of :class:`EncodeMethod`; at run time it stays as it is."""
    return cast(EncodeMethod, method)
