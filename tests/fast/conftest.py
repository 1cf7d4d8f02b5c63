"""A BLAS whose threads a test must leave as they were."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import threadpoolctl

from minilm.fast import blas
from tests.fast.blas_state import blas_thread_numbers, in_force


@pytest.fixture
def unchanged_blas() -> Iterator[int]:
    """The number of BLAS's threads, here 2, which a test must leave as it was."""
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        # newer releases of threadpoolctl obey the first thread that sets a limit; so there must be none yet
        getattr(blas._blas_library(), "clear_controlling_thread", lambda **_: None)(force=True)
        before = blas_thread_numbers()
        yield in_force()
        assert blas_thread_numbers() == before
