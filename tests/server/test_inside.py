"""minilm/server/inside.py: principal components, and shares in the pooled vector."""

from __future__ import annotations

import numpy as np

from minilm.server.inside import pooled_shares, principal_paths


def test_the_axes_are_those_of_the_largest_variance() -> None:
    """Of points in a plane of a larger space, the two axes keep every distance."""
    random = np.random.default_rng(0)
    plane, _ = np.linalg.qr(random.normal(size=(8, 2)))  # two orthonormal directions
    states = [random.normal(size=(3, length, 2)) @ plane.T + 5 for length in (4, 2)]
    paths, variance = principal_paths(states)
    assert [path.shape for path in paths] == [(3, 4, 2), (3, 2, 2)]
    assert np.isclose(variance.sum(), 1)
    assert variance[0] >= variance[1]
    points, flat = (
        np.concatenate([each.reshape(-1, each.shape[-1]) for each in group]) for group in (states, paths)
    )
    distances, shown = (np.linalg.norm(x[:, None] - x[None], axis=-1) for x in (points, flat))
    assert np.allclose(distances, shown)
    assert np.allclose(flat.mean(axis=0), 0)


def test_one_token_of_a_tiny_model_has_a_path() -> None:
    paths, _ = principal_paths([np.random.default_rng(1).normal(size=(3, 1, 8))])
    assert np.isfinite(paths[0]).all()


def test_shares_of_the_pooled_vector_add_up_to_one() -> None:
    parts = np.array([[3.0, 0.0], [1.0, 0.0], [0.0, 5.0], [0.0, -5.0]])
    assert pooled_shares(parts).tolist() == [0.75, 0.25, 0, 0]  # of [4, 0]
