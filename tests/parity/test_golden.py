"""minilm against the golden outputs of the original (sentence-transformers on torch)."""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np
import pytest

from minilm import MiniLM, TruncationWarning
from minilm._arrays import Parameters
from minilm.pooling import mean_pooling, normalize
from minilm.similarity import dot_score
from minilm.tokenizer import pad
from tests.intermediates import EncoderOutput, encode_with_intermediates
from tests.parity.make_golden import GOLDEN, texts_sha256
from tests.parity.texts import MADE_TO_MEASURE, TEXTS, WITH_HIDDEN_STATES

Golden = dict[str, np.ndarray[Any, Any]]


@pytest.fixture(scope="module")
def golden() -> Golden:
    with np.load(GOLDEN) as file:
        return dict(file)


@pytest.fixture(scope="module")
def golden_ids(golden: Golden) -> list[list[int]]:
    return [ids.tolist() for ids in np.split(golden["input_ids"], np.cumsum(golden["lengths"])[:-1])]


@pytest.fixture(scope="module")
def embeddings(model: MiniLM) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TruncationWarning)  # two of the texts are there to be cut
        return model.encode(TEXTS)


def float64_states(ids: list[int], parameters: Parameters, model: MiniLM) -> tuple[EncoderOutput, np.ndarray]:
    input_ids, mask = pad([ids])
    return encode_with_intermediates(input_ids, mask, parameters, model.config), mask


def test_the_golden_file_belongs_to_these_texts_and_these_weights(golden: Golden, model: MiniLM) -> None:
    assert str(golden["texts_sha256"]) == texts_sha256()
    assert len(TEXTS) >= 100
    versions = json.loads(str(golden["versions"]))
    assert versions["checkpoint"] == f"{model.checkpoint.repo_id}@{model.checkpoint.revision}"
    assert versions["torch"].startswith("2.13.0")


def test_token_ids_are_identical_on_every_text(model: MiniLM, golden_ids: list[list[int]]) -> None:
    tokenized = model.tokenizer.texts(TEXTS)
    assert tokenized.input_ids == golden_ids
    assert sum(tokenized.is_truncated) == 2  # those of 257 and 600 tokens


def test_the_texts_made_to_measure_have_their_measure(golden_ids: list[list[int]]) -> None:
    for tokens, text in MADE_TO_MEASURE.items():
        assert len(golden_ids[TEXTS.index(text)]) == min(tokens, 256)


def test_float64_encoder_is_the_original_in_float64(
    model: MiniLM, float64_parameters: Parameters, golden: Golden, golden_ids: list[list[int]]
) -> None:
    for ids, expected in zip(golden_ids, golden["embeddings_float64"], strict=True):
        output, mask = float64_states(ids, float64_parameters, model)
        embedding = normalize(mean_pooling(output.last_hidden_state, mask))[0]
        # Two correct float64 programs differ by rounding only: 2e-16 a step, through six layers of sums of up
        # to 1536 terms. Measured: 7e-16. 1e-11 leaves room for other BLAS kernels and still excludes any
        # difference in formula (erf against its tanh form alone would show 1e-4).
        np.testing.assert_allclose(embedding, expected, rtol=0, atol=1e-11)


@pytest.mark.parametrize("index", WITH_HIDDEN_STATES)
def test_every_layer_is_the_originals_in_float64(
    model: MiniLM, float64_parameters: Parameters, golden: Golden, golden_ids: list[list[int]], index: int
) -> None:
    output, _ = float64_states(golden_ids[index], float64_parameters, model)
    states = np.concatenate(output.hidden_states)  # (7, L, E)
    # hidden states reach 5.5 where embeddings reach 0.2, so the same relative rounding; measured: 7e-15
    np.testing.assert_allclose(states, golden[f"hidden_states_float64_{index}"], rtol=0, atol=1e-11)


def test_float32_is_the_original_in_float32(embeddings: np.ndarray, golden: Golden) -> None:
    # Each is within 2.2e-7 of the truth (next test), so they can be twice that apart, and other BLAS kernels
    # sum in other orders; a typical component is 0.05. Measured: 2.3e-7.
    np.testing.assert_allclose(embeddings, golden["embeddings_float32"], rtol=0, atol=1e-6)


def test_float32_is_as_near_to_the_truth_as_the_original_is(embeddings: np.ndarray, golden: Golden) -> None:
    truth = golden["embeddings_float64"]
    ours = np.abs(embeddings - truth).max()
    originals = np.abs(golden["embeddings_float32"] - truth).max()
    # Rounding is luck in any one number, so "as near" cannot mean nearer: half as much again is the most that
    # the order of sums explains. Measured: 2.0e-7 against 2.2e-7.
    assert ours <= 1.5 * originals


def test_a_pair_scores_as_the_original_to_six_digits(model: MiniLM, golden: Golden) -> None:
    pair = ["A girl is styling her hair.", "A girl is brushing her hair."]
    theirs = golden["embeddings_float32"][[TEXTS.index(text) for text in pair]].astype(np.float64)
    score = dot_score(*model.encode(pair).astype(np.float64)).item()
    assert abs(score - dot_score(*theirs).item()) < 5e-7
    assert f"{score:.6f}" == "0.805222"
