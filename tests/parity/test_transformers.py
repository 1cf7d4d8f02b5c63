"""encoder.py against transformers.BertModel on random small networks, where torch is installed."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minilm import ModelConfig
from minilm.checkpoint.weights import load_parameters
from tests.intermediates import encode_with_intermediates

torch = pytest.importorskip("torch", reason="torch is not installed; pip install '.[golden]' brings it")
transformers = pytest.importorskip("transformers", reason="transformers is not installed; see '.[golden]'")

configs = st.builds(
    lambda heads, head_size, layers, intermediate: ModelConfig(
        vocab_size=37,
        hidden_size=heads * head_size,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=intermediate,
        max_position_embeddings=20,
        type_vocab_size=2,
        layer_norm_eps=1e-12,
    ),
    heads=st.integers(1, 6),
    head_size=st.integers(1, 12),
    layers=st.integers(1, 4),
    intermediate=st.integers(1, 48),
)


@given(
    config=configs,
    batch=st.integers(1, 4),
    length=st.integers(1, 20),
    seed=st.integers(0, 2**31 - 1),
    contiguous=st.booleans(),
)
@settings(deadline=None, max_examples=80)  # a deadline would make the clock part of the test
def test_random_networks_agree(
    config: ModelConfig, batch: int, length: int, seed: int, contiguous: bool
) -> None:
    torch.manual_seed(seed)
    bert = transformers.BertModel(
        transformers.BertConfig(
            vocab_size=config.vocab_size,
            hidden_size=config.hidden_size,
            num_hidden_layers=config.num_hidden_layers,
            num_attention_heads=config.num_attention_heads,
            intermediate_size=config.intermediate_size,
            max_position_embeddings=config.max_position_embeddings,
            type_vocab_size=config.type_vocab_size,
            initializer_range=0.5,  # sharper attention than a new network's 0.02
            attn_implementation="eager",  # the only one that gives the attention probabilities
        )
    ).double()
    random = np.random.default_rng(seed)
    for parameter in bert.parameters():  # biases and norms start at 0 and 1: make them count
        if parameter.ndim == 1:
            parameter.data += torch.from_numpy(random.normal(0, 0.3, parameter.shape))
    bert.eval()
    input_ids = random.integers(0, config.vocab_size, (batch, length))
    token_type_ids = random.integers(0, 2, (batch, length))
    if contiguous:
        mask = (np.arange(length) < random.integers(1, length + 1, batch)[:, None]).astype(np.int64)
    else:  # holes anywhere, so long as something is left
        mask = random.integers(0, 2, (batch, length))
        mask[:, 0] = 1

    with tempfile.TemporaryDirectory() as directory:
        bert.save_pretrained(directory)
        parameters = load_parameters(Path(directory) / "model.safetensors", config, dtype=np.float64)
    with torch.inference_mode():
        theirs = bert(
            torch.from_numpy(input_ids),
            attention_mask=torch.from_numpy(mask),
            token_type_ids=torch.from_numpy(token_type_ids),
            output_hidden_states=True,
            output_attentions=True,
        )
    ours = encode_with_intermediates(input_ids, mask, parameters, config, token_type_ids=token_type_ids)
    # float64 rounding only; layer norm of a width of 1 or 2 can magnify it by the inverse of a small variance
    for our_states, their_states in zip(ours.hidden_states, theirs.hidden_states, strict=True):
        np.testing.assert_allclose(our_states, their_states.numpy(), rtol=0, atol=1e-8)
    for our_probs, their_probs in zip(ours.attention_probs, theirs.attentions, strict=True):
        np.testing.assert_allclose(our_probs, their_probs.numpy(), rtol=0, atol=1e-8)
