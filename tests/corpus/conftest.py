"""Fixtures of the tests of a corpus."""

from __future__ import annotations

import pytest


@pytest.fixture
def short_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minilm._pipeline.WINDOW_TEXTS", 2)
