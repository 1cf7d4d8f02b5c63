"""Networks of any shape with random parameters, and their hidden states by encoder.py."""

from __future__ import annotations

import math

import numpy as np

from minilm import ModelConfig, encoder
from minilm._arrays import Parameters
from tests.checkpoints import random_parameters


def well_scaled(config: ModelConfig, seed: int) -> Parameters:
    """Random parameters whose products neither grow nor vanish with the widths, as in trained networks."""
    parameters = dict(random_parameters(config, seed))
    for name, values in parameters.items():
        if values.ndim == 2 and not name.startswith("embeddings."):
            parameters[name] = values / (0.3 * math.sqrt(len(values)))
    return parameters


def truth(ids: list[int], parameters: Parameters, config: ModelConfig) -> np.ndarray:
    """Hidden states (L, E) of one text, in double precision."""
    in_double = {name: np.asarray(values, np.float64) for name, values in parameters.items()}
    return encoder.encode(np.array([ids]), np.ones((1, len(ids)), int), in_double, config)[0]


def config_of(heads: int, head_size: int, layers: int, intermediate: int, eps: float = 1e-12) -> ModelConfig:
    return ModelConfig(
        vocab_size=31,
        hidden_size=heads * head_size,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=intermediate,
        max_position_embeddings=48,
        type_vocab_size=2,
        layer_norm_eps=eps,
    )
