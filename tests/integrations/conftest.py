"""Fixtures of the tests of the adapters."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Any

import pytest

from minilm import MiniLM

# KeyBERT and DSPy import litellm, which would fetch a list of prices
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"


@pytest.fixture(scope="module")
def prompted(model: MiniLM) -> MiniLM:
    """A model with other prompts for queries than for documents."""
    return MiniLM(model.checkpoint.directory, prompts={"query": "query: ", "document": "passage: "})


@pytest.fixture(scope="module")
def original(model: MiniLM) -> Any:
    """sentence-transformers' own model, of the same files."""
    package = pytest.importorskip("sentence_transformers", reason="sentence-transformers is not installed")
    return package.SentenceTransformer(str(model.checkpoint.directory), device="cpu")


@pytest.fixture
def batch_sizes(monkeypatch: pytest.MonkeyPatch) -> list[int | None]:
    """The ``batch_size`` of every call of encode, as they come."""
    seen: list[int | None] = []
    encode: Any = MiniLM.encode

    def seeing(self: MiniLM, *arguments: Any, **options: Any) -> Any:
        seen.append(options.get("batch_size"))
        return encode(self, *arguments, **options)

    monkeypatch.setattr(MiniLM, "encode", seeing)
    return seen


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What sentence-transformers, where it is installed, is asked to load; it loads nothing."""
    seen: list[object] = []
    if find_spec("sentence_transformers"):
        import sentence_transformers

        kind = sentence_transformers.SentenceTransformer
        monkeypatch.setattr(kind, "__init__", lambda _, *names, **__: seen.append(names))
    return seen
