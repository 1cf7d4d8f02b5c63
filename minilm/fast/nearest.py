"""The rows nearest to queries: scores of a few rows at a time, and the best of them per query.

One query reads each vector once, which memory limits, not arithmetic. So everything is done while the vector
is in a core's cache, on all cores:

1. **Few queries by vecdot, many by matmul.** vecdot, a dot product per row, is as fast as memory. Unlike
   matrix @ vector, it rounds alike wherever a row stands. Above 8 queries a matrix product is faster.
2. **The cosine divides the scores by the rows' lengths**, which are computed from the cache: the rows are not
   copied to be normalized.
3. **A block is compared with the k-th best score so far.** Few scores exceed it, and only those are sorted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from minilm._arrays import AnyArray, FloatArray, Int64Array
from minilm.fast.cores import available_cores, run_jobs

Scores = Iterator[tuple[int, FloatArray]]
"""Scores (q, n) of rows that follow one another, each block with the number of its first row."""

_FEW = 8  # queries; measured: vecdot is faster up to 8
_SCORES = 1 << 22  # scores in memory at a time: 16 MiB
_MAPPED_ROWS = 1 << 17  # rows that few queries are compared with at a time; they need not be in memory
_JOB_ROWS = 8192  # rows that a core works on without another's waiting for it
_CACHED_ROWS = 512  # rows that stay in a core's cache: 768 KiB of 384 float32 components

# By the bytes of a component: what rounding may change in the dot product of two vectors of length 1. Two
# encodings of one text differ in the last bits, and so do two orders of adding up 384 products. In float16
# those last bits may fall on two sides of a rounding limit.
_RESOLUTION = {2: 2.0**-15, 4: 2.0**-20, 8: 2.0**-49}


def resolution(*arrays: AnyArray) -> float:
    """Return the difference up to which dot products of vectors of length 1 count as equal."""
    sizes = [array.dtype.itemsize for array in arrays if array.dtype.kind == "f"]
    return _RESOLUTION.get(min(sizes, default=8), 2.0**-20)


def tolerances(queries: FloatArray, rows: AnyArray) -> FloatArray:
    """Return up to which difference dot products count as equal, per query, by the lengths of vectors.

    Of the rows some are taken as examples: models whose vectors differ in length do so by little. Where they
    differ by much, the shortest counts: scores that are told apart too finely are right, the others not.
    """
    with np.errstate(all="ignore"):
        examples = lengths(rows[:: max(1, len(rows) // 256)].astype(np.float64))  # whose squares have room
        shortest = examples[examples > 0].min(initial=np.inf)
        allowed = resolution(queries, rows) * lengths(queries.astype(np.float64)) * shortest
    return np.where(np.isfinite(allowed), allowed, 0)


def lengths(rows: FloatArray) -> FloatArray:
    """Return the Euclidean length of each row, shape (n,)."""
    return np.asarray(np.sqrt(np.vecdot(rows, rows)))


def dot_products(queries: FloatArray, rows: AnyArray) -> Scores:
    """Iterate over the dot products of queries (q, E) and rows (n, E), which may be memory-mapped."""
    return _scores(queries, rows, is_cosine=False)


def cosines(queries: FloatArray, rows: AnyArray) -> Scores:
    """Iterate over the cosines of queries (q, E) of length 1 and rows (n, E), which may be memory-mapped."""
    return _scores(queries, rows, is_cosine=True)


def _scores(queries: FloatArray, rows: AnyArray, *, is_cosine: bool) -> Scores:
    is_few = len(queries) <= _FEW
    step = _MAPPED_ROWS if is_few else max(1, _SCORES // len(queries))
    for start in range(0, len(rows), step):
        part = rows[start : start + step]
        yield start, (_scores_by_rows if is_few else _scores_by_matmul)(queries, part, is_cosine)


def _scores_by_matmul(queries: FloatArray, rows: AnyArray, is_cosine: bool) -> FloatArray:
    floats = _as_floats(rows)
    with np.errstate(all="ignore"):
        scores = queries @ floats.T  # (q, n)
        if is_cosine:
            scores /= np.maximum(lengths(floats), 1e-12)  # as in pooling.normalize
    return np.asarray(scores)


def _scores_by_rows(queries: FloatArray, rows: AnyArray, is_cosine: bool) -> FloatArray:
    scores = np.empty((len(queries), len(rows)), np.result_type(queries, rows, np.float32))  # (q, n)

    def score(first: int) -> None:
        with np.errstate(all="ignore"):  # a thread has its own
            for start in range(first, min(first + _JOB_ROWS, len(rows)), _CACHED_ROWS):
                here = slice(start, min(start + _CACHED_ROWS, len(rows)))
                floats = _as_floats(rows[here])
                for query, row in zip(queries, scores, strict=True):
                    np.vecdot(floats, query, out=row[here])
                if is_cosine:
                    scores[:, here] /= np.maximum(lengths(floats), 1e-12)

    _on_all_cores(score, len(rows))
    return scores


def _as_floats(rows: AnyArray) -> FloatArray:
    """Return rows in a type that numpy multiplies fast."""
    return np.asarray(rows, np.result_type(rows, np.float32))


def bit_similarities(queries: npt.NDArray[np.uint8], rows: npt.NDArray[np.uint8]) -> Scores:
    """Iterate over minus the number of differing bits of queries (q, B) and rows (n, B), eight in a byte."""
    word = next(f"u{size}" for size in (8, 4, 2, 1) if rows.shape[1] % size == 0)
    query_words = np.ascontiguousarray(queries).view(word)  # (q, W)
    step = max(1, min(_MAPPED_ROWS, _SCORES // max(1, len(queries))))
    for start in range(0, len(rows), step):
        words = np.ascontiguousarray(rows[start : start + step]).view(word)  # (n, W)
        scores = np.zeros((len(queries), len(words)), np.float32)  # (q, n)

        def score(first: int, words: AnyArray = words, scores: FloatArray = scores) -> None:
            here = slice(first, first + _JOB_ROWS)
            for column, wanted in zip(words[here].T.copy(), query_words.T, strict=True):
                for row, query_word in zip(scores, wanted, strict=True):
                    row[here] -= np.bitwise_count(column ^ query_word)

        _on_all_cores(score, len(words))
        yield start, scores


def _on_all_cores(work: Callable[[int], object], rows: int) -> None:
    """Call ``work`` with the first of every ``_JOB_ROWS`` rows."""
    jobs = range(0, rows, _JOB_ROWS)
    if len(jobs) > 1:
        run_jobs(jobs, lambda: work, threads=available_cores())
    elif jobs:
        work(0)


class TopK:
    """The ``k`` highest scores of each query, from scores that come in blocks of columns.

    Scores that differ by no more than ``tolerance``, one number or one per query, count as equal: the best
    score and all within its tolerance, then the best of the others and all within its tolerance, and so on.
    Of equal scores the lower column wins. Blocks must come in the order of their columns.
    """

    def __init__(self, queries: int, k: int, tolerance: npt.ArrayLike = 0.0) -> None:
        self._k = k
        self.tolerance = np.broadcast_to(np.asarray(tolerance), queries)
        self._columns = 0  # how many came
        # A later score must exceed it. An equal one of a later column loses, whatever the tolerance.
        self._threshold: FloatArray = np.full(queries, -np.inf, np.float32)
        self._held = 0
        self._candidates: list[tuple[Int64Array, Int64Array, FloatArray]] = []  # queries, columns, scores

    def add(self, scores: FloatArray, *, first_column: int) -> None:
        """Take in scores of shape (queries, n), of the n columns from ``first_column`` on."""
        is_high = scores > self._threshold[:, None]
        if self._columns < self._k:  # even NaN and minus infinity
            is_high[:] = True
        self._columns += scores.shape[1]
        limit = max(4 * self._k, 64)
        if np.count_nonzero(is_high) <= len(scores) * limit:
            # flatnonzero is many times faster than nonzero where little is found
            queries, columns = np.divmod(np.flatnonzero(is_high), max(1, scores.shape[1]))
        else:
            per_query = [self._highest(query, scores[query], is_high[query]) for query in range(len(scores))]
            queries = np.repeat(np.arange(len(scores)), [len(columns) for columns in per_query])
            columns = np.concatenate(per_query)
        if len(columns):
            self._candidates.append((queries, columns + first_column, scores[queries, columns]))
        # To sort only when the candidates have doubled keeps the cost of many hits per query low.
        if sum(len(columns) for _, columns, _ in self._candidates) > 2 * self._held:
            self._select()

    def _highest(self, query: int, scores: FloatArray, is_high: npt.NDArray[np.bool_]) -> Int64Array:
        """Return those of the high columns that may be among the best ``k``."""
        columns = np.flatnonzero(is_high)
        if len(columns) <= self._k:
            return columns
        negated = -scores[columns]  # NaN is the last in any order
        edge = np.partition(negated, self._k - 1)[self._k - 1]
        columns = columns[~(negated > edge + self.tolerance[query])]
        order = np.argsort(-scores[columns], kind="stable")
        return np.sort(columns[order[_place_in_run(scores[columns[order]]) < self._k]])

    def _select(self) -> None:
        """Drop the candidates that cannot be among the best ``k``, and sort the others."""
        if not self._candidates:
            return
        queries, columns, scores = map(np.concatenate, zip(*self._candidates, strict=True))
        order = np.lexsort((-scores, queries))  # stable: of equal scores the lower column first
        queries, columns, scores = queries[order], columns[order], scores[order]
        ranks = _place_in_run(queries)
        is_edge = ranks == self._k - 1
        self._threshold = self._threshold.astype(scores.dtype, copy=False)
        edges = scores[is_edge]
        self._threshold[queries[is_edge]] = np.where(np.isnan(edges), -np.inf, edges)
        is_best = (ranks < self._k) | (scores >= (self._threshold - self.tolerance)[queries])
        self._candidates = [(queries[is_best], columns[is_best], scores[is_best])]
        self._held = int(np.count_nonzero(is_best))

    def best(self) -> tuple[Int64Array, FloatArray]:
        """Return the columns and their scores, the highest first: (queries, k), or fewer until k have come.

        The scores of columns that count as equal are in descending order too.
        """
        self._select()
        count, k = len(self._threshold), min(self._k, self._columns)
        if not self._candidates:
            return np.empty((count, k), np.int64), np.empty((count, k), np.float32)
        queries, columns, scores = self._candidates[0]
        is_near = (queries[1:] == queries[:-1]) & (scores[:-1] - scores[1:] <= self.tolerance[queries[1:]])
        bounds = np.searchsorted(queries, np.arange(count + 1))
        for query in np.unique(queries[1:][is_near]):
            here = slice(bounds[query], bounds[query + 1])
            _sort_equals(columns[here], scores[here], float(self.tolerance[query]))
        is_best = _place_in_run(queries) < k
        return columns[is_best].reshape(count, k), scores[is_best].reshape(count, k)


def _place_in_run(values: AnyArray) -> Int64Array:
    """Return the place of each value, from 0, among the equal values that stand together with it."""
    is_first = np.ones(len(values), bool)
    np.not_equal(values[1:], values[:-1], out=is_first[1:])
    starts = np.flatnonzero(is_first)
    return np.arange(len(values)) - np.repeat(starts, np.diff(starts, append=len(values)))


def _sort_equals(columns: Int64Array, scores: FloatArray, tolerance: float) -> None:
    """Sort, in place, the columns whose scores count as equal to the best of them; scores are descending."""
    start = 0
    while start < len(scores):
        stop = max(start + 1, int(np.searchsorted(-scores, tolerance - scores[start], side="right")))
        columns[start:stop].sort()
        start = stop
