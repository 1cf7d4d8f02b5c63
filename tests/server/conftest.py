"""One server for the tests of this folder, which need the extra serve."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

import pytest

from tests.serving import Server

if find_spec("fastapi") is None or find_spec("uvicorn") is None:
    collect_ignore_glob = [
        "test_*.py",
        "routes/test_*.py",
        "schemas/test_*.py",
        "clients/test_*.py",
        "page/test_*.py",
    ]


@pytest.fixture(scope="package")
def server() -> Iterator[Server]:
    running = Server()
    yield running
    assert running.stop() == 0
