"""Scores of the page this project re-creates, on the pairs that were measured on it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from minilm import MiniLM, TruncationWarning
from minilm.similarity import dot_score
from tests.parity.shared import shared_file


@pytest.fixture(scope="module")
def pairs() -> list[dict[str, Any]]:
    path = shared_file("original-page/scores.json", "the record of the original page's scores")
    return json.loads(path.read_text("utf-8"))


def score(model: MiniLM, pair: dict[str, Any]) -> float:
    return dot_score(*model.encode([pair["a"], pair["b"]]).astype(np.float64)).item()


@pytest.mark.filterwarnings(f"ignore::{TruncationWarning.__module__}.{TruncationWarning.__name__}")
def test_every_pair_scores_as_in_sentence_transformers(model: MiniLM, pairs: list[dict[str, Any]]) -> None:
    for pair in pairs:
        # components within 4e-7 of each other, in a sum of 384 products of signs that mostly cancel
        assert abs(score(model, pair) - pair["score_st_maxlen256"]) < 1e-6, pair


@pytest.mark.filterwarnings(f"ignore::{TruncationWarning.__module__}.{TruncationWarning.__name__}")
def test_pairs_with_the_same_token_ids_score_as_on_the_page(
    model: MiniLM, pairs: list[dict[str, Any]]
) -> None:
    same = [pair for pair in pairs if pair["same_ids_as_st256"]]
    assert len(same) > 20
    for pair in same:
        # the page's own float32 differs from sentence-transformers by up to 5.8e-7
        assert abs(score(model, pair) - pair["score_fp32"]) < 1.5e-6, pair
