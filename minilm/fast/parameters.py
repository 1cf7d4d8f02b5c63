"""The encoder's parameters for speed: fused, scaled and laid out as ``packed.py`` multiplies by them.

The numbers in brackets are those of the departures in ``packed.py``.

Shapes: E hidden width, I intermediate width, C panels of a weight, V vocabulary.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from minilm._arrays import Float32Array, FloatArray, Room
from minilm.activations import ACTIVATIONS, Activation, gelu, gelu_tanh, relu
from minilm.config import ModelConfig
from minilm.variants import RELATIVE_BIAS, TYPE_EMBEDDINGS, relative_position_bucket

# (5) Columns of a panel: OpenBLAS's small-matrix kernels work best on 64. And the most multiply-adds of one
# block and one panel that go to them (its file kernel/x86_64/sgemm_small_kernel_permit_skylakex.c).
PANEL_COLUMNS = 64
SMALL_PRODUCT = 1_000_000

# (6) Terms that a matrix product may sum in one go.
LONGEST_SUM = 384

# (4) P with tanh(x P(x^2)) near erf(x / sqrt 2), lowest power first. These coefficients are this project's.
# The fit minimizes the largest error of GELU itself over all x in float64, which is 6.6e-8.
GELU_COEFFICIENTS = (
    0.7978842683816385,
    0.03633414920697246,
    -3.302677085062272e-05,
    -5.527336554203591e-05,
    3.974067850664657e-06,
    -1.3378301948231116e-07,
    1.8139232582038901e-09,
)
# The coefficients of every activation function that packed.py computes; ReLU has none.
_COEFFICIENTS: dict[Activation, tuple[float, ...] | None] = {
    gelu: GELU_COEFFICIENTS,
    gelu_tanh: (math.sqrt(2 / math.pi), math.sqrt(2 / math.pi) * 0.044715),  # exact
    relu: None,
}
HIDDEN_ACTS = tuple(name for name, function in ACTIVATIONS.items() if function in _COEFFICIENTS)
"""The values of ``hidden_act`` that ``packed.py`` computes."""


class LayerNorm(NamedTuple):
    """Scale and shift of a layer norm."""

    weight: Float32Array  # (E,)
    bias: Float32Array  # (E,)


class Weight(NamedTuple):
    """A weight (in, out), its columns in panels that lie one after another in memory (5)."""

    panels: Float32Array  # (C, in, out / C)
    block_rows: int  # rows of the other factor that meet a panel at a time


class Linear(NamedTuple):
    """A linear layer: ``x W + b``."""

    weight: Weight  # (in, out)
    bias: Float32Array  # (out,)


class PackedLayer(NamedTuple):
    """One layer's parameters, fused."""

    query_key_value: Linear  # (E, 3E), (2)
    attention_output: Linear  # (E, E)
    attention_norm: LayerNorm
    intermediate: Linear  # (E, I)
    output: list[Weight]  # parts of (I, E), (6), halved (4)
    output_bias: Float32Array  # (E,)
    output_norm: LayerNorm


class PackedParameters(NamedTuple):
    """The encoder's parameters, fused."""

    word_embeddings: Float32Array  # (V, E)
    position_embeddings: Float32Array  # (positions, E), with token type 0 added: most texts have no other
    token_type_differences: Float32Array  # (types, E), each less that of type 0
    embeddings_norm: LayerNorm
    layers: list[PackedLayer]
    heads: int
    intermediate_size: int
    eps: float
    gelu: tuple[np.float32, ...] | None  # P's coefficients (4); None: the activation function is ReLU
    padding_idx: int | None  # positions are counted from the next one on; None: from 0
    longest_input: int  # P, the most tokens that one text may have
    # (H, 2P - 1): what is added to the score of a key that lies 1 - P, ..., P - 1 tokens after the query
    attention_bias: Float32Array | None


def pack_parameters(
    parameters: Mapping[str, FloatArray], config: ModelConfig, *, in_panels: bool = False
) -> PackedParameters:
    """Fuse the parameters of :func:`minilm.checkpoint.weights.load_parameters` for ``packed.py``.

    Their linear weights are (in, out). ``in_panels`` lays them out for a BLAS that has fast kernels for small
    matrices (5). Raises ValueError if ``config.hidden_act`` is not one of :data:`HIDDEN_ACTS`.
    """
    activation = ACTIVATIONS.get(config.hidden_act)
    if activation not in _COEFFICIENTS:
        known = ", ".join(HIDDEN_ACTS)
        raise ValueError(f"hidden_act {config.hidden_act!r} is not supported, only {known} are")
    coefficients = _COEFFICIENTS[activation]
    token_types = _single(parameters, TYPE_EMBEDDINGS)
    positions = _single(parameters, "embeddings.position_embeddings.weight")
    longest = len(positions) - config.max_position_embeddings + config.longest_input
    per_layer = 4 * config.hidden_size**2 + 2 * config.hidden_size * config.intermediate_size
    room = Room(config.num_hidden_layers * per_layer)  # for the weights of all layers
    return PackedParameters(
        word_embeddings=_single(parameters, "embeddings.word_embeddings.weight"),
        position_embeddings=positions + token_types[0],
        token_type_differences=token_types - token_types[0],
        embeddings_norm=_norm(parameters, "embeddings.LayerNorm"),
        layers=[
            _pack_layer(parameters, f"encoder.layer.{i}", config, in_panels, room)
            for i in range(config.num_hidden_layers)
        ],
        heads=config.num_attention_heads,
        intermediate_size=config.intermediate_size,
        eps=config.layer_norm_eps,
        gelu=None if coefficients is None else tuple(np.float32(value) for value in coefficients),
        padding_idx=config.padding_idx,
        longest_input=longest,
        attention_bias=_bias_by_distance(parameters, longest),
    )


def _bias_by_distance(parameters: Mapping[str, FloatArray], longest: int) -> Float32Array | None:
    """Return MPNet's bias for every distance between two tokens, (H, 2P - 1); None for the others."""
    if RELATIVE_BIAS not in parameters:
        return None
    buckets = relative_position_bucket(np.arange(1 - longest, longest))  # (2P - 1,)
    return np.ascontiguousarray(_single(parameters, RELATIVE_BIAS)[buckets].T)


def _single(parameters: Mapping[str, FloatArray], name: str) -> Float32Array:
    return np.asarray(parameters[name], dtype=np.float32)


def _norm(parameters: Mapping[str, FloatArray], name: str) -> LayerNorm:
    return LayerNorm(_single(parameters, f"{name}.weight"), _single(parameters, f"{name}.bias"))


def _pack_layer(
    parameters: Mapping[str, FloatArray], layer: str, config: ModelConfig, in_panels: bool, room: Room
) -> PackedLayer:
    def linear(*names: str, scale: float = 1) -> Linear:
        """Fuse layers of the same input into one; ``scale`` multiplies the first (2)."""
        weights = [_single(parameters, f"{layer}.{name}.weight") for name in names]
        biases = [_single(parameters, f"{layer}.{name}.bias") for name in names]
        if scale != 1:
            weights[0], biases[0] = weights[0] * np.float32(scale), biases[0] * np.float32(scale)
        return Linear(_pack_weights(weights, in_panels, room), np.concatenate(biases))

    output = _single(parameters, f"{layer}.output.dense.weight")
    if ACTIVATIONS[config.hidden_act] is not relu:
        output = output * np.float32(0.5)  # (4): _double_gelu returns twice GELU
    parts = -(-config.intermediate_size // LONGEST_SUM)  # (6), rounded up
    return PackedLayer(
        query_key_value=linear(
            "attention.self.query",
            "attention.self.key",
            "attention.self.value",
            scale=1 / math.sqrt(config.hidden_size // config.num_attention_heads),
        ),
        attention_output=linear("attention.output.dense"),
        attention_norm=_norm(parameters, f"{layer}.attention.output.LayerNorm"),
        intermediate=linear("intermediate.dense"),
        output=[_pack_weights([part], in_panels, room) for part in np.array_split(output, parts)],
        output_bias=_single(parameters, f"{layer}.output.dense.bias"),
        output_norm=_norm(parameters, f"{layer}.output.LayerNorm"),
    )


def _pack_weights(weights: Sequence[Float32Array], in_panels: bool, room: Room) -> Weight:
    """Weights (in, out) side by side as one, in panels (5) if they are wanted and the widths allow them."""
    inputs, widths = len(weights[0]), [weight.shape[1] for weight in weights]
    # in multiples of 8 rows and not above 32
    columns, block_rows = PANEL_COLUMNS, min(SMALL_PRODUCT // (inputs * PANEL_COLUMNS), 32) // 8 * 8
    if not in_panels or not block_rows or any(width % columns for width in widths):
        columns, block_rows = widths[0], sys.maxsize  # whole weights, all rows at a time: ordinary products
    panels = room.take(sum(widths) // columns, inputs, columns)  # (C, in, out / C)
    start = 0
    for weight, width in zip(weights, widths, strict=True):
        stop = start + width // columns
        panels[start:stop] = weight.reshape(inputs, -1, columns).transpose(1, 0, 2)
        start = stop
    return Weight(panels, block_rows)
