"""minilm/_arrays.py: the best few scores, whatever the blocks and however many are equal."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilm._arrays import GrowingArray, TopK


@given(
    seed=st.integers(0, 10**6),
    queries=st.integers(0, 4),
    columns=st.integers(0, 60),
    k=st.integers(1, 70),
    block=st.integers(1, 70),
    distinct=st.integers(1, 50),
)
def test_the_best_are_those_of_a_stable_sort(
    seed: int, queries: int, columns: int, k: int, block: int, distinct: int
) -> None:
    scores = np.random.default_rng(seed).integers(0, distinct, (queries, columns)).astype(np.float32)
    top = TopK(queries, k)
    for start in range(0, columns, block):
        top.add(scores[:, start : start + block], first_column=start)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    np.testing.assert_array_equal(top.columns, order)
    np.testing.assert_array_equal(top.scores, np.take_along_axis(scores, order, axis=1))


def test_a_wider_type_of_scores_is_kept() -> None:
    top = TopK(1, 2)
    top.add(np.array([[1.0, 1.0 + 1e-12, 0.0]]), first_column=5)
    assert top.columns.tolist() == [[6, 5]]
    assert top.scores.dtype == np.float64


@pytest.mark.parametrize("expected", [0, 3, 10])
def test_a_growing_array_holds_what_was_appended(expected: int) -> None:
    rows = np.arange(14, dtype=np.float32).reshape(7, 2)
    array = GrowingArray(expected, 2)
    for part in np.split(rows, [1, 5]):
        array.extend(list(part))
    assert len(array) == 7
    np.testing.assert_array_equal(array.array(), rows)
