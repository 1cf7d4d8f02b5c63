"""The BERT encoder, as a textbook would print it: numpy only, one formula per function.

The input is tokens, words or pieces of words, each a number in a vocabulary. Every token gets a vector. Then
a few layers of the same form rewrite each vector, depending on all other vectors of its text. The output of
the last layer, still one vector per token, is the result. ``pooling.py`` makes one vector per text of it.

This is the left half of figure 1 in [1]_, as [2]_ changed and trained it. Dropout is for training only and is
left out. With float32 parameters the results are those of other implementations. With float64 parameters they
are the truth for measuring the errors of float32. What BERT's neighbours have instead is in ``variants.py``.
``MiniLM`` runs ``fast/packed.py``, which has the same formulas at speed: what changes here changes there too.

Shapes, and their sizes in all-MiniLM-L6-v2: B texts, L tokens per text (padded; a mask marks the padding),
E = 384 hidden width, H = 12 heads, D = E / H = 32 head width, I = 1536 intermediate width.

References
----------
.. [1] Vaswani et al. 2017, "Attention Is All You Need", https://arxiv.org/abs/1706.03762
.. [2] Devlin et al. 2019, "BERT", https://arxiv.org/abs/1810.04805
.. [3] Hendrycks and Gimpel 2016, "Gaussian Error Linear Units", https://arxiv.org/abs/1606.08415
.. [4] Ba, Kiros and Hinton 2016, "Layer Normalization", https://arxiv.org/abs/1607.06450
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from minilm._arrays import FloatArray, IntArray, Parameters, no_float_errors, rows_of
from minilm.activations import activation_function, softmax
from minilm.config import ModelConfig
from minilm.variants import attention_bias, position_ids

Record = Callable[[str, FloatArray], object]  # takes the name and the array of an intermediate


def ignore(name: str, x: FloatArray) -> None:
    """Record nothing."""


@no_float_errors
def encode(
    input_ids: IntArray,
    attention_mask: IntArray,
    parameters: Parameters,
    config: ModelConfig,
    *,
    token_type_ids: IntArray | None = None,
    record: Record = ignore,
) -> FloatArray:
    """The last hidden state: one vector per token, the output of the last layer, shape (B, L, E).

    Parameters
    ----------
    input_ids : ndarray of int, shape (B, L)
        Each token's number in the vocabulary; values where the mask is 0 do not matter.
    attention_mask : ndarray of int or bool, shape (B, L)
        1 for a token, 0 for padding.
    parameters : mapping of str to ndarray
        From :func:`minilm.checkpoint.weights.load_parameters`.
    config : ModelConfig
        The shape of the encoder.
    token_type_ids : ndarray of int, shape (B, L), optional
        Sentence A or B of a pair; all 0 by default.
    record : callable, optional
        Takes each intermediate in the order of computation, by the name of its module in transformers.

    Raises
    ------
    ValueError
        If an id lies outside its embedding table or the sequences are longer than the position table.
    """
    hidden_states = embed(input_ids, parameters, config, token_type_ids=token_type_ids, record=record)
    for i in range(config.num_hidden_layers):  # hidden_states stay (B, L, E)
        hidden_states = encoder_layer(hidden_states, attention_mask, parameters, config, i, record=record)
    return hidden_states


@no_float_errors
def embed(
    input_ids: IntArray,
    parameters: Parameters,
    config: ModelConfig,
    *,
    token_type_ids: IntArray | None = None,
    record: Record = ignore,
) -> FloatArray:
    """Embeddings, the input of the first layer, shape (B, L, E): three learned vectors, added and normalized.

    The three belong to the token, its type and its position. Without positions word order would not matter.
    [2]_, figure 2. The layer norm is in BERT's code, not in its paper.
    """
    if token_type_ids is None:
        token_type_ids = np.zeros_like(input_ids)  # (B, L)
    embeddings = (
        _look_up("word", input_ids, parameters, record)  # (B, L, E)
        + _look_up("token_type", token_type_ids, parameters, record)  # (B, L, E)
        + _look_up("position", position_ids(input_ids, config.padding_idx), parameters, record)  # (1, L, E)
    )
    return layer_norm(embeddings, parameters, "embeddings.LayerNorm", config.layer_norm_eps, record)


def _look_up(kind: str, ids: IntArray, parameters: Parameters, record: Record) -> FloatArray:
    name = f"embeddings.{kind}_embeddings"
    vectors = rows_of(parameters[f"{name}.weight"], ids, kind)
    record(name, vectors)
    return vectors


@no_float_errors
def encoder_layer(
    hidden_states: FloatArray,
    attention_mask: IntArray,
    parameters: Parameters,
    config: ModelConfig,
    layer: int,
    *,
    record: Record = ignore,
) -> FloatArray:
    """Output of one layer, shape (B, L, E): [1]_, figure 1, box by box.

    Two sublayers, each ``LayerNorm(x + Sublayer(x))``. The output of a sublayer is added to its input
    (residual connection), and the sum is normalized ("post-norm"). Section 3.1.
    """
    name, eps = f"encoder.layer.{layer}", config.layer_norm_eps
    # Multi-Head Attention: tokens attend to one another, and W^O (section 3.2.2) mixes the heads' results
    context = self_attention(hidden_states, attention_mask, parameters, config, layer, record=record)
    attention_output = linear(context, parameters, f"{name}.attention.output.dense", record)  # (B, L, E)
    hidden_states = layer_norm(
        hidden_states + attention_output, parameters, f"{name}.attention.output.LayerNorm", eps, record
    )
    # Feed Forward, for each token alone. Equation 2, with GELU instead of ReLU ([3]_; [2]_, appendix A.2)
    activation = activation_function(config.hidden_act)
    intermediate = activation(linear(hidden_states, parameters, f"{name}.intermediate.dense", record))
    record(f"{name}.intermediate.intermediate_act_fn", intermediate)  # (B, L, I)
    output = linear(intermediate, parameters, f"{name}.output.dense", record)  # (B, L, E)
    return layer_norm(hidden_states + output, parameters, f"{name}.output.LayerNorm", eps, record)


@no_float_errors
def self_attention(
    hidden_states: FloatArray,
    attention_mask: IntArray,
    parameters: Parameters,
    config: ModelConfig,
    layer: int,
    *,
    record: Record = ignore,
) -> FloatArray:
    """Context vectors of all heads side by side, shape (B, L, E).

    In every head each token has a query, a key and a value. The better its query fits another token's key,
    the more it takes of that token's value: softmax(q k^T / sqrt(D)) v. [1]_, equation 1 and section 3.2.2.
    """
    name, heads = f"encoder.layer.{layer}.attention.self", config.num_attention_heads
    q = _split_heads(linear(hidden_states, parameters, f"{name}.query", record), heads)  # (B, H, L, D)
    k = _split_heads(linear(hidden_states, parameters, f"{name}.key", record), heads)  # (B, H, L, D)
    v = _split_heads(linear(hidden_states, parameters, f"{name}.value", record), heads)  # (B, H, L, D)
    # a sum of D products grows like sqrt(D), and the softmax of large scores is almost 0 or 1 (3.2.1)
    scores = q @ k.swapaxes(-1, -2) / math.sqrt(config.head_size)  # (B, H, L, L): query by key
    scores = scores + attention_bias(parameters, scores.shape[-1])  # 0 in BERT
    record(f"{name}.attention_scores", scores)
    # no query sees the padding; with -inf, a text of nothing but padding would become NaN
    is_token = attention_mask[:, None, None, :] != 0  # (B, 1, 1, L): of the keys
    scores = np.where(is_token, scores, np.finfo(scores.dtype).min)  # (B, H, L, L)
    attention_probs = softmax(scores)  # (B, H, L, L)
    record(f"{name}.attention_probs", attention_probs)
    context = attention_probs @ v  # (B, H, L, D)
    context = context.swapaxes(1, 2).reshape(hidden_states.shape)  # (B, L, H, D) -> (B, L, E)
    record(f"{name}.context_layer", context)
    return context


def _split_heads(x: FloatArray, heads: int) -> FloatArray:
    batch, length, width = x.shape
    return x.reshape(batch, length, heads, width // heads).swapaxes(1, 2)  # (B, L, H, D) -> (B, H, L, D)


@no_float_errors
def linear(x: FloatArray, parameters: Parameters, name: str, record: Record = ignore) -> FloatArray:
    """``x W + b``: shape (..., in) to (..., out)."""
    y = x @ parameters[f"{name}.weight"] + parameters[f"{name}.bias"]
    record(name, y)
    return y


@no_float_errors
def layer_norm(
    x: FloatArray, parameters: Parameters, name: str, eps: float, record: Record = ignore
) -> FloatArray:
    """Each vector at mean 0 and variance 1, scaled and shifted; eps avoids 0 / 0. [4]_, equations 3 and 4."""
    record(f"{name}.input", x)
    centered = x - x.mean(axis=-1, keepdims=True)
    variance = np.mean(centered * centered, axis=-1, keepdims=True)  # (..., 1)
    normalized = centered / np.sqrt(variance + eps)
    y = normalized * parameters[f"{name}.weight"] + parameters[f"{name}.bias"]
    record(name, y)
    return y
