"""encoder.py: each formula against its definition, and what must hold for any network of this kind."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minilm import ModelConfig, activations, encoder
from minilm.weights import Parameters, expected_shapes
from tests.conftest import TINY


def random_parameters(config: ModelConfig, seed: int, dtype: type = np.float64) -> Parameters:
    random = np.random.default_rng(seed)
    parameters: dict[str, np.ndarray] = {}
    for name, shape in expected_shapes(config).items():
        is_linear = len(shape) == 2 and not name.startswith("embeddings.")
        values = random.normal(0, 0.3, shape[::-1] if is_linear else shape)
        parameters[name] = (values + ("LayerNorm.weight" in name)).astype(dtype)
    return parameters


def random_ids(config: ModelConfig, shape: tuple[int, int], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, config.vocab_size, shape)


def test_erf_is_the_c_librarys() -> None:
    x = np.array([[-6.0, -1.0, -0.0], [1e-300, 0.5, 6.0]])
    assert activations.erf(x).tolist() == [[math.erf(value) for value in row] for row in x.tolist()]
    assert activations.erf(x.astype(np.float32)).dtype == np.float32


def test_gelu_is_x_times_the_normal_distribution_function() -> None:
    # Phi(1) and Phi(-2) to 16 digits, from tables of the normal distribution
    np.testing.assert_allclose(
        activations.gelu(np.array([0.0, 1.0, -2.0])),
        [0.0, 0.8413447460685429, -2 * 0.0227501319481792],
        rtol=1e-15,
    )


def test_softmax_sums_to_one_where_exp_alone_would_overflow() -> None:
    x = np.array([[92.7, 92.7, -1000.0], [1e4, 0.0, 0.0]], dtype=np.float32)
    np.testing.assert_array_equal(encoder.softmax(x), np.array([[0.5, 0.5, 0], [1, 0, 0]], np.float32))


def test_layer_norm_by_hand() -> None:
    parameters = {"n.weight": np.array([1.0, 2.0]), "n.bias": np.array([0.0, 10.0])}
    # mean 3, variance 1 (of the population, not of a sample)
    np.testing.assert_array_equal(
        encoder.layer_norm(np.array([2.0, 4.0]), parameters, "n", eps=0.0), [-1.0, 12.0]
    )


def test_one_head_by_the_formula() -> None:
    """All heads at once equal one head at a time, written out as in Vaswani et al. 2017, equation 1."""
    parameters = random_parameters(TINY, seed=1)
    x = np.random.default_rng(2).normal(size=(1, 5, TINY.hidden_size))
    context, probs = encoder.self_attention(x, np.ones((1, 5), int), parameters, TINY, layer=0)
    for head in range(TINY.num_attention_heads):
        columns = slice(head * TINY.head_size, (head + 1) * TINY.head_size)
        name = "encoder.layer.0.attention.self"
        q, k, v = (
            x[0] @ parameters[f"{name}.{part}.weight"][:, columns]
            + parameters[f"{name}.{part}.bias"][columns]
            for part in ("query", "key", "value")
        )
        weights = np.exp(q @ k.T / np.sqrt(TINY.head_size))
        weights /= weights.sum(axis=1, keepdims=True)
        # the same sums in another order: some units in the last place of numbers near 1
        np.testing.assert_allclose(probs[0, head], weights, rtol=1e-13)
        np.testing.assert_allclose(context[0][:, columns], weights @ v, rtol=1e-12, atol=1e-14)


def test_every_intermediate_is_returned_and_consistent() -> None:
    parameters = random_parameters(TINY, seed=3)
    ids = random_ids(TINY, (2, 6), seed=4)
    mask = np.array([[1] * 6, [1] * 4 + [0] * 2])
    output = encoder.encode_with_intermediates(ids, mask, parameters, TINY)
    assert [states.shape for states in output.hidden_states] == [(2, 6, 16)] * 3
    assert [probs.shape for probs in output.attention_probs] == [(2, 4, 6, 6)] * 2
    np.testing.assert_array_equal(output.last_hidden_state, encoder.encode(ids, mask, parameters, TINY))
    np.testing.assert_array_equal(output.hidden_states[-1], output.last_hidden_state)
    np.testing.assert_array_equal(output.hidden_states[0], encoder.embed(ids, parameters, TINY))
    for probs in output.attention_probs:
        np.testing.assert_allclose(probs.sum(axis=-1), 1, rtol=1e-14)
        assert (probs[1, :, :, 4:] == 0).all()  # nobody attends to padding


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_is_that_of_the_parameters(dtype: type) -> None:
    ids = random_ids(TINY, (1, 4), seed=5)
    output = encoder.encode_with_intermediates(
        ids, np.ones_like(ids), random_parameters(TINY, 6, dtype), TINY
    )
    assert {array.dtype for array in (*output.hidden_states, *output.attention_probs)} == {np.dtype(dtype)}


configs = st.builds(
    lambda heads, head_size, layers, intermediate: ModelConfig(
        vocab_size=31,
        hidden_size=heads * head_size,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=intermediate,
        max_position_embeddings=12,
        type_vocab_size=2,
        layer_norm_eps=1e-12,
    ),
    heads=st.integers(1, 5),
    head_size=st.integers(2, 9),
    layers=st.integers(1, 3),
    intermediate=st.integers(1, 20),
)


@given(config=configs, lengths=st.lists(st.integers(1, 9), min_size=1, max_size=4), seed=st.integers(0, 99))
@settings(deadline=None, max_examples=60)  # a deadline would make the clock part of the test
def test_padding_never_changes_a_result(config: ModelConfig, lengths: list[int], seed: int) -> None:
    parameters = random_parameters(config, seed)
    ids = random_ids(config, (len(lengths), 12), seed)
    mask = (np.arange(12) < np.array(lengths)[:, None]).astype(int)
    together = encoder.encode(ids, mask, parameters, config)
    for row, length in enumerate(lengths):
        alone = encoder.encode(ids[row : row + 1, :length], mask[row : row + 1, :length], parameters, config)
        # float64 rounding through three layers of numbers of order 1 to 10
        np.testing.assert_allclose(together[row, :length], alone[0], rtol=0, atol=1e-11)


def test_a_row_that_is_all_padding_stays_finite() -> None:
    ids = random_ids(TINY, (2, 3), seed=7)
    output = encoder.encode(ids, np.array([[1, 1, 1], [0, 0, 0]]), random_parameters(TINY, 8), TINY)
    assert np.isfinite(output).all()


def test_token_types_change_the_embedding() -> None:
    parameters = random_parameters(TINY, seed=9)
    ids = random_ids(TINY, (1, 3), seed=10)
    a, b = (
        encoder.embed(ids, parameters, TINY),
        encoder.embed(ids, parameters, TINY, token_type_ids=ids * 0 + 1),
    )
    assert np.abs(a - b).max() > 0.1


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([[40]], "input_ids must lie in 0 to 39, not 40 to 40"),
        ([[3, -1]], "input_ids must lie in 0 to 39, not -1 to 3"),
        ([[0] * 25], "positions must lie in 0 to 23, not 0 to 24"),
    ],
)
def test_ids_outside_their_table_are_refused(ids: list[list[int]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        encoder.encode(np.array(ids), np.ones_like(ids), random_parameters(TINY, 11), TINY)
