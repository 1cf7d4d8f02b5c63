"""From one vector a token to one vector a text: pooling by mean, cls, max and others; scaling to length 1.

The encoder leaves as many vectors as a text has tokens; to compare texts, or to search them, each needs one.
all-MiniLM-L6-v2 takes the mean, and scales it to length 1.

Shapes: B texts, L tokens a text with its padding, E hidden width. The hidden states (B, L, E) are the last
layer's; the mask (B, L) is 1 for a token and 0 for padding, which stands at the end.

References
----------
.. [1] Reimers and Gurevych 2019, "Sentence-BERT", section 3, https://arxiv.org/abs/1908.10084
.. [2] Cer et al. 2018, "Universal Sentence Encoder", section 3.1, https://arxiv.org/abs/1803.11175
.. [3] Muennighoff 2022, "SGPT", section 4.1, https://arxiv.org/abs/2202.08904
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]
IntArray = npt.NDArray[np.integer]

Pooling = Literal["cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"]


def mean_pooling(hidden_states: Array, attention_mask: IntArray) -> Array:
    """Mean of each text's token vectors, ``[CLS]`` and ``[SEP]`` included: (B, L, E), (B, L) -> (B, E), [1]_.

    Examples
    --------
    >>> mean_pooling(np.array([[[1.0, 2.0], [3.0, 4.0], [9.0, 9.0]]]), np.array([[1, 1, 0]]))
    array([[2., 3.]])
    """
    mask = attention_mask[:, :, None].astype(hidden_states.dtype)  # (B, L, 1)
    tokens = np.maximum(mask.sum(axis=1), 1)  # (B, 1), at least 1: a text without tokens is 0, not NaN
    return (hidden_states * mask).sum(axis=1) / tokens  # (B, E)


def cls_pooling(hidden_states: Array, attention_mask: IntArray) -> Array:  # noqa: ARG001 - one signature for all
    """Vector of each text's first token, ``[CLS]``, which stands for no word: (B, L, E) -> (B, E), [1]_."""
    return hidden_states[:, 0]


def max_pooling(hidden_states: Array, attention_mask: IntArray) -> Array:
    """Largest value in each component over a text's tokens: (B, L, E), (B, L) -> (B, E), [1]_."""
    lowest = np.finfo(hidden_states.dtype).min  # padding is never the largest
    return np.where(attention_mask[:, :, None] != 0, hidden_states, lowest).max(axis=1)  # (B, E)


def mean_sqrt_len_pooling(hidden_states: Array, attention_mask: IntArray) -> Array:
    """Sum of each text's token vectors over the square root of their number: (B, L, E) -> (B, E), [2]_."""
    mask = attention_mask[:, :, None].astype(hidden_states.dtype)  # (B, L, 1)
    tokens = np.maximum(mask.sum(axis=1), 1)  # (B, 1)
    return (hidden_states * mask).sum(axis=1) / np.sqrt(tokens)  # (B, E)


def weighted_mean_pooling(hidden_states: Array, attention_mask: IntArray) -> Array:
    """Mean of each text's token vectors, the first with weight 1, the second 2, and so on: -> (B, E), [3]_.

    It was made for encoders in which a token has read only those before it, unlike here.
    """
    weights = (attention_mask * np.arange(1, attention_mask.shape[1] + 1)).astype(
        hidden_states.dtype
    )  # (B, L)
    weighted = (hidden_states * weights[:, :, None]).sum(axis=1)  # (B, E)
    return weighted / np.maximum(weights.sum(axis=1), 1)[:, None]


def last_token_pooling(hidden_states: Array, attention_mask: IntArray) -> Array:
    """Vector of each text's last token, padding left out: (B, L, E), (B, L) -> (B, E)."""
    last = attention_mask.shape[1] - 1 - attention_mask[:, ::-1].argmax(axis=1)  # (B,); argmax: the first 1
    return hidden_states[np.arange(len(hidden_states)), last]  # (B, E)


POOLING = {
    "cls": cls_pooling,
    "max": max_pooling,
    "mean": mean_pooling,
    "mean_sqrt_len_tokens": mean_sqrt_len_pooling,
    "weightedmean": weighted_mean_pooling,
    "lasttoken": last_token_pooling,
}
"""The poolings by their names in sentence-transformers' Pooling module."""


def normalize(embeddings: Array) -> Array:
    """Each vector divided by its Euclidean length: (..., E) -> (..., E).

    A direction is what remains: the dot product of two such vectors is the cosine of the angle between them.
    A vector of zeros stays one: the length is taken as at least 1e-12, as in torch.nn.functional.normalize.

    Examples
    --------
    >>> normalize(np.array([3.0, 4.0]))
    array([0.6, 0.8])
    """
    length = np.linalg.norm(embeddings, axis=-1, keepdims=True)  # (..., 1)
    return embeddings / np.maximum(length, 1e-12)
