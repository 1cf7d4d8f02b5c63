"""Types of arrays, an array that grows, and the best few of many scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

AnyArray = npt.NDArray[Any]
FloatArray = npt.NDArray[np.floating]  # float32, or float64 where the encoder is the oracle
Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.integer]
Int64Array = npt.NDArray[np.int64]


class GrowingArray:
    """Rows that arrive in pieces, in one array that grows in place: no row is ever held twice."""

    def __init__(self, rows: int, width: int) -> None:
        self._array = np.empty((rows, width), dtype=np.float32)
        self._used = 0

    def __len__(self) -> int:
        return self._used

    def extend(self, rows: Sequence[Float32Array]) -> None:
        """Append rows."""
        needed = self._used + len(rows)
        if needed > len(self._array):
            self._resize(max(needed, 2 * len(self._array)))
        self._array[self._used : needed] = rows
        self._used = needed

    def array(self) -> Float32Array:
        """All rows, shape (n, width)."""
        if self._used < len(self._array):
            self._resize(self._used)
        return self._array

    def _resize(self, rows: int) -> None:
        # nobody else holds a reference yet; the check would trip over debuggers and coverage tools
        self._array.resize((rows, self._array.shape[1]), refcheck=False)


class TopK:
    """The ``k`` highest scores of each query, from scores that come in blocks of columns.

    Of equal scores the lower column wins.

    Parameters
    ----------
    queries : int
        Rows of the score matrix.
    k : int
        How many columns to keep for each.
    """

    def __init__(self, queries: int, k: int) -> None:
        self._k = k
        self._columns: list[Int64Array] = [np.empty(0, np.int64)] * queries
        self._scores: list[FloatArray] = [np.empty(0, np.float32)] * queries

    def add(self, scores: FloatArray, *, first_column: int, first_query: int = 0) -> None:
        """Take in scores (n, m) of the n queries and the m columns that begin at these."""
        for query, row in enumerate(scores, first_query):
            columns = np.arange(first_column, first_column + len(row))
            if len(row) > self._k:
                # everything down to the last score that counts: of equal ones the lowest column is to stay
                lowest = np.partition(row, len(row) - self._k)[len(row) - self._k]
                is_candidate = row >= lowest
                columns, row = columns[is_candidate], row[is_candidate]  # noqa: PLW2901 - the candidates
            columns = np.concatenate([self._columns[query], columns])
            merged = np.concatenate([self._scores[query], row])
            order = np.argsort(-merged, kind="stable")[: self._k]
            self._columns[query], self._scores[query] = columns[order], merged[order]

    def columns(self, query: int) -> Int64Array:
        """Columns of one query, the highest score first."""
        return self._columns[query]

    def scores(self, query: int) -> FloatArray:
        """Their scores."""
        return self._scores[query]
