"""Tables of other libraries: what ``minilm encode --keep`` writes, and fingerprints of datasets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from minilm import MiniLM
from tests.corpus.running import run


def test_pandas_polars_and_duckdb_read_the_same_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    polars = pytest.importorskip("polars", reason="polars is not installed")
    duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed")
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    monkeypatch.setattr("minilm._pipeline.WINDOW_TEXTS", 2)
    rows: list[dict[str, Any]] = [
        {"text": "a", "n": 1, "tags": [], "never": None},
        {"text": "b", "n": None, "meta": {"k": 1}},
        {"text": "c", "n": 0.5, "tags": ["x"], "meta": {"l": "z"}},
    ]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    output = tmp_path / "out.parquet"
    assert run(tmp_path / "in.jsonl", "-o", output, "--keep") == 0
    table = pq.read_table(output)
    expected = table.to_pylist()
    assert [row["n"] for row in expected] == [1.0, None, 0.5]
    assert [row["meta"] for row in expected] == [None, {"k": 1, "l": None}, {"k": None, "l": "z"}]
    assert polars.read_parquet(output).to_dicts() == expected
    found = duckdb.sql(f"select * from '{output}'").to_arrow_table().to_pylist()
    assert [{**row, "embedding": list(row["embedding"])} for row in found] == expected
    frame = pandas.read_parquet(output)
    assert frame["n"].tolist()[::2] == [1.0, 0.5]
    assert frame["text"].tolist() == ["a", "b", "c"]
    assert [list(vector) for vector in frame["embedding"]] == [row["embedding"] for row in expected]


def test_datasets_keeps_what_a_model_computed_for_that_model_only() -> None:
    """``Dataset.map`` takes a result from its cache if the fingerprint of its function is the same."""
    fingerprint = pytest.importorskip("datasets.fingerprint", reason="datasets is not installed")
    model = MiniLM()

    def fingerprint_of(one: MiniLM) -> str:
        found: str = fingerprint.Hasher.hash(lambda rows: {"embedding": one.encode(rows["text"])})
        return found

    before = fingerprint_of(model)
    model.encode("a text")
    model.encode([("a", "pair")])
    model.tokenizer.backend_of_length(None)  # it is kept
    assert fingerprint_of(model) == before
    assert fingerprint_of(MiniLM()) == before
    others = [
        MiniLM(truncate_dim=8),
        MiniLM(max_seq_length=8),
        MiniLM(prompts={"query": "query: "}, default_prompt_name="query"),
    ]
    assert len({before, *map(fingerprint_of, others)}) == 4
