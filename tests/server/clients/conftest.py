"""`minilm serve` with a reranker, once with a key and once without, for the clients that other people wrote.

Each client is tried at its defaults: only what docs/http-api.md says is set.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from minilm import CrossEncoder
from tests.checkpoints import TINY, write_checkpoint, write_cross_encoder
from tests.server.clients.expected import KEY
from tests.serving import Server


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Ignore the warnings of the clients, who leave sockets open, and that of a text that is cut."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.filterwarnings("ignore"))


@pytest.fixture(scope="session", autouse=True)
def sockets_closed() -> Iterator[None]:
    """What the clients left open is found in the last test, whose warnings are ignored, and not after it."""
    yield
    gc.collect()


@pytest.fixture(scope="session")
def reranker(tmp_path_factory: pytest.TempPathFactory) -> CrossEncoder:
    """A small cross-encoder with random weights."""

    def make() -> Path:
        directory = tmp_path_factory.mktemp("checkpoints") / "reranker"
        write_checkpoint(directory, TINY)
        return directory

    return CrossEncoder(write_cross_encoder(make))


@pytest.fixture(scope="session")
def with_key(reranker: CrossEncoder) -> Iterator[Server]:
    """A server that asks for a key, for the clients that send one."""
    running = Server("--reranker", str(reranker.checkpoint.directory), "--api-key", KEY)
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="session")
def without_key(reranker: CrossEncoder) -> Iterator[Server]:
    """A server that asks for no key, for the clients that cannot send one."""
    running = Server("--reranker", str(reranker.checkpoint.directory))
    yield running
    assert running.stop() == 0
