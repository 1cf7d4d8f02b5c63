"""_arrays.py: an array that grows, and the best of many scores, held to what plain numpy gives."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilm._arrays import GrowingArray, TopK


@pytest.mark.parametrize("expected_rows", [0, 1, 3, 7, 20])
@pytest.mark.parametrize("sizes", [[], [7], [3, 4], [1, 2, 4], [1] * 7])
def test_rows_come_back_in_order_whatever_number_was_expected(expected_rows: int, sizes: list[int]) -> None:
    growing = GrowingArray(expected_rows, 3)
    rows = np.arange(3.0 * sum(sizes), dtype=np.float32).reshape(-1, 3)
    start = 0
    for size in sizes:
        growing.extend(list(rows[start : start + size]))
        start += size
        assert len(growing) == start
    assert growing.array().dtype == np.float32
    np.testing.assert_array_equal(growing.array(), rows)


def test_an_array_of_the_expected_length_is_never_copied() -> None:
    growing = GrowingArray(4, 2)
    growing.extend(list(np.ones((1, 2), np.float32)))
    growing.extend(list(np.ones((3, 2), np.float32)))
    assert growing.array() is growing.array()
    assert growing.array().shape == (4, 2)


def test_rows_of_another_width_are_refused() -> None:
    growing = GrowingArray(0, 3)
    with pytest.raises(ValueError, match="could not broadcast"):
        growing.extend([np.ones(2, np.float32)])


@given(
    # few values, so that most scores have equals
    scores=st.lists(st.lists(st.integers(-2, 2), min_size=11, max_size=11), min_size=1, max_size=3),
    cuts=st.sets(st.integers(1, 10)),
    k=st.integers(1, 12),
)
def test_the_best_are_those_of_a_stable_sort_of_all_columns(
    scores: list[list[int]], cuts: set[int], k: int
) -> None:
    matrix = np.array(scores, np.float32)
    top = TopK(len(matrix), k)
    edges = [0, *sorted(cuts), 11]
    for start, stop in pairwise(edges):
        top.add(matrix[:, start:stop], first_column=start)
    order = np.argsort(-matrix, axis=1, kind="stable")[:, :k]
    for query, columns in enumerate(order):
        np.testing.assert_array_equal(top.columns(query), columns)
        np.testing.assert_array_equal(top.scores(query), matrix[query, columns])


def test_blocks_of_queries_are_counted_from_their_first() -> None:
    top = TopK(3, 2)
    top.add(np.array([[1.0, 3.0, 2.0]]), first_column=10, first_query=2)
    top.add(np.array([[0.0, 5.0]]), first_column=20, first_query=1)
    assert [top.columns(query).tolist() for query in range(3)] == [[], [21, 20], [11, 12]]
    assert [top.scores(query).tolist() for query in range(3)] == [[], [5, 0], [3, 2]]


def test_scores_keep_their_precision() -> None:
    top = TopK(1, 1)
    top.add(np.array([[1 / 3, 1 / 7]]), first_column=0)
    assert top.scores(0).tolist() == [1 / 3]
