"""The published STS Benchmark figure, reproduced.

Cer et al. 2017, SemEval-2017 Task 1, https://arxiv.org/abs/1708.00055. The figure is the one in MTEB's public
results for sentence-transformers/all-MiniLM-L6-v2.
"""

from __future__ import annotations

import numpy as np
import pytest

from minilm import MiniLM
from tests.parity.shared import shared_file

PUBLISHED_SPEARMAN = 0.8203247
PUBLISHED_PEARSON = 0.8274064


@pytest.fixture(scope="module")
def scores(model: MiniLM) -> tuple[np.ndarray, np.ndarray]:
    """Cosines by the model, and what people said, of the test split's 1,379 pairs."""
    path = shared_file("sts/sts-test.csv", "the STS Benchmark")
    # plain tabs: quotes in the sentences are literal, and some rows carry notes behind the seventh column
    rows = [line.split("\t") for line in path.read_text("utf-8").splitlines()]
    assert len(rows) == 1379
    first, second = model.encode([row[5] for row in rows]), model.encode([row[6] for row in rows])
    return (first * second).sum(axis=1), np.array([float(row[4]) for row in rows])


def ranks(x: np.ndarray) -> np.ndarray:
    """Ranks from 1, equal values sharing the mean of theirs."""
    _, inverse, counts = np.unique(x, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse]


def test_spearman_is_the_published_one(scores: tuple[np.ndarray, np.ndarray]) -> None:
    spearman = np.corrcoef(ranks(scores[0]), ranks(scores[1]))[0, 1]
    # five digits: two pairs of 1,379 that change places by rounding move the sixth
    assert round(spearman, 5) == round(PUBLISHED_SPEARMAN, 5)


def test_pearson_is_the_published_one(scores: tuple[np.ndarray, np.ndarray]) -> None:
    assert round(np.corrcoef(*scores)[0, 1], 5) == round(PUBLISHED_PEARSON, 5)
