"""The BERT encoder, as a textbook would print it: numpy only, one formula a function, padded batch and mask.

It runs in the dtype of its parameters: float32 parameters give what everybody computes, float64 parameters
give the truth that everybody's float32 is measured against.

Shapes, in the letters used below: B sequences, L tokens a sequence, E hidden width, H attention heads,
D = E / H width of a head, I intermediate width, V vocabulary.

References
----------
.. [1] Vaswani et al. 2017, "Attention Is All You Need", https://arxiv.org/abs/1706.03762
.. [2] Devlin et al. 2019, "BERT: Pre-training of Deep Bidirectional Transformers for Language
   Understanding", https://arxiv.org/abs/1810.04805
.. [3] Hendrycks and Gimpel 2016, "Gaussian Error Linear Units", https://arxiv.org/abs/1606.08415
.. [4] Ba, Kiros and Hinton 2016, "Layer Normalization", https://arxiv.org/abs/1607.06450
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from minilm.activations import ACTIVATIONS
from minilm.config import ModelConfig

Array = npt.NDArray[np.floating]
IntArray = npt.NDArray[np.integer]
Parameters = Mapping[str, Array]  # tensor name in the checkpoint -> array; linear weights are (in, out)


class EncoderOutput(NamedTuple):
    """Every intermediate of one pass: what the layers saw, said, and attended to."""

    last_hidden_state: Array  # (B, L, E)
    hidden_states: tuple[Array, ...]  # the embeddings, then each layer's output: 1 + layers x (B, L, E)
    attention_probs: tuple[Array, ...]  # layers x (B, H, L, L)


def encode(
    input_ids: IntArray,
    attention_mask: IntArray,
    parameters: Parameters,
    config: ModelConfig,
    *,
    token_type_ids: IntArray | None = None,
) -> Array:
    """Last hidden state of every token, shape (B, L, E).

    Parameters
    ----------
    input_ids : ndarray of int, shape (B, L)
        Token ids; what stands where the mask is 0 does not matter.
    attention_mask : ndarray of int or bool, shape (B, L)
        1 for a token, 0 for padding.
    parameters : mapping of str to ndarray
        From :func:`minilm.weights.load_parameters`.
    config : ModelConfig
        The shape of the encoder.
    token_type_ids : ndarray of int, shape (B, L), optional
        Sentence A or B of a pair; all 0 by default.

    Raises
    ------
    ValueError
        If an id lies outside its embedding table or the sequences are longer than the position table.
    """
    hidden_states = embed(input_ids, parameters, config, token_type_ids=token_type_ids)  # (B, L, E)
    for i in range(config.num_hidden_layers):
        hidden_states, _ = encoder_layer(hidden_states, attention_mask, parameters, config, layer=i)
    return hidden_states


def encode_with_intermediates(
    input_ids: IntArray,
    attention_mask: IntArray,
    parameters: Parameters,
    config: ModelConfig,
    *,
    token_type_ids: IntArray | None = None,
) -> EncoderOutput:
    """Like :func:`encode`, keeping every layer's hidden states and attention probabilities."""
    hidden_states = [embed(input_ids, parameters, config, token_type_ids=token_type_ids)]
    attention_probs = []
    for i in range(config.num_hidden_layers):
        output, probs = encoder_layer(hidden_states[-1], attention_mask, parameters, config, layer=i)
        hidden_states.append(output)
        attention_probs.append(probs)
    return EncoderOutput(hidden_states[-1], tuple(hidden_states), tuple(attention_probs))


def embed(
    input_ids: IntArray,
    parameters: Parameters,
    config: ModelConfig,
    *,
    token_type_ids: IntArray | None = None,
) -> Array:
    """Sum of word, position and token type embeddings, normalized: shape (B, L, E). [2]_, figure 2."""
    if token_type_ids is None:
        token_type_ids = np.zeros_like(input_ids)
    position_ids = np.arange(input_ids.shape[1])  # (L,)
    embeddings = (
        _rows(parameters["embeddings.word_embeddings.weight"], input_ids, "input_ids")  # (B, L, E)
        + _rows(parameters["embeddings.token_type_embeddings.weight"], token_type_ids, "token_type_ids")
        + _rows(parameters["embeddings.position_embeddings.weight"], position_ids, "positions")  # (L, E)
    )
    return layer_norm(embeddings, parameters, "embeddings.LayerNorm", config.layer_norm_eps)


def encoder_layer(
    hidden_states: Array, attention_mask: IntArray, parameters: Parameters, config: ModelConfig, *, layer: int
) -> tuple[Array, Array]:
    """Output (B, L, E) and attention probabilities (B, H, L, L) of one layer.

    Two steps, each added to its own input and then normalized ("post-layer-norm"). [1]_, section 3.1.
    """
    name, eps = f"encoder.layer.{layer}", config.layer_norm_eps
    # the tokens look at one another
    context, attention_probs = self_attention(hidden_states, attention_mask, parameters, config, layer=layer)
    attention_output = linear(context, parameters, f"{name}.attention.output.dense")  # (B, L, E)
    hidden_states = layer_norm(
        hidden_states + attention_output, parameters, f"{name}.attention.output.LayerNorm", eps
    )
    # each token is worked on alone: [1]_, equation 2, with GELU ([3]_) in place of ReLU
    activation = ACTIVATIONS[config.hidden_act]
    intermediate = activation(linear(hidden_states, parameters, f"{name}.intermediate.dense"))  # (B, L, I)
    output = linear(intermediate, parameters, f"{name}.output.dense")  # (B, L, E)
    return layer_norm(hidden_states + output, parameters, f"{name}.output.LayerNorm", eps), attention_probs


def self_attention(
    hidden_states: Array, attention_mask: IntArray, parameters: Parameters, config: ModelConfig, *, layer: int
) -> tuple[Array, Array]:
    """All heads' context vectors side by side (B, L, E), and attention probabilities (B, H, L, L).

    softmax(q k^T / sqrt(D)) v in every head. [1]_, equation 1 and section 3.2.2.
    """
    name = f"encoder.layer.{layer}.attention.self"
    heads = config.num_attention_heads
    q = _split_heads(linear(hidden_states, parameters, f"{name}.query"), heads)  # (B, H, L, D)
    k = _split_heads(linear(hidden_states, parameters, f"{name}.key"), heads)  # (B, H, L, D)
    v = _split_heads(linear(hidden_states, parameters, f"{name}.value"), heads)  # (B, H, L, D)
    scores = q @ k.swapaxes(-1, -2) / math.sqrt(config.head_size)  # (B, H, L, L)
    # the lowest finite number, not -inf: a row that is all padding stays finite (and is never used)
    lowest = np.finfo(scores.dtype).min
    scores = np.where(attention_mask[:, None, None, :] != 0, scores, lowest)  # (B, H, L, L)
    attention_probs = softmax(scores)  # (B, H, L, L)
    context = attention_probs @ v  # (B, H, L, D)
    return context.swapaxes(1, 2).reshape(hidden_states.shape), attention_probs  # (B, L, E)


def linear(x: Array, parameters: Parameters, name: str) -> Array:
    """``x @ W + b``: shape (..., in) to (..., out)."""
    return x @ parameters[f"{name}.weight"] + parameters[f"{name}.bias"]


def softmax(x: Array) -> Array:
    """Exponentials that sum to 1 over the last axis.

    The maximum is subtracted first, which changes nothing on paper; but this model's scores reach 92.7, and
    exp overflows in float32 at 88.7.
    """
    exp = np.exp(x - x.max(axis=-1, keepdims=True))
    return exp / exp.sum(axis=-1, keepdims=True)


def layer_norm(x: Array, parameters: Parameters, name: str, eps: float) -> Array:
    """Mean 0 and variance 1 over the last axis, then scaled and shifted. [4]_, equation 4."""
    centered = x - x.mean(axis=-1, keepdims=True)
    variance = np.mean(centered * centered, axis=-1, keepdims=True)  # (..., 1)
    normalized = centered / np.sqrt(variance + eps)
    return normalized * parameters[f"{name}.weight"] + parameters[f"{name}.bias"]


def _split_heads(x: Array, heads: int) -> Array:
    batch, length, width = x.shape
    return x.reshape(batch, length, heads, width // heads).swapaxes(1, 2)  # (B, H, L, D)


def _rows(table: Array, ids: IntArray, what: str) -> Array:
    # a negative id would take a row from the table's end, silently
    if ids.size and (ids.min() < 0 or ids.max() >= len(table)):
        raise ValueError(f"{what} must lie in 0 to {len(table) - 1}, not {ids.min()} to {ids.max()}")
    return table[ids]
