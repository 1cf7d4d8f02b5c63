"""How far minilm and the original were apart, by public function: printed after the parity tests."""

from __future__ import annotations

from typing import Any

import numpy as np

LARGEST: dict[str, float] = {}


def note(function: str, mine: Any, theirs: Any) -> None:
    """Remember the largest difference between what a function of ours and the original's gave."""
    difference = np.abs(np.asarray(mine, np.float64) - np.asarray(theirs, np.float64)).max(initial=0.0)
    LARGEST[function] = max(LARGEST.get(function, 0.0), float(difference))
