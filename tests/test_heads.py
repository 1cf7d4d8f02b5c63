"""heads.py: pooling, Dense modules, scaling and logits, on numbers worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from minilm import CheckpointError, MiniLM
from minilm.activations import identity, relu
from minilm.heads import (
    ClassificationHead,
    Dense,
    EmbeddingHead,
    LayerNormStep,
    SpladeHead,
    activated,
    check_activation,
    check_output,
    features,
    token_vectors,
)
from minilm.pooling import Pooling, normalize
from minilm.tokenizer import TokenizedTexts
from tests.parity.texts import PLAIN

# one text of two tokens; their mean is (3, 4), whose length is 5
STATES = np.array([[[2.0, 8.0], [4.0, 0.0]]], np.float32)
DENSE = Dense(
    np.array([[1, 0, 2], [0, -1, 0]], np.float32), np.array([0.5, 0, -6], np.float32), relu, "2_Dense"
)


@pytest.mark.parametrize(
    ("pooling", "options", "expected"),
    [
        (None, {}, [3, 4]),
        ("mean", {"normalize_first": True}, [0.6, 0.8]),
        ("cls", {}, [2, 8]),
        ("lasttoken", {}, [4, 0]),
        ("max", {}, [4, 8]),
        ("weightedmean", {}, [10 / 3, 8 / 3]),  # (1 * 2 + 2 * 4) / 3, (1 * 8 + 2 * 0) / 3
        ("mean_sqrt_len_tokens", {}, [6 / math.sqrt(2), 8 / math.sqrt(2)]),
        (("cls", "max"), {}, [2, 8, 4, 8]),
        (["mean", "lasttoken"], {"normalize_first": True}, np.array([3, 4, 4, 0]) / math.sqrt(41)),
        ("mean", {"truncate_dim": 1}, [3]),
        ("mean", {"truncate_dim": 9}, [3, 4]),
        ("mean", {"normalize_first": True, "truncate_dim": 1}, [0.6]),
        ("mean", {"normalize_first": True, "truncate_dim": 1, "normalize_last": True}, [1]),
        ("mean", {"normalize_last": True}, [0.6, 0.8]),
    ],
)
def test_an_embedding_is_pooled_scaled_and_cut_in_this_order(
    pooling: Any, options: dict[str, Any], expected: Any
) -> None:
    embeddings = EmbeddingHead(2, ("mean",)).embedder(pooling, **options)(STATES)
    assert embeddings.dtype == np.float32
    # three float32 roundings of numbers below 8: 3 * 2^-22
    np.testing.assert_allclose(embeddings, [expected], rtol=0, atol=8e-7)


def test_dense_modules_come_between_pooling_and_scaling() -> None:
    head = EmbeddingHead(2, ("mean",), (DENSE,))
    # (3, 4) @ weight + bias = (3.5, -4, 0), and ReLU takes the -4
    np.testing.assert_array_equal(head.embedder()(STATES), [[3.5, 0, 0]])
    np.testing.assert_array_equal(head.embedder(normalize_first=True)(STATES), [[1, 0, 0]])
    doubled = Dense(2 * np.eye(3, dtype=np.float32), np.ones(3, np.float32), identity, "3_Dense")
    np.testing.assert_array_equal(
        EmbeddingHead(2, ("mean",), (DENSE, doubled)).embedder()(STATES), [[8, 1, 1]]
    )


def test_an_embedding_does_not_change_with_the_buffer_that_it_came_from() -> None:
    states = STATES.copy()
    embeddings = EmbeddingHead(2, ("cls",)).embedder()(states)
    [tokens] = token_vectors(states)
    states[:] = 9
    np.testing.assert_array_equal(embeddings, [[2, 8]])
    np.testing.assert_array_equal(tokens, STATES[0])


@pytest.mark.parametrize(
    ("pooling", "dense", "width"), [(("mean",), (), 7), (("mean", "cls"), (), 14), (("mean",), (DENSE,), 3)]
)
def test_the_width_is_that_of_the_last_step(
    pooling: tuple[Pooling, ...], dense: tuple[Dense, ...], width: int
) -> None:
    assert EmbeddingHead(7, pooling, dense).width() == width


def test_another_pooling_has_its_own_width() -> None:
    head = EmbeddingHead(7, ("mean",))
    assert head.width("cls") == 7
    assert head.width(["cls", "max", "mean"]) == 21


@pytest.mark.parametrize(
    ("pooling", "value"),
    [("sum", "sum"), (("mean", "sum"), "sum"), ([], ""), (["mean", 3], 3), ([{}], {})],
)
def test_a_pooling_that_does_not_exist_is_refused(pooling: Any, value: object) -> None:
    with pytest.raises(ValueError, match=f"pooling must be one of cls, max, mean, .*, not {value!r}$"):
        EmbeddingHead(2, ("mean",)).embedder(pooling)


def test_with_a_dense_module_no_other_pooling_and_no_explanation() -> None:
    head = EmbeddingHead(2, ("mean",), (DENSE,))
    for call in (head.width, head.embedder):
        with pytest.raises(ValueError, match="has a Dense module made for its own"):
            call("mean")
    with pytest.raises(ValueError, match="has a Dense module after pooling"):
        head.explain([], [])


def test_a_dense_module_that_overflows_is_named() -> None:
    huge = Dense(np.full((2, 1), 3e38, np.float32), np.zeros(1, np.float32), identity, "2_Dense/model")
    with pytest.raises(CheckpointError, match=r"^2_Dense/model is damaged: its weights are finite"):
        huge(np.array([[3.0, 4.0]], np.float32))


def test_logits_by_hand() -> None:
    head = ClassificationHead(
        pooler_weight=np.array([[0.1, 0.0], [0.0, 0.25]], np.float32),
        pooler_bias=np.array([0.3, -2.0], np.float32),
        weight=np.array([[1.0, 2.0], [5.0, 7.0]], np.float32),
        bias=np.array([0.5, -0.5], np.float32),
    )
    # [CLS] is (2, 8): tanh(0.2 + 0.3) and tanh(2 - 2) = 0
    expected = [[math.tanh(0.5) + 0.5, 2 * math.tanh(0.5) - 0.5]]
    np.testing.assert_allclose(head.logits(STATES), expected, rtol=0, atol=2e-7)


def test_the_activation_function_of_a_classifier_may_be_relu() -> None:
    eye = np.eye(2, dtype=np.float32)
    head = ClassificationHead(eye, np.array([-3.0, 1.0], np.float32), eye, np.zeros(2, np.float32), relu)
    # [CLS] is (2, 8): max(2 - 3, 0) and max(8 + 1, 0)
    assert head.logits(STATES).tolist() == [[0.0, 9.0]]


def splade_head(**options: Any) -> SpladeHead:
    eye, zeros = np.eye(2, dtype=np.float32), np.zeros(2, np.float32)
    norm = {"norm.weight": np.ones(2, np.float32), "norm.bias": zeros}
    decoder = np.array([[3.0, -1.0, 2.0], [1.0, 1.0, 1.0]], np.float32)
    parameters = {"dense.weight": eye, "dense.bias": zeros, **norm}
    return SpladeHead(parameters, decoder, np.array([0.0, 0.0, -5.0], np.float32), relu, 0.0, **options)


def test_splade_by_hand() -> None:
    # normalized, the tokens are (-1, 1) and (1, -1): scores -2, 2, -6 and 2, -2, -4
    states = np.array([[[1.0, 3.0], [9.0, 4.0]]], np.float32)
    once = math.log(3)
    np.testing.assert_allclose(splade_head().weights(states), [[once, once, 0]], rtol=1e-6)
    np.testing.assert_allclose(splade_head(pooling="sum").weights(states), [[once, once, 0]], rtol=1e-6)
    both = np.concatenate([states, states], axis=1)
    np.testing.assert_allclose(splade_head(pooling="sum").weights(both), [[2 * once, 2 * once, 0]], rtol=1e-6)
    twice = math.log(1 + once)
    np.testing.assert_allclose(splade_head(logarithms=2).weights(states), [[twice, twice, 0]], rtol=1e-6)


def test_features_are_all_of_one_text() -> None:
    tokenized = TokenizedTexts([[2, 3]], [False])
    [result] = features(tokenized, [STATES[0]], EmbeddingHead(2, ("mean",)).embedder(), 1)
    assert (result.pop("modality"), result.pop("prompt_length")) == ("text", 1)
    assert {name: values.tolist() for name, values in result.items()} == {
        "input_ids": [2, 3],
        "token_type_ids": [0, 0],
        "attention_mask": [1, 1],
        "token_embeddings": [[2, 8], [4, 0]],
        "sentence_embedding": [3, 4],
    }
    assert {values.dtype for values in result.values()} == {np.dtype(np.int64), np.dtype(np.float32)}


def test_arguments_without_a_meaning_together_are_refused() -> None:
    check_output("sentence_embedding", "int8", "cls", True)
    check_output("token_embeddings", "int8", None, False)
    check_output(None, "float32", "cls", True)
    for arguments, message in (
        (("tokens", "float32", None, False), "output_value must be .* not 'tokens'"),
        (("sentence_embedding", "int4", None, False), "precision must be one of float32, .* not 'int4'"),
        ((None, "int8", None, False), "precision has no meaning for output_value None"),
        (("token_embeddings", "float32", "cls", False), "have no meaning for token_embeddings"),
        (("token_embeddings", "float32", None, True), "have no meaning for token_embeddings"),
    ):
        with pytest.raises(ValueError, match=message):
            check_output(*arguments)


def test_poolings_are_those_of_the_token_embeddings(model: MiniLM, monkeypatch: pytest.MonkeyPatch) -> None:
    text = PLAIN[0]
    tokens = model.encode(text, output_value="token_embeddings")
    poolings: tuple[tuple[Pooling, np.ndarray], ...] = (
        ("mean", tokens.mean(axis=0)),
        ("cls", tokens[0]),
        ("max", tokens.max(axis=0)),
    )
    for pooling, expected in poolings:
        with monkeypatch.context() as patch:
            patch.setattr(model, "normalize", False)
            raw = model.encode(text, pooling=pooling)
        np.testing.assert_allclose(raw, expected, rtol=0, atol=1e-5)
        unit = model.encode(text, pooling=pooling)
        np.testing.assert_allclose(unit, expected / np.linalg.norm(expected), rtol=0, atol=1e-6)


def test_scores_are_what_the_activation_makes_of_logits() -> None:
    logits = np.array([[1.0, -2.0]], np.float32)
    assert activated(None, logits) is logits
    np.testing.assert_array_equal(activated(np.negative, logits), -logits)
    with pytest.raises(TypeError, match="activation_fn must be a function of logits, not 'tanh'"):
        check_activation("tanh")  # type: ignore[arg-type]


def test_a_layer_norm_after_pooling_by_hand() -> None:
    step = LayerNormStep(np.array([1, 2], np.float32), np.array([0, 1], np.float32))
    # mean 2, variance 1, and torch's epsilon of 1e-5
    scale = 1 / np.sqrt(1 + 1e-5)
    np.testing.assert_allclose(step(np.array([[1, 3]], np.float32)), [[-scale, 1 + 2 * scale]], rtol=1e-6)
    head = EmbeddingHead(2, ("mean",), (normalize, step))
    assert head.width() == 2
    hidden_states = np.array([[[3, 4], [3, 4]]], np.float32)
    np.testing.assert_allclose(head.embedder()(hidden_states), step(np.array([[0.6, 0.8]], np.float32)))
