"""The texts that every adapter embeds, and how close their vectors must be to those of encode."""

from __future__ import annotations

from typing import Any

import numpy as np

TEXTS = ["Simmer the onions.", "Reset your password here.", "The comet passed the sun.", ""]


QUERY = "I cannot log in"


# The same arithmetic; but under other than AVX-512 kernels a pack's make-up shows in the last digits.
BOUND = 3e-7


def close(mine: Any, theirs: Any) -> None:
    np.testing.assert_allclose(np.asarray(mine, np.float64), theirs, rtol=0, atol=BOUND)
