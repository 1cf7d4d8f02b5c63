"""blas.py: which BLAS numpy runs on, and limits on its threads that leave it as it was."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import numpy as np
import pytest
import threadpoolctl

from minilm.fast import blas
from minilm.fast.blas import (
    BlasInfo,
    blas_info,
    call_with_blas_threads,
    has_small_matrix_kernels,
    kernel_advice,
)
from tests.fast.blas_state import PATIENCE, blas_thread_numbers, blas_threads, in_force


def test_the_threads_are_those_in_force() -> None:
    np.ones((4, 4)) @ np.ones((4, 4))
    with threadpoolctl.threadpool_limits(1, user_api="blas"):
        assert blas_info().threads == 1


def libraries_are(monkeypatch: pytest.MonkeyPatch, libraries: list[dict[str, object]]) -> None:
    controllers = [
        SimpleNamespace(user_api=info["user_api"], filepath=info["filepath"], info=lambda info=info: info)
        for info in libraries
    ]
    monkeypatch.setattr(
        threadpoolctl, "ThreadpoolController", lambda: SimpleNamespace(lib_controllers=controllers)
    )
    search = blas._blas_library.__wrapped__  # without the cache, which would keep the library of this test
    monkeypatch.setattr(blas, "_blas_library", search)


def test_numpys_own_library_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    libraries = [
        {"user_api": "openmp", "internal_api": "openmp", "filepath": "/numpy/libgomp.so", "num_threads": 9},
        {"user_api": "blas", "internal_api": "mkl", "filepath": "/scipy/libmkl.so", "num_threads": 8},
        {"user_api": "blas", "internal_api": "openblas", "filepath": "/numpy.libs/x.so", "num_threads": 4}
        | {"version": "0.3.31", "architecture": "SkylakeX"},
    ]
    libraries_are(monkeypatch, libraries)
    assert blas_info() == ("openblas", "0.3.31", "SkylakeX", 4)
    assert str(blas_info()) == "openblas 0.3.31, kernel SkylakeX, 4 threads"


def test_a_library_that_does_not_say_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    libraries_are(monkeypatch, [])
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


def test_the_smallest_limit_is_in_force_while_they_are_nested(unchanged_blas: int) -> None:
    with blas_threads(2):
        assert in_force() == 2
        with blas_threads(1):
            assert in_force() == 1
            with blas_threads(2):
                assert in_force() == 1
            assert in_force() == 1
        assert in_force() == 2
    assert in_force() == unchanged_blas


def test_limits_that_end_in_another_order_than_they_began_leave_blas_as_it_was(unchanged_blas: int) -> None:
    first, second = blas_threads(1), blas_threads(2)
    first.__enter__()
    second.__enter__()
    assert in_force() == 1
    first.__exit__(None, None, None)
    assert in_force() == 2
    second.__exit__(None, None, None)
    assert in_force() == unchanged_blas


def test_a_limit_ends_with_an_exception(unchanged_blas: int) -> None:
    with pytest.raises(ValueError, match="inside"), blas_threads(1):
        raise ValueError("inside")
    assert in_force() == unchanged_blas


def test_a_limit_that_another_thread_began_and_outlives_leaves_blas_as_it_was(unchanged_blas: int) -> None:
    began, may_leave, left, may_end = (threading.Event() for _ in range(4))

    def other() -> None:
        with blas_threads(1):
            began.set()
            may_leave.wait(PATIENCE)
        left.set()
        may_end.wait(PATIENCE)

    user = threading.Thread(target=other)
    user.start()
    assert began.wait(PATIENCE)
    with blas_threads(1):
        may_leave.set()
        assert left.wait(PATIENCE)
        within = in_force()
    afterwards = in_force()
    may_end.set()
    user.join()
    assert (within, afterwards) == (1, unchanged_blas)


def test_a_blas_that_cannot_be_controlled_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    before = blas_thread_numbers()
    monkeypatch.setattr(blas, "_blas_library", lambda: None)
    with blas_threads(1):
        assert blas_thread_numbers() == before


def test_a_call_with_fewer_threads_returns_the_result_and_leaves_blas_as_it_was(unchanged_blas: int) -> None:
    assert call_with_blas_threads(1, in_force) == 1
    assert in_force() == unchanged_blas


def test_a_limit_that_ends_twice_lifts_no_other(unchanged_blas: int) -> None:
    user = object()
    with blas_threads(1):
        blas._limits.enter(user, 1)
        blas._limits.leave(user)
        blas._limits.leave(user)
        assert in_force() == 1
    blas._limits.leave(user)
    assert in_force() == unchanged_blas


def test_the_library_is_searched_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    library = blas._blas_library()
    monkeypatch.setattr(threadpoolctl, "ThreadpoolController", None)
    assert blas._blas_library() is library
    has_small_matrix_kernels()
