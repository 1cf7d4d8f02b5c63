"""docs/sizing.md holds what the script computes from the measured figures."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks import sizing
from minilm.corpus.ray.blocks import MAX_BLOCK_ROWS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "sizing.md"


def test_the_page_has_the_scripts_tables(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["sizing"])
    sizing.main()
    assert capsys.readouterr().out in PAGE.read_text("utf-8")


def test_the_arithmetic() -> None:
    # 1e9 texts of 64 tokens at 1e4 tokens per second are 6.4e6 seconds
    assert sizing.in_seconds(6.4e6) == "1,777.8 h"
    assert [sizing.in_bytes(size) for size in (384, 1536, 1.536e13)] == ["384 B", "1.54 kB", "15.4 TB"]
    # float32: six layers, each with four 384 x 384 and two 384 x 1536 matrices
    assert sizing.WEIGHTS == 42_467_328
    assert sizing.BYTES == {"float32": 1536, "float16": 768, "int8": 384, "binary": 48}


def test_the_advice_on_blocks_follows_from_the_figures() -> None:
    rates, texts = sizing.tokens_per_second(), {}
    for tokens, mib in ((16, 4), (64, 16), (256, 64)):
        texts[tokens] = mib * 2**20 / (tokens * sizing.BYTES_PER_TOKEN)
        assert 100e6 <= texts[tokens] * sizing.BYTES["float32"] < 110e6
    minutes = [f"{texts[n] * n / rate / 60:.0f}" for n, rate in rates.items()]
    assert f"{minutes[0]}, {minutes[1]} or {minutes[2]} minutes of a core" in PAGE.read_text("utf-8")
    assert round(MAX_BLOCK_ROWS * sizing.BYTES["float32"] / 1e6) == 101
