"""The BERT encoder for speed: what ``encoder.py`` computes, packed, fused and in place.

Read ``encoder.py`` first. Most of the time goes into matrix products, which numpy leaves to a BLAS library
(OpenBLAS in most of its wheels). BLAS does them in kernels: innermost loops, each written for one kind of
CPU. This file departs from ``encoder.py`` in seven ways. The code marks each with its number:

1. **Packing.** The tokens of many texts lie one after another, without padding or mask. Everything but
   attention treats them as one long matrix. Neighbours of equal length share one batched attention.
2. **One product for query, key and value**, whose query weights are already divided by sqrt(D).
3. **Softmax over the first axis.** Scores are stored (key, text, head, query). Maximum and sum then run
   along whole rows of memory instead of over a few numbers at a time.
4. **GELU by tanh of a polynomial**, fitted to the exact (erf) form by ``benchmarks/fit_gelu.py``. Its
   factor 1/2 is part of the next weights, where it rounds nothing.
5. **Weights in panels of columns, rows in blocks.** Both are small enough for OpenBLAS's small-matrix
   kernels where it has them (AVX-512). These kernels do not copy their operands first.
6. **The sum over the intermediate width in parts.** A kernel adds its terms one after another, and their
   rounding errors with them. This saves no time; it makes the largest error of an embedding smaller.
7. **Row sums by vecdot**, a dot product per row, which is faster than mean(). Unlike matrix @ vector, it
   rounds the same wherever a row stands.

The CPU time without one of them, where this file takes 1.00, on one thread (``benchmarks/ablation``):

======================================  =====  ====  =========
without                                 short  long  one query
======================================  =====  ====  =========
nothing, measured once more             0.99   1.01       0.99
1, padded to the longest                1.21   1.14
2, three products                       1.00   1.01       1.04
3, softmax over the last axis           1.02   1.02       1.02
4, erf by Abramowitz and Stegun 7.1.26  1.04   1.05       1.04
5, weights not in panels                1.09   1.09       1.98
6, one sum of 1536 terms                0.99   1.00       1.05
7, mean()                               1.02   1.02       1.02
======================================  =====  ====  =========

None of these makes a text's result depend on the texts beside it. Sums run over the numbers of one token or
the tokens of one text, in an order that its own length decides. (Some kernels of BLAS round by the place of a
row: see the README.)

``parameters.py`` fuses the weights and lays them out.

Shapes: T tokens in the pack, N texts of equal length L, E hidden width, H heads, D = E / H, I intermediate
width, C panels of a weight.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from minilm._arrays import Float32Array, IntArray, Room
from minilm.fast.parameters import LayerNorm, Linear, PackedLayer, PackedParameters, Weight
from minilm.variants import position_ids

# (4) Rows that GELU works on at a time. From 32 to 1,024 rows the speed is the same (notebook 05, step 5),
# and few rows need small buffers.
GELU_ROWS = 64
_ONE = np.float32(1)


class Group(NamedTuple):
    """Neighbouring texts of equal length in a pack (1)."""

    start: int  # where in the pack the first text's first token lies
    texts: int  # N
    length: int  # L

    @property
    def stop(self) -> int:
        """One past the last token."""
        return self.start + self.texts * self.length


class Workspace:
    """Buffers of one thread for packs of up to ``tokens`` tokens, reused for every layer and every pack."""

    def __init__(self, tokens: int, parameters: PackedParameters) -> None:
        hidden, intermediate = parameters.position_embeddings.shape[1], parameters.intermediate_size
        room = Room(tokens * (7 * hidden + intermediate) + 2 * GELU_ROWS * intermediate)
        self.query_key_value = room.take(tokens, 3 * hidden)  # (T, 3E)
        self.hidden_states = room.take(tokens, hidden)  # (T, E)
        self.context = room.take(tokens, hidden)  # (T, E)
        self.sum = room.take(tokens, hidden)  # (T, E): the input of a layer norm
        self.part = room.take(tokens, hidden)  # (T, E): one of the parts of (6)
        self.intermediate = room.take(tokens, intermediate)  # (T, I)
        self.square = room.take(GELU_ROWS, intermediate)  # x^2 (4)
        self.gate = room.take(GELU_ROWS, intermediate)  # 1 + tanh(x P(x^2)) (4)


def encode_pack(
    input_ids: IntArray,
    groups: Sequence[Group],
    parameters: PackedParameters,
    workspace: Workspace,
    *,
    token_type_ids: IntArray | None = None,
) -> Float32Array:
    """Last hidden state of every token of the pack, shape (T, E): a view that the next call overwrites.

    Parameters
    ----------
    input_ids : ndarray of int, shape (T,)
        Token ids of all texts, one text after another. Each must be in the vocabulary.
    groups : sequence of Group
        Where the texts lie, without gaps.
    parameters : PackedParameters
        From :func:`pack_parameters`.
    workspace : Workspace
        Has room for T tokens or more; overwritten.
    token_type_ids : ndarray of int, shape (T,), optional
        Sentence A or B of a pair; all 0 by default.
    """
    tokens = len(input_ids)
    query_key_value, context = workspace.query_key_value[:tokens], workspace.context[:tokens]
    positions = np.concatenate([_positions(input_ids, group, parameters) for group in groups])  # (T,)
    biases = [_attention_bias(parameters, group.length) for group in groups]
    hidden_states = _embed(input_ids, positions, token_type_ids, parameters, workspace)
    for layer in parameters.layers:
        _linear(hidden_states, layer.query_key_value, out=query_key_value)  # (T, 3E)
        for group, bias in zip(groups, biases, strict=True):
            texts = slice(group.start, group.stop)
            _attend(query_key_value[texts], group.texts, parameters.heads, bias, out=context[texts])
        _after_attention(layer, tokens, parameters, workspace)
    return hidden_states


def encode_share(
    input_ids: IntArray,
    rows: slice,
    query_key_value: Float32Array,
    parameters: PackedParameters,
    workspace: Workspace,
    *,
    wait: Callable[[], object],
    token_type_ids: IntArray | None = None,
) -> Float32Array:
    """Like :func:`encode_pack`, for ``rows`` of the T tokens of one text; other threads encode the others.

    The threads share the buffer ``query_key_value`` (T, 3E), and each has its own workspace. ``wait`` returns
    when every thread has called it. Tokens meet in attention only, so it is called twice per layer: when all
    keys and values are there, and before the next layer overwrites them.
    """
    tokens = rows.stop - rows.start
    if token_type_ids is not None:
        token_type_ids = token_type_ids[rows]
    positions = _positions(input_ids, Group(0, 1, len(input_ids)), parameters)[rows]
    bias = _attention_bias(parameters, len(input_ids))
    hidden_states = _embed(input_ids[rows], positions, token_type_ids, parameters, workspace)
    for layer in parameters.layers:
        _linear(hidden_states, layer.query_key_value, out=query_key_value[rows])  # (rows, 3E)
        wait()
        _attend(query_key_value, 1, parameters.heads, bias, queries=rows, out=workspace.context[:tokens])
        _after_attention(layer, tokens, parameters, workspace)
        wait()
    return hidden_states


def _positions(input_ids: IntArray, group: Group, parameters: PackedParameters) -> IntArray:
    """Return the row of the position table for each token of a group, (N x L,)."""
    ids = input_ids[group.start : group.stop].reshape(group.texts, group.length)  # (N, L)
    return np.broadcast_to(position_ids(ids, parameters.padding_idx), ids.shape).ravel()


def _attention_bias(parameters: PackedParameters, length: int) -> Float32Array | None:
    """Return what is added to the scores of texts of L tokens, (key, 1, H, query), a view; None for 0."""
    if parameters.attention_bias is None:
        return None
    longest = parameters.longest_input
    distances = parameters.attention_bias[:, longest - length : longest + length - 1]  # (H, 2L - 1)
    # row k, read backwards, begins at the distance from the first query to key k
    return sliding_window_view(distances, length, axis=1)[:, :, ::-1].swapaxes(0, 1)[:, None]


def _embed(
    input_ids: IntArray,
    positions: IntArray,
    token_type_ids: IntArray | None,
    parameters: PackedParameters,
    workspace: Workspace,
) -> Float32Array:
    """Write the embeddings (T, E), which enter the first layer, to ``workspace.hidden_states``."""
    total, hidden_states = workspace.sum[: len(input_ids)], workspace.hidden_states[: len(input_ids)]
    # the mode "raise" would buffer; the ids are in range
    np.take(parameters.word_embeddings, input_ids, axis=0, out=total, mode="clip")
    total += parameters.position_embeddings[positions]
    if token_type_ids is not None:
        total += parameters.token_type_differences[token_type_ids]
    _layer_norm(total, parameters.embeddings_norm, parameters.eps, out=hidden_states)
    return hidden_states


def _after_attention(
    layer: PackedLayer, tokens: int, parameters: PackedParameters, workspace: Workspace
) -> None:
    """Rewrite ``workspace.hidden_states`` (T, E) by the rest of a layer, from ``workspace.context`` on."""
    hidden_states, total = workspace.hidden_states[:tokens], workspace.sum[:tokens]  # 2 x (T, E)
    intermediate, part = workspace.intermediate[:tokens], workspace.part[:tokens]  # (T, I), (T, E)
    _linear(workspace.context[:tokens], layer.attention_output, out=total)  # (T, E)
    total += hidden_states
    _layer_norm(total, layer.attention_norm, parameters.eps, out=hidden_states)

    _linear(hidden_states, layer.intermediate, out=intermediate)  # (T, I)
    if parameters.gelu is None:
        np.maximum(intermediate, 0, out=intermediate)
    else:
        _double_gelu(intermediate, workspace, parameters.gelu)
    column = 0
    for i, weight in enumerate(layer.output):  # (6)
        columns = intermediate[:, column : column + weight.panels.shape[1]]  # (T, I / parts)
        column += columns.shape[1]
        _multiply(columns, weight, out=part if i else total)  # (T, E)
        if i:
            total += part
    total += layer.output_bias
    total += hidden_states
    _layer_norm(total, layer.output_norm, parameters.eps, out=hidden_states)


def _linear(x: Float32Array, linear: Linear, *, out: Float32Array) -> None:
    """Write ``x W + b`` to ``out``: (T, in) to (T, out)."""
    _multiply(x, linear.weight, out=out)
    out += linear.bias


def _multiply(x: Float32Array, weight: Weight, *, out: Float32Array) -> None:
    """Write ``x @ weight`` to ``out``: (T, in) to (T, out), (5). All reshapes are views."""
    rows, panels = weight.block_rows, weight.panels
    by_panel = out.reshape(len(out), len(panels), -1)  # (T, C, out / C)
    whole = len(x) // rows * rows  # in whole blocks; none where block_rows is "all"
    if whole:
        blocks = x[:whole].reshape(whole // rows, 1, rows, -1)  # (T / rows, 1, rows, in)
        # (T / rows, rows, C, out / C)
        out_blocks = by_panel[:whole].reshape(whole // rows, rows, len(panels), -1)
        np.matmul(blocks, panels, out=out_blocks.transpose(0, 2, 1, 3))  # (T / rows, C, rows, out / C)
    if whole < len(x):
        # gemv would multiply a single row, and rounds otherwise: the row before it is done once more
        start = min(whole, max(len(x) - 2, 0))
        np.matmul(x[start:], panels, out=by_panel[start:].transpose(1, 0, 2))  # (C, rest, out / C)


def _attend(
    query_key_value: Float32Array,
    texts: int,
    heads: int,
    bias: Float32Array | None,
    *,
    queries: slice = slice(None),
    out: Float32Array,
) -> None:
    """Write the context vectors of N texts to ``out``: (N x L, 3E) to (N x queries, E).

    As ``encoder.self_attention`` does, but without a mask, for there is no padding. ``queries`` selects the
    rows to compute, if they are not all L.
    """
    # (N, L, 3, H, D)
    qkv = query_key_value.reshape(texts, -1, 3, heads, query_key_value.shape[1] // 3 // heads)
    q, k, v = qkv.transpose(2, 0, 3, 1, 4)  # 3 x (N, H, L, D)
    q = q[:, :, queries]  # (N, H, queries, D), already divided by sqrt(D) (2)
    context = out.reshape(texts, -1, heads, q.shape[-1]).swapaxes(1, 2)  # (N, H, queries, D), a view

    scores = np.empty((k.shape[2], texts, heads, q.shape[2]), np.float32)  # (3): (key, N, H, query)
    np.matmul(k, q.swapaxes(-1, -2), out=scores.transpose(1, 2, 0, 3))  # (N, H, key, query)
    if bias is not None:
        scores += bias[..., queries]
    scores -= scores.max(axis=0)  # subtracted for the reason given in activations.softmax
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=0)
    np.matmul(scores.transpose(1, 2, 3, 0), v, out=context)  # (N, H, query, key) @ (N, H, key, D)


def _double_gelu(x: Float32Array, workspace: Workspace, coefficients: Sequence[np.float32]) -> None:
    """Replace ``x`` by ``2 gelu(x) = x (1 + tanh(x P(x^2)))``, (4)."""
    highest, next_lower, *lower = coefficients[::-1]  # P by Horner's rule
    with np.errstate(over="ignore"):  # where P overflows, tanh is 1 or -1, which is right
        for start in range(0, len(x), GELU_ROWS):
            block = x[start : start + GELU_ROWS]
            square, gate = workspace.square[: len(block)], workspace.gate[: len(block)]
            np.multiply(block, block, out=square)
            np.multiply(square, highest, out=gate)
            gate += next_lower
            for coefficient in lower:
                gate *= square
                gate += coefficient
            gate *= block
            np.tanh(gate, out=gate)
            gate += _ONE
            block *= gate


def _layer_norm(x: Float32Array, norm: LayerNorm, eps: float, *, out: Float32Array) -> None:
    """Write the layer norm of ``x`` (T, E) to ``out``, (7); ``x`` is overwritten."""
    width = x.shape[1]
    mean = np.vecdot(x, np.full(width, 1 / width, np.float32))  # (T,)
    x -= mean[:, None]
    variance = np.vecdot(x, x)  # (T,), and in the end 1 / sqrt(variance + eps)
    variance *= np.float32(1 / width)
    variance += np.float32(eps)
    np.sqrt(variance, out=variance)
    np.reciprocal(variance, out=variance)
    x *= variance[:, None]
    x *= norm.weight
    np.add(x, norm.bias, out=out)
