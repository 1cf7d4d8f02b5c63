"""config.py: the dataclass, and the names of poolings that its type allows."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from typing import get_args

import pytest

from minilm import MiniLM, ModelConfig
from minilm.pooling import POOLING, Pooling
from tests.checkpoints import TINY


def test_the_default_model_is_what_the_papers_say(model: MiniLM) -> None:
    assert model.config == ModelConfig(
        vocab_size=30522,
        hidden_size=384,
        num_hidden_layers=6,
        num_attention_heads=12,
        intermediate_size=1536,
        max_position_embeddings=512,
        type_vocab_size=2,
        layer_norm_eps=1e-12,
        max_seq_length=256,
        pooling=("mean",),
        normalize=True,
    )
    assert model.config.head_size == 32


def test_a_configuration_cannot_change() -> None:
    with pytest.raises(FrozenInstanceError):
        TINY.hidden_size = 32  # type: ignore[misc]
    assert replace(TINY, hidden_size=32).head_size == 8


def test_a_pooling_is_always_a_tuple_of_names() -> None:
    assert TINY.pooling == ("mean",)
    assert get_args(Pooling) == tuple(POOLING)
