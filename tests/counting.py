"""How many texts a model tokenizes and encodes, for tests that no work is done twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from minilm import CrossEncoder, MiniLM
from minilm.fast.engine import Engine


class CountingBackend:
    """The library's tokenizer, and every text that it was given."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self.texts: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def encode(self, text: str, *arguments: Any, **options: Any) -> Any:
        self.texts.append(text)
        return self._backend.encode(text, *arguments, **options)

    def encode_batch(self, texts: Sequence[str], *arguments: Any, **options: Any) -> Any:
        self.texts.extend(texts)
        return self._backend.encode_batch(texts, *arguments, **options)

    def encode_batch_fast(self, texts: Sequence[str], *arguments: Any, **options: Any) -> Any:
        self.texts.extend(texts)
        return self._backend.encode_batch_fast(texts, *arguments, **options)


class Work:
    """The texts that a model tokenized, and the token ids that went through its encoder."""

    def __init__(self, model: MiniLM | CrossEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
        self._backend = CountingBackend(model.tokenizer.backend)
        self.encoded: list[list[int]] = []
        self.runs = 0  # calls of the encoder
        monkeypatch.setattr(model.tokenizer, "backend", self._backend)
        run = Engine.run

        def counted(engine: Engine, token_ids: Any, *arguments: Any, **options: Any) -> Any:
            self.runs += 1
            self.encoded.extend(list(ids) for ids in token_ids)
            return run(engine, token_ids, *arguments, **options)

        monkeypatch.setattr(Engine, "run", counted)

    @property
    def tokenized(self) -> list[str]:
        """Every text that was tokenized, as often as it was."""
        return self._backend.texts
