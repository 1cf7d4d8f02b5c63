"""The BERT encoder for speed: what ``encoder.py`` computes, packed, fused and in place.

Read ``encoder.py`` first. Most of the time goes into matrix products, which numpy leaves to a BLAS library
(OpenBLAS in most of its wheels), and there into kernels: innermost loops, each written for one kind of CPU.
Each departure from ``encoder.py`` is marked with its number where it stands, and saves what is said here:

1. **Packing.** The tokens of many texts lie one after another, without padding or mask. Everything but
   attention treats them as one long matrix; neighbours of equal length share one batched attention.
   Without it, 1.1 times the time on sentences sorted by length, 1.6 times on sentences as they come.
2. **Biases ride in the matrix product**: ``[x 1] @ [W; b] = x W + b``. Hidden states have one more column,
   always 1, and weights one more row, the bias. The product costs 0.3% more and saves a pass over its
   result: 3%.
3. **One product for query, key and value**, the query's weights already divided by sqrt(D): 9% of the time
   of one sentence alone.
4. **Softmax over the first axis.** Scores are stored (key, text, head, query), so that maximum and sum
   run along whole rows of memory instead of over a few numbers at a time: 4%, on long texts 8%.
5. **GELU by tanh of a polynomial**, fitted here to the exact (erf) form by ``benchmarks/fit_gelu.py``. Its
   factor 1/2 is in the next weights, which halves them without rounding. 8% less than Abramowitz and Stegun's
   formula 7.1.26 for erf.
6. **Weights in panels of columns, rows in blocks**, small enough for OpenBLAS's small-matrix kernels where
   it has them (AVX-512): they do not copy their operands first. Without it one sentence alone takes 1.6 times
   as long.
7. **The sum over the intermediate width in parts**: a kernel adds its terms one after another, and their
   rounding errors with them. Costs nothing; the largest error of an embedding's component is 2.6e-7 instead
   of 3.5e-7.
8. **Row sums by vecdot**, a dot product for each row, which is 2 to 4% faster than mean(), and rounds alike
   wherever a row stands, which matrix @ vector does not.

The figures are those of ``benchmarks/ablation.py`` on the machine that the README names. None of these makes
a text's result depend on the texts beside it: sums run over one token's numbers or one text's tokens, in an
order that its own length decides. (What BLAS makes of that depends on its kernels: see the README.)

Shapes: T tokens in the pack, N texts of equal length L, E hidden width, H heads, D = E / H, I intermediate
width, C panels of a weight, V vocabulary.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from minilm.activations import ACTIVATIONS, gelu, gelu_tanh
from minilm.config import ModelConfig

Array = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.integer]

# (6) Columns of a panel, of which OpenBLAS's small-matrix kernels like 64, and the most multiply-adds of
# one block and one panel that go to them (its file kernel/x86_64/sgemm_small_kernel_permit_skylakex.c).
PANEL_COLUMNS = 64
SMALL_PRODUCT = 1_000_000

# (7) Terms that a matrix product may sum in one go.
LONGEST_SUM = 384

# (5) Rows that GELU works on at a time: three such blocks fit in a second-level cache of 1 MiB.
GELU_ROWS = 64

# (5) P with tanh(x P(x^2)) near erf(x / sqrt 2), lowest power first: coefficients of this project, fitted by
# minimizing the largest error of GELU itself over all x in float64, which is 6.6e-8.
GELU_COEFFICIENTS = (
    0.7978842683816385,
    0.03633414920697246,
    -3.302677085062272e-05,
    -5.527336554203591e-05,
    3.974067850664657e-06,
    -1.3378301948231116e-07,
    1.8139232582038901e-09,
)
# The same of the tanh form that other checkpoints were trained with (activations.gelu_tanh): exactly.
GELU_TANH_COEFFICIENTS = (math.sqrt(2 / math.pi), math.sqrt(2 / math.pi) * 0.044715)
_GELU = tuple(np.float32(coefficient) for coefficient in GELU_COEFFICIENTS)
_GELU_TANH = tuple(np.float32(coefficient) for coefficient in GELU_TANH_COEFFICIENTS)
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


class LayerNorm(NamedTuple):
    """Scale and shift of a layer norm."""

    weight: Array  # (E,)
    bias: Array  # (E,)


class Weight(NamedTuple):
    """A weight (in, out), its columns in panels that lie one after another in memory (6)."""

    panels: Array  # (C, in, out / C)
    block_rows: int  # rows of the other factor that meet a panel at a time


class PackedLayer(NamedTuple):
    """One layer's parameters, fused; a weight of E + 1 inputs has its bias in the last row (2)."""

    query_key_value: Weight  # (E + 1, 3E), (3)
    attention_output: Weight  # (E + 1, E)
    attention_norm: LayerNorm
    intermediate: Weight  # (E + 1, I)
    output: list[Weight]  # parts of (I, E), (7), halved (5)
    output_bias: Array  # (E,)
    output_norm: LayerNorm


class PackedParameters(NamedTuple):
    """The encoder's parameters, fused."""

    word_embeddings: Array  # (V, E)
    position_embeddings: Array  # (positions, E), with token type 0 added: most texts have no other
    token_type_differences: Array  # (types, E), each less that of type 0
    embeddings_norm: LayerNorm
    layers: list[PackedLayer]
    heads: int
    intermediate_size: int
    eps: float
    gelu: tuple[np.float32, ...] | None  # P's coefficients (5), or None where the activation is ReLU


class Workspace:
    """Buffers of one thread for packs of up to ``tokens`` tokens, used again for every layer and every pack.

    Threads that share the work on one text have a workspace each and ``query_key_value`` in common.
    """

    def __init__(
        self, tokens: int, parameters: PackedParameters, *, query_key_value: Array | None = None
    ) -> None:
        hidden, intermediate = parameters.position_embeddings.shape[1], parameters.intermediate_size
        if query_key_value is None:
            query_key_value = np.empty((tokens, 3 * hidden), np.float32)
        self.query_key_value = query_key_value  # (T, 3E)
        self.hidden_states = _with_ones(tokens, hidden)  # (T, E + 1)
        self.context = _with_ones(tokens, hidden)  # (T, E + 1)
        self.sum = np.empty((tokens, hidden), np.float32)  # (T, E): what layer norm is taken of
        self.part = np.empty((tokens, hidden), np.float32)  # (T, E): one of the parts of (7)
        self.intermediate = np.empty((tokens, intermediate), np.float32)  # (T, I)
        self.square = np.empty((GELU_ROWS, intermediate), np.float32)  # x^2 (5)
        self.gate = np.empty((GELU_ROWS, intermediate), np.float32)  # 1 + tanh(x P(x^2)) (5)


def _with_ones(rows: int, width: int) -> Array:
    """Return an array (rows, width + 1) whose last column is 1 (2), each row at the same cache alignment."""
    padded = -(-(width + 1) // 16) * 16  # 16 float32 fill a line of the cache
    array = np.empty((rows, padded), np.float32)[:, : width + 1]
    array[:, -1] = 1
    return array


def pack_parameters(
    parameters: Mapping[str, npt.NDArray[np.floating]], config: ModelConfig, *, in_panels: bool = False
) -> PackedParameters:
    """Fuse parameters, as :func:`minilm.checkpoint.weights.load_parameters` gives them, for :func:`encode`.

    Parameters
    ----------
    parameters : mapping of str to ndarray
        Tensor name to array; linear weights (in, out).
    config : ModelConfig
        The shape of the encoder.
    in_panels : bool
        Lay the weights out for a BLAS that has fast kernels for small matrices (6).
    """

    def get(name: str) -> Array:
        return np.asarray(parameters[name], dtype=np.float32)

    def norm(name: str) -> LayerNorm:
        return LayerNorm(get(f"{name}.weight"), get(f"{name}.bias"))

    def linear(name: str, *, scale: float = 1) -> tuple[Array, Array]:
        return get(f"{name}.weight") * np.float32(scale), get(f"{name}.bias") * np.float32(scale)

    def pack(*side_by_side: tuple[Array, Array | None]) -> Weight:
        """Weights (in, out) of the same input, each with its bias if it rides along (2), as one."""
        inputs = len(side_by_side[0][0]) + (side_by_side[0][1] is not None)  # the bias is one more row (2)
        outputs = [weight.shape[1] for weight, _ in side_by_side]
        # (6), in multiples of 8 rows and not above 32
        columns, rows = PANEL_COLUMNS, min(SMALL_PRODUCT // (inputs * PANEL_COLUMNS), 32) // 8 * 8
        if not in_panels or not rows or any(width % columns for width in outputs):
            columns, rows = outputs[0], sys.maxsize  # whole weights, all rows at a time: ordinary products
        panels = np.empty((sum(outputs) // columns, inputs, columns), np.float32)  # (C, in, out / C)
        start = 0
        for weight, bias in side_by_side:
            stop = start + weight.shape[1] // columns
            panels[start:stop, : len(weight)] = weight.reshape(len(weight), -1, columns).transpose(1, 0, 2)
            if bias is not None:
                panels[start:stop, -1] = bias.reshape(-1, columns)
            start = stop
        return Weight(panels, rows)

    activation = ACTIVATIONS[config.hidden_act]
    coefficients = _GELU if activation is gelu else _GELU_TANH if activation is gelu_tanh else None  # ReLU
    half = np.float32(1 if coefficients is None else 0.5)  # what _double_gelu leaves over
    layers = []
    head_size = config.hidden_size // config.num_attention_heads
    parts = -(-config.intermediate_size // LONGEST_SUM)  # (7), rounded up
    for i in range(config.num_hidden_layers):
        layer = f"encoder.layer.{i}"
        attention = f"{layer}.attention"
        output, output_bias = get(f"{layer}.output.dense.weight"), get(f"{layer}.output.dense.bias")
        layers.append(
            PackedLayer(
                query_key_value=pack(
                    linear(f"{attention}.self.query", scale=1 / math.sqrt(head_size)),  # (3)
                    linear(f"{attention}.self.key"),
                    linear(f"{attention}.self.value"),
                ),
                attention_output=pack(linear(f"{attention}.output.dense")),
                attention_norm=norm(f"{attention}.output.LayerNorm"),
                intermediate=pack(linear(f"{layer}.intermediate.dense")),
                output=[pack((part, None)) for part in np.array_split(output * half, parts)],  # (5), (7)
                output_bias=output_bias,
                output_norm=norm(f"{layer}.output.LayerNorm"),
            )
        )
    token_types = get("embeddings.token_type_embeddings.weight")
    return PackedParameters(
        word_embeddings=get("embeddings.word_embeddings.weight"),
        position_embeddings=get("embeddings.position_embeddings.weight") + token_types[0],
        token_type_differences=token_types - token_types[0],
        embeddings_norm=norm("embeddings.LayerNorm"),
        layers=layers,
        heads=config.num_attention_heads,
        intermediate_size=config.intermediate_size,
        eps=config.layer_norm_eps,
        gelu=coefficients,
    )


def encode(
    input_ids: IntArray,
    groups: Sequence[Group],
    parameters: PackedParameters,
    workspace: Workspace,
    *,
    token_type_ids: IntArray | None = None,
    rows: slice | None = None,
    wait: Callable[[], object] = lambda: None,
) -> Array:
    """Last hidden state of every token of the pack, shape (T, E): a view that the next call overwrites.

    Parameters
    ----------
    input_ids : ndarray of int, shape (T,)
        Token ids of all texts, one text after another; each in the vocabulary (the tokenizer sees to it).
    groups : sequence of Group
        Where the texts lie, without gaps.
    parameters : PackedParameters
        From :func:`pack_parameters`.
    workspace : Workspace
        With room for the tokens; overwritten.
    token_type_ids : ndarray of int, shape (T,), optional
        Sentence A or B of a pair; all 0 by default.
    rows : slice, optional
        Which of the T tokens to compute and return, if several threads share the work on a single text.
    wait : callable
        Returns when every thread that shares the work has called it. Tokens meet in attention only: it is
        called twice a layer, when all keys and values are there, and before the next layer overwrites them.
    """
    w, eps, heads = workspace, parameters.eps, parameters.heads
    mine = slice(0, len(input_ids)) if rows is None else rows
    tokens = mine.stop - mine.start  # T
    with_ones, hidden_states = w.hidden_states[:tokens], w.hidden_states[:tokens, :-1]  # (T, E + 1), (T, E)
    total, part, intermediate = w.sum[:tokens], w.part[:tokens], w.intermediate[:tokens]  # 2 x (T, E), (T, I)

    # embeddings
    position_ids = np.concatenate([np.tile(np.arange(group.length), group.texts) for group in groups])
    # the mode "raise" would buffer; the ids are in range
    np.take(parameters.word_embeddings, input_ids[mine], axis=0, out=total, mode="clip")
    total += parameters.position_embeddings[position_ids[mine]]
    if token_type_ids is not None:
        total += parameters.token_type_differences[token_type_ids[mine]]
    _layer_norm(total, parameters.embeddings_norm, eps, out=hidden_states)

    for layer in parameters.layers:
        # self-attention
        _multiply(with_ones, layer.query_key_value, out=w.query_key_value[mine])  # (T, 3E)
        wait()
        for group in groups:
            texts = slice(group.start, group.stop)
            # with rows there is one text, and of its context only these rows
            queries, own = (slice(None), texts) if rows is None else (rows, slice(0, tokens))
            _attend(w.query_key_value[texts], group.texts, heads, queries=queries, out=w.context[own])
        _multiply(w.context[:tokens], layer.attention_output, out=total)  # (T, E)
        total += hidden_states
        _layer_norm(total, layer.attention_norm, eps, out=hidden_states)

        # feed-forward
        _multiply(with_ones, layer.intermediate, out=intermediate)  # (T, I)
        if parameters.gelu is None:
            np.maximum(intermediate, 0, out=intermediate)
        else:
            _double_gelu(intermediate, w, parameters.gelu)
        column = 0
        for i, weight in enumerate(layer.output):  # (7)
            columns = intermediate[:, column : column + weight.panels.shape[1]]  # (T, I / parts)
            column += columns.shape[1]
            _multiply(columns, weight, out=part if i else total)  # (T, E)
            if i:
                total += part
        total += layer.output_bias
        total += hidden_states
        _layer_norm(total, layer.output_norm, eps, out=hidden_states)
        wait()
    return hidden_states


def _multiply(x: Array, weight: Weight, *, out: Array) -> None:
    """Write ``x @ weight`` to ``out``: (T, in) to (T, out), (6). All reshapes are views."""
    rows, panels = weight.block_rows, weight.panels
    by_panel = out.reshape(len(out), len(panels), -1)  # (T, C, out / C)
    whole = len(x) // rows * rows  # in whole blocks; none where block_rows is "all"
    if whole:
        blocks = x[:whole].reshape(whole // rows, 1, rows, -1)  # (T / rows, 1, rows, in)
        # (T / rows, rows, C, out / C)
        out_blocks = by_panel[:whole].reshape(whole // rows, rows, len(panels), -1)
        np.matmul(blocks, panels, out=out_blocks.transpose(0, 2, 1, 3))  # (T / rows, C, rows, out / C)
    if whole < len(x):
        # a single row would be multiplied by other means (gemv), which round otherwise: the row before it
        # is done once more
        start = min(whole, max(len(x) - 2, 0))
        np.matmul(x[start:], panels, out=by_panel[start:].transpose(1, 0, 2))  # (C, rest, out / C)


def _attend(query_key_value: Array, texts: int, heads: int, *, queries: slice, out: Array) -> None:
    """Write the context vectors of N texts to ``out``: (N x L, 3E) to (N x queries, E + 1).

    As ``encoder.self_attention`` does, without a mask, for there is no padding; queries are all L or some.
    """
    # (N, L, 3, H, D)
    qkv = query_key_value.reshape(texts, -1, 3, heads, query_key_value.shape[1] // 3 // heads)
    q, k, v = qkv.transpose(2, 0, 3, 1, 4)  # 3 x (N, H, L, D)
    q = q[:, :, queries]  # (N, H, queries, D), divided by sqrt(D) with its weights (3)
    context = _split_rows(out, texts, heads, q.shape[-1])  # (N, H, queries, D)

    scores = np.empty((k.shape[2], texts, heads, q.shape[2]), np.float32)  # (4): (key, N, H, query)
    np.matmul(k, q.swapaxes(-1, -2), out=scores.transpose(1, 2, 0, 3))  # (N, H, key, query)
    scores -= scores.max(axis=0)  # subtracted for the reason given in encoder.softmax
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=0)
    np.matmul(scores.transpose(1, 2, 3, 0), v, out=context)  # (N, H, query, key) @ (N, H, key, D)


def _split_rows(rows: Array, texts: int, heads: int, head_size: int) -> Array:
    """View (N x L, E + 1) as (N, H, L, D), the column of ones left out: reshape would have to copy."""
    length, (row, item) = len(rows) // texts, rows.strides
    return np.lib.stride_tricks.as_strided(
        rows,
        shape=(texts, heads, length, head_size),
        strides=(length * row, head_size * item, row, item),
    )


def _double_gelu(x: Array, workspace: Workspace, coefficients: Sequence[np.float32] = _GELU) -> None:
    """Replace ``x`` by ``2 gelu(x) = x (1 + tanh(x P(x^2)))``, (5).

    Where P overflows, tanh is 1 or -1, as it should be; so the overflow is not worth a warning.
    """
    with np.errstate(over="ignore"):
        _double_gelu_in_blocks(x, workspace, coefficients)


def _double_gelu_in_blocks(x: Array, workspace: Workspace, coefficients: Sequence[np.float32]) -> None:
    highest, next_lower, *lower = coefficients[::-1]  # P by Horner's rule
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


def _layer_norm(x: Array, norm: LayerNorm, eps: float, *, out: Array) -> None:
    """Write the layer norm of ``x`` (T, E) to ``out``, (8); ``x`` is overwritten."""
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
