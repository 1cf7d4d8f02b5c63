"""minilm/corpus/dedupe.py: each distinct text is encoded once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from minilm import MiniLM
from minilm.corpus.dedupe import DeduplicationStore
from tests.corpus.running import (
    BOUND,
    run,
)


def test_dedupe_encodes_each_text_once(
    model: MiniLM, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    source, output = tmp_path / "in.txt", tmp_path / "out.npy"
    texts = [f"text {i % 700}" for i in range(10_000)]  # three shards
    source.write_text("\n".join(texts))
    assert run(source, "-o", output, "--dedupe") == 0
    assert "700 distinct of 10,000 texts were encoded" in capsys.readouterr().err
    distinct = model.encode(texts[:700])
    np.testing.assert_allclose(np.load(output), distinct[np.arange(10_000) % 700], rtol=0, atol=BOUND)


def test_a_store_encodes_only_what_is_new_and_forgets_later_shards(tmp_path: Path) -> None:
    calls: list[list[str]] = []

    def lengths(texts: list[str]) -> np.ndarray:
        calls.append(texts)
        return np.array([[len(text), 1] for text in texts], np.float32)

    store = DeduplicationStore(tmp_path / "distinct.sqlite", 2)
    assert store.encode(["a", "bb", "a"], lengths, 0).tolist() == [[1, 1], [2, 1], [1, 1]]
    assert store.encode(["bb", "ccc"], lengths, 1).tolist() == [[2, 1], [3, 1]]
    assert store.encode(["a"] * 1200, lengths, 2).shape == (1200, 2)
    assert calls == [["a", "bb"], ["ccc"]]
    store.close()
    again = DeduplicationStore(tmp_path / "distinct.sqlite", 2)
    again.rewind(1)
    again.encode(["a", "ccc"], lengths, 1)
    again.close()
    assert calls == [["a", "bb"], ["ccc"], ["ccc"]]
