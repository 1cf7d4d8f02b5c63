"""minilm/corpus/formats/parquet.py: rows without text and damaged pages are named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from minilm import MiniLM
from tests.corpus.running import (
    failure,
    read_jsonl,
    run,
)


def test_parquet_rows_that_are_no_text(model: MiniLM, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    import pyarrow.parquet as pq

    pq.write_table(
        pa.table({"text": pa.array([b"good", None, b"\xff"], pa.binary())}), tmp_path / "in.parquet"
    )
    assert run(tmp_path / "in.parquet", "-o", tmp_path / "out.npy", "--on-error", "skip") == 0
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), model.encode(["good"]))
    assert [row["line"] for row in read_jsonl(tmp_path / "out.npy.errors.jsonl")] == [2, 3]


def test_a_damaged_page_names_the_input(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    import pyarrow.parquet as pq

    source = tmp_path / "in.parquet"
    pq.write_table(pa.table({"text": [f"text {i} " * 9 for i in range(1000)]}), source, compression="zstd")
    content = bytearray(source.read_bytes())
    content[40:200] = bytes(160)
    source.write_bytes(content)
    code, line = failure(capsys, source, "-o", tmp_path / "out.npy")
    assert (code, line.startswith(f"{source}: ")) == (1, True)
