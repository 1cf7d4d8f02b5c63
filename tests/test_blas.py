"""blas.py: what numpy runs on."""

from __future__ import annotations

import numpy as np
import pytest
import threadpoolctl

from minilm.blas import BlasInfo, blas_info


def test_the_threads_are_those_in_force() -> None:
    np.ones((4, 4)) @ np.ones((4, 4))
    with threadpoolctl.threadpool_limits(1, user_api="blas"):
        assert blas_info().threads == 1


def test_numpys_own_library_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    libraries = [
        {"user_api": "openmp", "internal_api": "openmp", "filepath": "/numpy/libgomp.so", "num_threads": 9},
        {"user_api": "blas", "internal_api": "mkl", "filepath": "/scipy/libmkl.so", "num_threads": 8},
        {"user_api": "blas", "internal_api": "openblas", "filepath": "/numpy.libs/x.so", "num_threads": 4}
        | {"version": "0.3.31", "architecture": "SkylakeX"},
    ]
    monkeypatch.setattr(threadpoolctl, "threadpool_info", lambda: libraries)
    assert blas_info() == ("openblas", "0.3.31", "SkylakeX", 4)
    assert str(blas_info()) == "openblas 0.3.31, kernel SkylakeX, 4 threads"


def test_a_library_that_does_not_say_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threadpoolctl, "threadpool_info", list)
    assert blas_info() == BlasInfo("unknown", "unknown", "unknown", 1)
