"""Pooling: from one vector per token to one vector per text. Also normalization to length 1.

The encoder returns one vector per token. To compare or search texts, each text needs a single vector.
all-MiniLM-L6-v2 takes the mean and normalizes it to length 1.

Shapes: B texts, L tokens per text with its padding, E hidden width. The hidden states (B, L, E) are those of
the last layer. The mask (B, L) is 1 for a token and 0 for padding, which comes last.

References
----------
.. [1] Reimers and Gurevych 2019, "Sentence-BERT", section 3, https://arxiv.org/abs/1908.10084
.. [2] Cer et al. 2018, "Universal Sentence Encoder", section 3.1, https://arxiv.org/abs/1803.11175
.. [3] Muennighoff 2022, "SGPT", section 4.1, https://arxiv.org/abs/2202.08904
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from minilm._arrays import FloatArray, IntArray, no_float_errors

Pooling = Literal["cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"]


@no_float_errors
def mean_pooling(hidden_states: FloatArray, attention_mask: IntArray) -> FloatArray:
    """Mean of each text's token vectors, ``[CLS]`` and ``[SEP]`` included: (B, L, E), (B, L) -> (B, E), [1]_.

    Examples
    --------
    >>> mean_pooling(np.array([[[1.0, 2.0], [3.0, 4.0], [9.0, 9.0]]]), np.array([[1, 1, 0]]))
    array([[2., 3.]])
    """
    mask = attention_mask[:, :, None].astype(hidden_states.dtype)  # (B, L, 1)
    # at least 1: a text without tokens gives 0, not NaN
    tokens = np.maximum(mask.sum(axis=1), 1)  # (B, 1)
    return (hidden_states * mask).sum(axis=1) / tokens  # (B, E)


def cls_pooling(hidden_states: FloatArray, attention_mask: IntArray) -> FloatArray:  # noqa: ARG001 - one signature for all
    """Vector of each text's first token, ``[CLS]``: (B, L, E) -> (B, E), [1]_."""
    return hidden_states[:, 0]


@no_float_errors
def max_pooling(hidden_states: FloatArray, attention_mask: IntArray) -> FloatArray:
    """Largest value in each component over a text's tokens: (B, L, E), (B, L) -> (B, E), [1]_."""
    lowest = np.finfo(hidden_states.dtype).min  # padding is never the largest
    return np.where(attention_mask[:, :, None] != 0, hidden_states, lowest).max(axis=1)  # (B, E)


@no_float_errors
def mean_sqrt_len_pooling(hidden_states: FloatArray, attention_mask: IntArray) -> FloatArray:
    """Sum of each text's token vectors over the square root of their number: (B, L, E) -> (B, E), [2]_."""
    mask = attention_mask[:, :, None].astype(hidden_states.dtype)  # (B, L, 1)
    tokens = np.maximum(mask.sum(axis=1), 1)  # (B, 1)
    return (hidden_states * mask).sum(axis=1) / np.sqrt(tokens)  # (B, E)


@no_float_errors
def weighted_mean_pooling(hidden_states: FloatArray, attention_mask: IntArray) -> FloatArray:
    """Weighted mean: the n-th token of a text has weight n: (B, L, E), (B, L) -> (B, E), [3]_.

    It was made for encoders in which a token attends only to the tokens before it.
    """
    positions = np.arange(1, attention_mask.shape[1] + 1)  # (L,)
    weights = (attention_mask * positions)[:, :, None].astype(hidden_states.dtype)  # (B, L, 1)
    return (hidden_states * weights).sum(axis=1) / np.maximum(weights.sum(axis=1), 1)  # (B, E)


def last_token_pooling(hidden_states: FloatArray, attention_mask: IntArray) -> FloatArray:
    """Vector of each text's last token, padding left out: (B, L, E), (B, L) -> (B, E)."""
    # argmax finds the first 1, here from the end
    last = attention_mask.shape[1] - 1 - attention_mask[:, ::-1].argmax(axis=1)  # (B,)
    return hidden_states[np.arange(len(hidden_states)), last]  # (B, E)


POOLING: dict[str, Callable[[FloatArray, IntArray], FloatArray]] = {
    "cls": cls_pooling,
    "max": max_pooling,
    "mean": mean_pooling,
    "mean_sqrt_len_tokens": mean_sqrt_len_pooling,
    "weightedmean": weighted_mean_pooling,
    "lasttoken": last_token_pooling,
}
"""Every pooling by its name in sentence-transformers' Pooling module."""


@no_float_errors
def token_weights(hidden_states: FloatArray, mode: str) -> FloatArray:
    """Weight of each token of one text in its pooled vector: (L, E) -> (L, 1) or (L, E).

    The pooled vector is the sum over the tokens of weight times hidden state.
    """
    number = np.arange(1, len(hidden_states) + 1)[:, None]  # (L, 1): 1, 2, 3, ...
    weights = {
        "cls": number == 1,
        "max": number == 1 + hidden_states.argmax(axis=0),  # of equal values the first
        "mean": np.full(number.shape, 1 / len(number)),
        "mean_sqrt_len_tokens": np.full(number.shape, 1 / np.sqrt(len(number))),
        "weightedmean": number / number.sum(),
        "lasttoken": number == len(number),
    }
    return weights[mode].astype(hidden_states.dtype)


@no_float_errors
def normalize(embeddings: FloatArray) -> FloatArray:
    """Each vector divided by its Euclidean length: (..., E) -> (..., E).

    Only the direction remains. The dot product of two such vectors is the cosine of the angle between them.
    A vector of zeros stays zero: the divisor is at least 1e-12, as in torch.nn.functional.normalize.

    Examples
    --------
    >>> normalize(np.array([3.0, 4.0]))
    array([0.6, 0.8])
    """
    length = np.linalg.norm(embeddings, axis=-1, keepdims=True)  # (..., 1)
    return embeddings / np.maximum(length, 1e-12)
