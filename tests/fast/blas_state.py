"""How many threads BLAS takes, now or within a block, for tests that a call leaves it as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import threadpoolctl

from minilm.fast import blas

# The most seconds that a test waits for another thread. No test passes by waiting this long.
PATIENCE = 30.0


def blas_thread_numbers() -> list[int]:
    """Threads of every BLAS in the process, in an order that does not change."""
    libraries = [library for library in threadpoolctl.threadpool_info() if library["user_api"] == "blas"]
    return [int(library["num_threads"]) for library in sorted(libraries, key=lambda each: each["filepath"])]


@contextmanager
def blas_threads(limit: int) -> Iterator[None]:
    """Hold numpy's BLAS to at most ``limit`` threads, as ``call_with_blas_threads`` does for a function."""
    user = object()
    try:
        blas._limits.enter(user, limit)
        yield
    finally:
        blas._limits.leave(user)


def in_force() -> int:
    """Threads that numpy's BLAS takes now."""
    library = blas._blas_library()
    if library is None:
        pytest.skip("numpy's BLAS is one whose threads threadpoolctl cannot set")
    return int(library.num_threads)
