"""What encode gives back of a text: its embedding, the vectors of its tokens, or both and the token ids."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from minilm._arguments import positive_int
from minilm.fast.engine import Finish
from minilm.heads import EmbeddingHead
from minilm.pooling import Pooling
from minilm.pooling import normalize as scale_to_one
from minilm.quantization import truncate_embeddings

Array = npt.NDArray[np.float32]
OutputValue = Literal["sentence_embedding", "token_embeddings"]
Features = dict[str, npt.NDArray[Any]]  # everything of one text: encode(output_value=None)


class Output(NamedTuple):
    """How results are made of hidden states, in two steps."""

    # first: of the hidden states of texts of equal length, while the encoder's buffers hold them
    finish: Finish
    # then: of many texts' token ids and what finish made of each
    complete: Callable[[Sequence[list[int]], Sequence[Array]], Sequence[Any]]
    # components, where every text's result is one embedding
    width: int | None


def output_of(
    output_value: OutputValue | None,
    head: EmbeddingHead,
    *,
    pooling: Pooling | Sequence[Pooling] | None,
    normalize: bool,
    normalize_embeddings: bool,
    truncate_dim: int | None,
) -> Output:
    """How to make what was asked for; the arguments are those of :meth:`minilm.MiniLM.encode`.

    ``normalize`` is about what comes before the cut at ``truncate_dim``, ``normalize_embeddings`` about what
    comes after it.

    Raises
    ------
    ValueError
        If one of them has a value it cannot have, or that has no meaning for this output.
    """
    if output_value not in ("sentence_embedding", "token_embeddings", None):
        raise ValueError(
            f"output_value must be 'sentence_embedding', 'token_embeddings' or None, not {output_value!r}"
        )
    if output_value == "token_embeddings" and (pooling is not None or normalize_embeddings):
        raise ValueError("pooling and normalize_embeddings have no meaning for token_embeddings")
    if truncate_dim is not None:
        truncate_dim = positive_int("truncate_dim", truncate_dim)
    if output_value == "token_embeddings":
        return Output(keep_tokens, lambda _, tokens: tokens, None)
    embed, width = head.embedder(pooling, normalize=normalize), head.width(pooling)

    def finish(hidden_states: Array) -> Array:
        embeddings = truncate_embeddings(embed(hidden_states), truncate_dim)
        return cast(Array, scale_to_one(embeddings)) if normalize_embeddings else embeddings

    def features(token_ids: Sequence[list[int]], tokens: Sequence[Array]) -> list[Features]:
        return [_features(finish, ids, of_text) for ids, of_text in zip(token_ids, tokens, strict=True)]

    if output_value is None:
        return Output(keep_tokens, features, None)
    return Output(finish, lambda _, embeddings: embeddings, min(width, truncate_dim or width))


def keep_tokens(hidden_states: Array) -> list[Array]:
    """Every text's hidden states (L, E) by themselves, of N texts (N, L, E) in a buffer."""
    return [tokens.copy() for tokens in hidden_states]


def _features(embed: Callable[[Array], Array], input_ids: list[int], tokens: Array) -> Features:
    """Everything of one text, as sentence-transformers calls it."""
    ids = np.array(input_ids, dtype=np.int64)  # (L,)
    return {
        "input_ids": ids,
        "token_type_ids": np.zeros_like(ids),
        "attention_mask": np.ones_like(ids),
        "token_embeddings": tokens,
        "sentence_embedding": embed(tokens[None])[0],
    }
