"""minilm/corpus/formats/parquet.py: columns keep their types, and damaged pages are named."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

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


def test_parquet_columns_keep_their_types(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    import pyarrow.parquet as pq

    columns = {
        "small": pa.array([1, None], pa.int8()),
        "text": pa.array(["a", "b"], pa.large_string()),
        "half": pa.array([0.5, 1.5], pa.float32()),
        "at": pa.array([0, 10**15], pa.timestamp("us", "UTC")),
        "tags": pa.array([["x"], []], pa.list_(pa.string())),
        "nothing": pa.array([None, None], pa.int16()),
    }
    table = pa.table(columns)
    pq.write_table(table, tmp_path / "in.parquet")
    assert run(tmp_path / "in.parquet", "-o", tmp_path / "out.parquet", "--keep") == 0
    others = [name for name in columns if name != "text"]
    assert pq.read_table(tmp_path / "out.parquet").select(others).equals(table.select(others))


def test_columns_are_those_of_the_first_rows_with_a_text(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    monkeypatch.setattr("minilm._pipeline.WINDOW_TEXTS", 2)
    rows: list[dict[str, Any]] = [{"text": None}] * 4 + [{"text": f"t{i}", "n": i} for i in range(4)]
    source, output = tmp_path / "in.jsonl", tmp_path / "out.parquet"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert run(source, "-o", output, "--keep", "--on-error", "skip") == 0
    assert [(row["text"], row["n"]) for row in pq.read_table(output).to_pylist()] == [
        (f"t{i}", i) for i in range(4)
    ]
    with source.open("a") as file:
        file.write(json.dumps({"text": "late", "m": 1}))
    assert run(source, "-o", tmp_path / "late.jsonl", "--keep", "--on-error", "skip") == 0
    assert read_jsonl(tmp_path / "late.jsonl")[-1]["m"] == 1
    code, line = failure(capsys, source, "-o", tmp_path / "late.parquet", "--keep", "--on-error", "skip")
    assert code == 1
    assert "column 'm' cannot be kept: no row had it" in line


@pytest.mark.usefixtures("short_shards")
@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (['{"a": 1}', '{"a": 1}', '{"a": 1, "b": 2}'], "'meta' cannot be kept as struct<a: int64>, "),
        (
            ['[{"a": 1}]', "[]", '[{"a": 1, "b": 2}]'],
            "'meta' cannot be kept as list<",
        ),
        (["{}", "{}", "{}"], "a column cannot be kept in Parquet: "),
        (["18446744073709551616", "1", "1"], "column 'meta' cannot be kept: "),
        (
            ["1", "2", "18446744073709551616"],
            "column 'meta' cannot be kept as int64, which it was at first: ",
        ),
    ],
)
def test_a_kept_column_is_never_dropped_silently(
    rows: Sequence[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    source = tmp_path / "in.jsonl"
    source.write_text("".join(f'{{"text": "a", "meta": {row}}}\n' for row in rows))
    code, line = failure(capsys, source, "-o", tmp_path / "out.parquet", "--keep")
    assert (code, message in line) == (1, True)
    assert run(source, "-o", tmp_path / "out.jsonl", "--keep") == 0
    assert [row["meta"] for row in read_jsonl(tmp_path / "out.jsonl")] == [json.loads(row) for row in rows]


def test_no_field_is_dropped_where_a_parquet_input_gives_the_type(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    import pyarrow.parquet as pq

    (tmp_path / "a.jsonl").write_text('{"text": "x", "meta": {"a": 1}}\n')
    pq.write_table(pa.table({"text": ["y"], "meta": [{"b": 1}]}), tmp_path / "b.parquet")
    sources = [tmp_path / "a.jsonl", tmp_path / "b.parquet"]
    code, line = failure(capsys, *sources, "-o", tmp_path / "out.parquet", "--keep")
    assert (code, "there is no field 'a'" in line) == (1, True)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"text": "a", "k\ud800": 1}, "column 'k\\ud800' cannot be kept: "),
        ({"text": "a", "meta": {"k\ud800": 1}}, "column 'meta' cannot be kept: "),
        ({"k\ud800": "a"}, "column 'k\\ud800' cannot be written: "),
    ],
)
def test_a_column_whose_name_has_a_lone_surrogate_is_named(
    row: dict[str, Any], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    source = tmp_path / "in.jsonl"
    source.write_text(json.dumps(row) + "\n")
    code, line = failure(capsys, source, "-o", tmp_path / "out.parquet", "--keep")
    assert code == 1
    assert message in line
