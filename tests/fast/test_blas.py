"""blas.py: what numpy runs on."""

from __future__ import annotations

import numpy as np
import pytest
import threadpoolctl

from minilm.fast import blas
from minilm.fast.blas import BlasInfo, blas_info, has_small_matrix_kernels, kernel_advice


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


@pytest.mark.parametrize(
    ("library", "kernel", "has_avx512", "variable", "expected"),
    [
        ("openblas", "SkylakeX", True, None, None),
        ("openblas", "Haswell", False, "Haswell", None),
        ("mkl", "Haswell", True, None, None),
        ("openblas", "Haswell", True, "Haswell", "sets OPENBLAS_CORETYPE=Haswell: unset it"),
        ("openblas", "Zen", True, None, "does not know the CPU: try a newer numpy"),
    ],
)
def test_a_slower_kernel_than_the_cpu_has_is_told_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch,
    library: str,
    kernel: str,
    has_avx512: bool,
    variable: str | None,
    expected: str | None,
) -> None:
    monkeypatch.setattr(blas, "blas_info", lambda: BlasInfo(library, "0.3.31", kernel, 2))
    monkeypatch.setattr(blas, "_cpu_has_avx512", lambda: has_avx512)
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    if variable:
        monkeypatch.setenv("OPENBLAS_CORETYPE", variable)
    advice = kernel_advice()
    if expected is None:
        assert advice is None
    else:
        assert advice is not None
        assert f"runs its {kernel} kernels" in advice
        assert expected in advice


def test_panels_are_for_openblas_with_avx512(monkeypatch: pytest.MonkeyPatch) -> None:
    for kernel, expected in (
        ("SkylakeX", True),
        ("SapphireRapids", True),
        ("Haswell", False),
        ("unknown", False),
    ):
        monkeypatch.setattr(
            blas, "blas_info", lambda kernel=kernel: BlasInfo("openblas", "0.3.31", kernel, 2)
        )
        assert has_small_matrix_kernels() is expected
