"""Types of arrays, and an array that grows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]


class GrowingArray:
    """Embeddings that arrive in pieces, in one array that grows in place, so that it is never held twice."""

    def __init__(self, rows: int, width: int) -> None:
        self._array = np.empty((rows, width), dtype=np.float32)
        self._used = 0

    def __len__(self) -> int:
        return self._used

    def extend(self, rows: Sequence[Array]) -> None:
        """Take in some more."""
        needed = self._used + len(rows)
        if needed > len(self._array):
            self._resize(max(needed, 2 * len(self._array)))
        self._array[self._used : needed] = rows
        self._used = needed

    def array(self) -> Array:
        """All of them, shape (n, E)."""
        if self._used < len(self._array):
            self._resize(self._used)
        return self._array

    def _resize(self, rows: int) -> None:
        # nobody else holds a reference yet; the check would trip over debuggers and coverage tools
        self._array.resize((rows, self._array.shape[1]), refcheck=False)
