"""minilm encode --keep: every value comes out as it went in, or its column is refused by name.

The matrices are those of outside_files.py, with fewer types. The right answers come from pyarrow and json.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import pytest

from minilm import MiniLM
from minilm.hub.manifest import sha256_of
from tests.corpus import value_cases
from tests.corpus.referee import WIDTH, hashed_run, parquet_difference
from tests.corpus.running import run
from tests.corpus.value_cases import Case
from tests.corpus.value_matrix import (
    JSON_KINDS,
    arrow_values,
    readers_difference,
    table_difference,
    write_jsonl,
    write_parquet,
)

pytest.importorskip("pyarrow", reason="pyarrow is not installed")

TYPES = [
    *("int64", "uint64", "float32", "float64", "decimal(38,10)", "bool", "null"),
    *("string", "dictionary", "binary", "date32", "time64[ns]", "timestamp[ns]", "timestamp[us, UTC]"),
    *("list<int64>", "list<double>", "struct<a>", "struct<a, b>"),
]
KINDS = [
    *("int", "2**53+1", "9.99", "string", "true", "null", "missing"),
    *("[]", "[1]", "[1.5]", "{}", "{a: 1}", "{a, b}", "[{a, b}]"),
]


@pytest.fixture(autouse=True)
def no_encoder(model: MiniLM, monkeypatch: pytest.MonkeyPatch) -> None:
    """Vectors that are hashes of their texts, no check of the weights, and a disk that is never synced."""
    monkeypatch.setattr("minilm._pipeline.Pipeline.run", hashed_run)
    monkeypatch.setattr(MiniLM, "get_embedding_dimension", lambda self, pooling=None: WIDTH)  # noqa: ARG005
    monkeypatch.setattr("minilm.cli.encode.load_model", lambda options: model)  # noqa: ARG005
    monkeypatch.setattr("minilm.hub.manifest.sha256_of", functools.cache(sha256_of))
    monkeypatch.setattr("os.fsync", lambda descriptor: None)  # noqa: ARG005


def problems(cases: Iterable[Case], folder: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What is wrong with the outcomes of these commands."""
    found = []
    for number, case in enumerate(cases):
        output = folder / f"out-{number}{case.output}"
        code = run(*case.arguments, "-o", output)
        message = capsys.readouterr().err
        if problem := case.problem(code, message, output):
            found.append(f"{case.name}: {problem} {message}")
    return found


def test_a_column_of_two_types_holds_every_value_or_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not problems(value_cases.type_pairs(tmp_path, TYPES), tmp_path, capsys)


def test_a_column_of_two_kinds_of_json_holds_every_value_or_is_refused(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    short_shards: None,  # noqa: ARG001
) -> None:
    assert not problems(value_cases.json_pairs(tmp_path, KINDS, shard=2), tmp_path, capsys)


def test_inputs_of_different_formats_make_one_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not problems(value_cases.mixed_inputs(tmp_path), tmp_path, capsys)


def test_every_type_of_arrow_survives_from_parquet_to_parquet(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    import pyarrow.parquet as pq

    left_out = {"dictionary"}
    if int(pa.__version__.split(".")[0]) < 26:  # which cannot read a list of a fixed length that is null
        left_out.add("list[2]")
    columns = {
        name: pa.chunked_array(arrays) for name, arrays in arrow_values().items() if name not in left_out
    }
    rows = max(map(len, columns.values()))
    table = pa.table(
        {n: pa.chunked_array([*c.chunks, pa.nulls(rows - len(c), c.type)]) for n, c in columns.items()}
    )
    texts = pa.array([f"text {row}" for row in range(rows)])
    source, output = tmp_path / "in.parquet", tmp_path / "out.parquet"
    pq.write_table(table.append_column("text", texts), source)
    assert run(source, "--keep", "-o", output) == 0
    table = pq.read_table(source)
    kept = {name: table[name] for name in table.column_names if name != "text"}
    assert parquet_difference(output, "text", texts.to_pylist(), kept) == ""


@pytest.mark.parametrize("late", ["9.99", "-0.5", "1e300", "null", "missing"])
@pytest.mark.parametrize("dedupe", [False, True])
def test_a_fraction_after_4096_whole_numbers_is_kept(late: str, dedupe: bool, tmp_path: Path) -> None:
    rows = write_jsonl(tmp_path / "in.jsonl", 10, JSON_KINDS[late], 4096)
    output = tmp_path / "out.parquet"
    assert run(tmp_path / "in.jsonl", "--keep", *(["--dedupe"] if dedupe else []), "-o", output) == 0
    assert table_difference(output, rows) == ""


def test_pandas_polars_and_duckdb_read_alike_what_widened(tmp_path: Path) -> None:
    for package in ("duckdb", "polars"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    import pandas as pd

    late = {"n": 9.99, "items": [1, 2.5], "object": {"a": 1, "new": "x"}, "key": "late"}
    rows = [{"text": f"row {i}", "n": i, "items": [], "object": {"a": 1.5}} for i in range(4096)]
    rows.append({"text": "last", **late})
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    output = tmp_path / "out.parquet"
    assert run(tmp_path / "in.jsonl", "--keep", "-o", output) == 0
    assert table_difference(output, rows) == ""
    assert readers_difference(output) == ""
    frame = pd.read_parquet(output)
    assert frame["n"].tolist() == [*range(4096), 9.99]
    assert frame["key"].isna().tolist() == [*[True] * 4096, False]


def test_a_column_of_another_type_is_named_before_a_text_is_encoded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    monkeypatch.setattr("minilm._pipeline.Pipeline.run", partial(pytest.fail, "a text was encoded"))
    write_parquet(tmp_path / "a.parquet", pa.array([1]))
    write_parquet(tmp_path / "b.parquet", pa.array(["one"]))
    assert run(tmp_path / "a.parquet", tmp_path / "b.parquet", "--keep", "-o", tmp_path / "out.parquet") == 1
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert "column 'v'" in message
    assert "b.parquet" in message
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.parquet", "b.parquet"]
