"""encoder.py: each formula against its definition, and properties of every network of this kind."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minilm import ModelConfig, activations, encoder
from tests.checkpoints import TINY, random_parameters
from tests.intermediates import encode_with_intermediates


def random_ids(config: ModelConfig, shape: tuple[int, int], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, config.vocab_size, shape)


def test_layer_norm_by_hand() -> None:
    parameters = {"n.weight": np.array([1.0, 2.0]), "n.bias": np.array([0.0, 10.0])}
    # mean 3, variance 1 (of the population, not of a sample)
    np.testing.assert_array_equal(
        encoder.layer_norm(np.array([2.0, 4.0]), parameters, "n", eps=0.0), [-1.0, 12.0]
    )
    # mean 4, variance 9, and with eps 25: the root is 5
    np.testing.assert_array_equal(
        encoder.layer_norm(np.array([1.0, 7.0]), parameters, "n", eps=16.0), [-3 / 5, 10 + 2 * (3 / 5)]
    )


def test_one_head_by_the_formula() -> None:
    """All heads at once equal one head at a time, written out as in Vaswani et al. 2017, equation 1."""
    parameters = random_parameters(TINY, seed=1)
    x = np.random.default_rng(2).normal(size=(1, 5, TINY.hidden_size))
    found: dict[str, np.ndarray] = {}
    mask = np.ones((1, 5), int)
    context = encoder.self_attention(x, mask, parameters, TINY, layer=0, record=found.__setitem__)
    probs = found["encoder.layer.0.attention.self.attention_probs"]
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


def test_one_layer_by_the_formula() -> None:
    """Both sublayers written out as LayerNorm(x + Sublayer(x)), Vaswani et al. 2017, section 3.1."""
    parameters = random_parameters(TINY, seed=12)
    x = np.random.default_rng(13).normal(size=(2, 5, TINY.hidden_size))
    mask = np.array([[1] * 5, [1] * 3 + [0] * 2])

    def affine(x: np.ndarray, name: str) -> np.ndarray:
        name = f"encoder.layer.1.{name}"
        return x @ parameters[f"{name}.weight"] + parameters[f"{name}.bias"]

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        name = f"encoder.layer.1.{name}.LayerNorm"
        z = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + TINY.layer_norm_eps)
        return z * parameters[f"{name}.weight"] + parameters[f"{name}.bias"]

    context = encoder.self_attention(x, mask, parameters, TINY, layer=1)
    attended = norm(x + affine(context, "attention.output.dense"), "attention.output")
    intermediate = activations.gelu(affine(attended, "intermediate.dense"))
    expected = norm(attended + affine(intermediate, "output.dense"), "output")
    output = encoder.encoder_layer(x, mask, parameters, TINY, layer=1)
    # the same sums, but for the variance: some units in the last place of numbers near 1
    np.testing.assert_allclose(output, expected, rtol=0, atol=1e-13)


def test_every_intermediate_is_returned_and_consistent() -> None:
    parameters = random_parameters(TINY, seed=3)
    ids = random_ids(TINY, (2, 6), seed=4)
    mask = np.array([[1] * 6, [1] * 4 + [0] * 2])
    output = encode_with_intermediates(ids, mask, parameters, TINY)
    assert [states.shape for states in output.hidden_states] == [(2, 6, 16)] * 3
    assert [probs.shape for probs in output.attention_probs] == [(2, 4, 6, 6)] * 2
    np.testing.assert_array_equal(output.last_hidden_state, encoder.encode(ids, mask, parameters, TINY))
    np.testing.assert_array_equal(output.hidden_states[-1], output.last_hidden_state)
    np.testing.assert_array_equal(output.hidden_states[0], encoder.embed(ids, parameters, TINY))
    for probs in output.attention_probs:
        np.testing.assert_allclose(probs.sum(axis=-1), 1, rtol=1e-14)
        assert (probs[1, :, :, 4:] == 0).all()  # no token attends to padding


def test_what_is_recorded_leads_from_the_ids_to_the_output_and_changes_nothing() -> None:
    parameters, ids = random_parameters(TINY, seed=3), random_ids(TINY, (2, 6), seed=4)
    mask = np.array([[1] * 6, [1] * 4 + [0] * 2])
    found: dict[str, np.ndarray] = {}
    output = encoder.encode(ids, mask, parameters, TINY, record=found.__setitem__)
    np.testing.assert_array_equal(output, encoder.encode(ids, mask, parameters, TINY))
    np.testing.assert_array_equal(output, [*found.values()][-1])
    assert found["embeddings.position_embeddings"].shape == (1, 6, 16)
    assert len(found) == 5 + 14 * TINY.num_hidden_layers
    for name, x in found.items():
        if name.endswith("LayerNorm"):
            again = encoder.layer_norm(found[f"{name}.input"], parameters, name, TINY.layer_norm_eps)
            np.testing.assert_array_equal(x, again)
    name = "encoder.layer.1"
    act = found[f"{name}.intermediate.intermediate_act_fn"]
    np.testing.assert_array_equal(act, activations.gelu(found[f"{name}.intermediate.dense"]))
    np.testing.assert_array_equal(
        encoder.linear(act, parameters, f"{name}.output.dense"), found[f"{name}.output.dense"]
    )
    scores, probs = (found[f"{name}.attention.self.attention_{part}"] for part in ("scores", "probs"))
    np.testing.assert_allclose(probs[0], activations.softmax(scores[0]), rtol=1e-14)
    assert (scores[1, :, :, 4:] > -1e3).all()  # before the mask


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_is_that_of_the_parameters(dtype: type) -> None:
    ids = random_ids(TINY, (1, 4), seed=5)
    output = encode_with_intermediates(ids, np.ones_like(ids), random_parameters(TINY, 6, dtype), TINY)
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


def test_an_embedding_is_the_sum_of_three_rows_normalized() -> None:
    parameters = random_parameters(TINY, seed=9)
    ids, types = np.array([[7, 39, 7]]), np.array([[0, 1, 1]])
    words, positions, of_types = (
        parameters[f"embeddings.{part}_embeddings.weight"] for part in ("word", "position", "token_type")
    )
    for token_type_ids, rows in ((types, of_types[[0, 1, 1]]), (None, of_types[[0, 0, 0]])):
        expected = encoder.layer_norm(
            words[[7, 39, 7]] + positions[:3] + rows, parameters, "embeddings.LayerNorm", TINY.layer_norm_eps
        )
        output = encoder.embed(ids, parameters, TINY, token_type_ids=token_type_ids)
        # three numbers of order 1, added in another order
        np.testing.assert_allclose(output[0], expected, rtol=0, atol=1e-14)


def test_token_types_reach_the_last_layer() -> None:
    parameters = random_parameters(TINY, seed=14)
    ids, types = random_ids(TINY, (1, 3), seed=10), np.array([[0, 1, 1]])
    mask = np.ones_like(ids)
    states = encoder.embed(ids, parameters, TINY, token_type_ids=types)
    for layer in range(TINY.num_hidden_layers):
        states = encoder.encoder_layer(states, mask, parameters, TINY, layer=layer)
    np.testing.assert_array_equal(encoder.encode(ids, mask, parameters, TINY, token_type_ids=types), states)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([[40]], "input_ids must lie in 0 to 39, not 40 to 40"),
        ([[3, -1]], "input_ids must lie in 0 to 39, not -1 to 3"),
        ([[0] * 25], "positions must lie in 0 to 23, not 0 to 24"),
    ],
)
def test_ids_outside_their_table_are_refused(ids: list[list[int]], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        encoder.encode(np.array(ids), np.ones_like(ids), random_parameters(TINY, 11), TINY)


def test_a_token_type_outside_its_table_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^token_type_ids must lie in 0 to 1, not 0 to 2$"):
        encoder.embed(
            np.array([[1, 2]]), random_parameters(TINY, 11), TINY, token_type_ids=np.array([[0, 2]])
        )
