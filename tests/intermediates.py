"""The hidden states and attention probabilities of every layer of encoder.py, from what it records."""

from __future__ import annotations

from typing import Any, NamedTuple

from minilm import ModelConfig, encoder
from minilm._arrays import FloatArray, IntArray, Parameters


class EncoderOutput(NamedTuple):
    """What one pass leaves between the layers."""

    last_hidden_state: FloatArray  # (B, L, E)
    hidden_states: list[FloatArray]  # (B, L, E) each: the embeddings, then every layer's output
    attention_probs: list[FloatArray]  # (B, H, L, L) each: the weight that a token gives to each token


def encode_with_intermediates(
    input_ids: IntArray, attention_mask: IntArray, parameters: Parameters, config: ModelConfig, **options: Any
) -> EncoderOutput:
    """Like :func:`minilm.encoder.encode`, with the states and probabilities of every layer."""
    found: dict[str, FloatArray] = {}
    last = encoder.encode(input_ids, attention_mask, parameters, config, **options, record=found.__setitem__)
    layers = [f"encoder.layer.{i}" for i in range(config.num_hidden_layers)]
    return EncoderOutput(
        last,
        [found["embeddings.LayerNorm"], *(found[f"{layer}.output.LayerNorm"] for layer in layers)],
        [found[f"{layer}.attention.self.attention_probs"] for layer in layers],
    )
