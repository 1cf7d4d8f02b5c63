"""fast/nearest.py: scores by every path, and the best of them, held to what plain numpy gives."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilm.fast import nearest
from minilm.fast.nearest import TopK, cosines, dot_products, resolution, tolerances
from minilm.pooling import normalize


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
    found, best = top.best()
    np.testing.assert_array_equal(found, order)
    np.testing.assert_array_equal(best, np.take_along_axis(scores, order, axis=1))


def expected_order(scores: np.ndarray, tolerance: float) -> list[int]:
    """The definition: the best, and by column all within the tolerance of it; and again."""
    remaining, order = list(range(len(scores))), []
    while remaining:
        best = max(scores[i] for i in remaining)
        equals = [i for i in remaining if best - scores[i] <= tolerance]
        order += equals
        remaining = [i for i in remaining if i not in equals]
    return order


@given(
    seed=st.integers(0, 10**6),
    columns=st.integers(1, 300),
    k=st.integers(1, 40),
    block=st.integers(1, 300),
    distinct=st.integers(1, 200),
    tolerance=st.integers(0, 60),
)
def test_scores_within_the_tolerance_come_by_column_whatever_the_blocks(
    seed: int, columns: int, k: int, block: int, distinct: int, tolerance: int
) -> None:
    scores = np.random.default_rng(seed).integers(0, distinct, (2, columns)).astype(np.float32)
    top = TopK(2, k, [0, tolerance])
    for start in range(0, columns, block):
        top.add(scores[:, start : start + block], first_column=start)
    found, best = top.best()
    for row, limit in enumerate((0, tolerance)):
        assert found[row].tolist() == expected_order(scores[row], limit)[:k]
        assert (np.diff(best[row]) <= 0).all()
        assert (abs(scores[row][found[row]] - best[row]) <= limit).all()


def test_a_wider_type_of_scores_is_kept() -> None:
    top = TopK(1, 2)
    top.add(np.array([[1.0, 1.0 + 1e-12, 0.0]]), first_column=5)
    columns, scores = top.best()
    assert columns.tolist() == [[6, 5]]
    assert scores.dtype == np.float64


def test_nan_is_worse_than_any_number() -> None:
    top = TopK(1, 3)
    top.add(np.array([[np.nan, 1.0, np.nan, np.nan, -np.inf]]), first_column=0)
    assert top.best()[0].tolist() == [[1, 4, 0]]
    top.add(np.array([[2.0, np.nan, 0.0]]), first_column=5)
    assert top.best()[0].tolist() == [[5, 1, 7]]


def test_a_million_equal_scores_cost_neither_memory_nor_order() -> None:
    """Also where their last bits differ, and where all that come later are a little better."""
    jitter = np.random.default_rng(0).integers(-4, 4, (4, 1 << 18)) * 2.0**-24
    jitter[2:] = np.linspace(0, 2.0**-21, 1 << 18)
    scores = (0.5 + jitter).astype(np.float32)
    top = TopK(4, 10, 2.0**-20)
    tracemalloc.start()
    try:
        for start in range(0, 1 << 20, 1 << 14):
            at = start % (1 << 18)
            top.add(scores[:, at : at + (1 << 14)], first_column=start)
        columns, _ = top.best()
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert columns.tolist() == [list(range(10))] * 4
    assert most < 8 << 20  # the pairs of one block take 1.5 MiB


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8])
@pytest.mark.parametrize("queries", [1, 3, 9, 40])
@pytest.mark.parametrize("rows", [1, 7, 100, 1000])
def test_scores_are_those_of_numpy_on_every_path(
    queries: int, rows: int, dtype: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("_JOB_ROWS", 64), ("_CACHED_ROWS", 16), ("_MAPPED_ROWS", 300), ("_SCORES", 900)):
        monkeypatch.setattr(nearest, name, value)
    generator = np.random.default_rng(1)
    corpus: np.ndarray = (generator.normal(size=(rows, 24)) * 30).astype(dtype)
    corpus[0] = 0  # as without a direction: its cosine is 0
    wanted = normalize(generator.normal(size=(queries, 24))).astype(np.float32)
    products = wanted.astype(np.float64) @ corpus.T.astype(np.float64)
    long = np.maximum(np.linalg.norm(corpus.astype(np.float64), axis=1), 1e-12)
    for function, expected in ((dot_products, products), (cosines, products / long)):
        blocks = list(function(wanted, corpus))
        found = np.concatenate([scores for _, scores in blocks], axis=1)
        np.testing.assert_allclose(found, expected, rtol=0, atol=5e-7 * long.max())
        assert [start for start, _ in blocks] == np.cumsum(
            [0, *(s.shape[1] for _, s in blocks[:-1])]
        ).tolist()


def test_the_tolerance_is_what_the_smallest_type_can_tell() -> None:
    half, single, double = (np.ones((2, 4), dtype) for dtype in (np.float16, np.float32, np.float64))
    assert resolution(double, double) == 2.0**-49
    assert resolution(double, single) == 2.0**-20
    assert resolution(single, half) == 2.0**-15
    # lengths of 2 and 6
    np.testing.assert_allclose(tolerances(single, 3 * single), [12 * 2.0**-20] * 2)


@pytest.mark.parametrize("long", [1e5, 1e6, 3e19])
def test_a_long_row_does_not_make_the_scores_of_others_equal(long: float) -> None:
    one = np.ones((1, 4), np.float32)
    rows = np.concatenate([0 * one, one, -np.float32(long) * one, 2 * one])
    np.testing.assert_allclose(tolerances(one, rows), [4 * 2.0**-20])
    np.testing.assert_allclose(tolerances(one, np.float32(long) * one), [4 * long * 2.0**-20])
    assert tolerances(one, 0 * one) == 0
    top = TopK(1, 4, tolerances(one, rows))
    for start, scores in dot_products(one, rows):
        top.add(scores, first_column=start)
    columns, scores = top.best()
    assert columns.tolist() == [[3, 1, 0, 2]]
    np.testing.assert_allclose(scores, np.array([[8, 4, 0, -4 * long]]), rtol=1e-7)
