"""minilm.util: the similarities under the names that sentence-transformers gives them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from minilm import util

RANDOM = np.random.default_rng(7)
# 60 unit vectors in 8 dimensions, in float32, as encode returns them
UNIT = util.normalize_embeddings(RANDOM.normal(size=(60, 8))).astype(np.float32)


def test_distances_are_negative_and_exact_where_vectors_meet() -> None:
    np.testing.assert_array_equal(util.euclidean_sim([[0.0, 0.0], [3.0, 4.0]], [[3.0, 4.0]]), [[-5], [0]])
    np.testing.assert_array_equal(util.manhattan_sim([[0.0, 0.0], [3.0, 4.0]], [[3.0, 4.0]]), [[-7], [0]])
    # float64 within: |x|^2 + |y|^2 - 2xy is right to 1e-16, its root to 1e-8
    assert np.abs(np.diag(util.euclidean_sim(UNIT, UNIT))).max() < 5e-8
    differences = UNIT[:, None].astype(np.float64) - UNIT
    np.testing.assert_allclose(
        util.euclidean_sim(UNIT, UNIT), -np.linalg.norm(differences, axis=-1), rtol=0, atol=2e-7
    )
    np.testing.assert_allclose(
        util.manhattan_sim(UNIT, UNIT), -np.abs(differences).sum(-1), rtol=0, atol=1e-6
    )


@pytest.mark.parametrize("name", ["cos_sim", "dot_score", "euclidean_sim", "manhattan_sim"])
def test_pairs_are_the_diagonal(name: str) -> None:
    a, b = 3 * UNIT[:20], 2 * UNIT[20:40]
    pairwise = getattr(util, f"pairwise_{name}")(a, b)
    assert pairwise.shape == (20,)
    assert pairwise.dtype == np.float32
    # float32 sums of 8 terms of up to 6, in another order
    np.testing.assert_allclose(pairwise, np.diag(getattr(util, name)(a, b)), rtol=0, atol=4e-6)
    assert getattr(util, f"pairwise_{name}")(a[0], b[0]).shape == ()


@pytest.mark.parametrize(
    ("function", "a", "b", "message"),
    [
        (util.cos_sim, [1.0, 2.0], [1.0], "widths 2 and 1"),
        (util.pairwise_cos_sim, [[1.0], [2.0]], [[1.0], [2.0], [3.0]], "2 embeddings and 3 are not pairs"),
        (util.pairwise_dot_score, [1.0, 2.0], [1.0], "widths 2 and 1"),
        (util.euclidean_sim, [[[1.0]]], [1.0], "one or two dimensions"),
        (util.manhattan_sim, ["a"], [1.0], "must be numbers"),
        (util.dot_score, [[1.0], [2.0, 3.0]], [1.0], "same width"),
    ],
)
def test_what_does_not_fit_is_said(function: Any, a: Any, b: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        function(a, b)
