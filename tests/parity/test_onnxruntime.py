"""minilm against the golden outputs of ONNX Runtime, a second witness beside the original."""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np
import pytest

from minilm import MiniLM, TruncationWarning
from tests.parity.make_golden import GOLDEN, texts_sha256
from tests.parity.make_golden_onnxruntime import GOLDEN_ONNXRUNTIME
from tests.parity.texts import TEXTS, WITH_HIDDEN_STATES

Golden = dict[str, np.ndarray[Any, Any]]


@pytest.fixture(scope="module")
def golden() -> Golden:
    with np.load(GOLDEN_ONNXRUNTIME) as file:
        return dict(file)


@pytest.fixture(scope="module")
def original() -> Golden:
    with np.load(GOLDEN) as file:
        return dict(file)


def test_the_golden_file_belongs_to_these_texts_and_these_weights(golden: Golden, model: MiniLM) -> None:
    assert str(golden["texts_sha256"]) == texts_sha256()
    versions = json.loads(str(golden["versions"]))
    assert versions["checkpoint"] == f"{model.checkpoint.repo_id}@{model.checkpoint.revision}"


def test_float32_is_onnx_runtimes_in_float32(model: MiniLM, golden: Golden) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TruncationWarning)  # two of the texts are there to be cut
        embeddings = model.encode(TEXTS)
    # the bound against the original, for its reason: each is within 2.6e-7 of the truth; measured: 3.4e-7
    np.testing.assert_allclose(embeddings, golden["embeddings_float32"], rtol=0, atol=1e-6)


def test_the_two_witnesses_agree(golden: Golden, original: Golden) -> None:
    # within what float32 allows of the original's float64; measured: 2.3e-7
    truth = original["embeddings_float64"]
    np.testing.assert_allclose(golden["embeddings_float32"], truth, rtol=0, atol=1e-6)
    for index in WITH_HIDDEN_STATES:
        # hidden states reach 5.5, and one place of float32 is worth 16 times as much there; measured: 2.7e-6
        states, exact = golden[f"hidden_states_float32_{index}"], original[f"hidden_states_float64_{index}"]
        np.testing.assert_allclose(states, exact, rtol=0, atol=1e-5)
