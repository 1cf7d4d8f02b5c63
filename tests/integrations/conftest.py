"""Fixtures of the tests of the adapters."""

from __future__ import annotations

import pytest

from minilm import MiniLM


@pytest.fixture(scope="module")
def prompted(model: MiniLM) -> MiniLM:
    """A model with other prompts for queries than for documents."""
    return MiniLM(model.checkpoint.directory, prompts={"query": "query: ", "document": "passage: "})
