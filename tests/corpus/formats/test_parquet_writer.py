"""minilm/corpus/formats/parquet_writer.py: types widen as rows come, and what cannot be kept is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from minilm import MiniLM
from tests.corpus.running import begin, failure, read_jsonl, run

pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")


def write_rows(path: Path, rows: list[Any]) -> None:
    path.write_text("".join(json.dumps({"text": "a", "x": row}) + "\n" for row in rows))


@pytest.mark.usefixtures("short_shards")
@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([10, 10, 9.99], pa.float64()),  # not 9
        ([0, -0.5], pa.float64()),
        ([None, None, 3], pa.int64()),
        ([None, "a", None], pa.string()),
        ([True, None, False], pa.bool_()),
        ([[], [1], [2.5]], pa.list_(pa.float64())),
        ([[None], [[]], [["a"]]], pa.list_(pa.list_(pa.string()))),
        ([{"a": 1}, {"b": "z"}, {"a": 0.5}], pa.struct([("a", pa.float64()), ("b", pa.string())])),
        ([[{"a": 1}], [], [{"a": 1, "b": 2}]], pa.list_(pa.struct([("a", pa.int64()), ("b", pa.int64())]))),
        ([2**53, 0.5], pa.float64()),
        ([{"a": 1}, {}, None, {}], pa.struct([("a", pa.int64())])),
        ([2**63 - 1, -(2**63)], pa.int64()),
    ],
)
def test_a_type_widens_to_hold_every_value(values: list[Any], kind: Any, tmp_path: Path) -> None:
    source, output = tmp_path / "in.jsonl", tmp_path / "out.parquet"
    write_rows(source, values)
    assert run(source, "-o", output, "--keep") == 0
    table = pq.read_table(output)
    assert table.schema.field("x").type == kind
    # the same values by pyarrow, which knows the type from the beginning
    assert table.column("x").combine_chunks().equals(pa.array(values, kind))


@pytest.mark.usefixtures("short_shards")
@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([1, "a"], "it is int64 at first, and string in "),
        (["a", 1], "it is string at first, and int64 in "),
        ([True, 1], "it is bool at first, and int64 in "),
        ([1.5, True], "it is double at first, and bool in "),
        ([[1], 1], "it is list"),
        ([{"a": 1}, {"a": "b"}], "it is struct<a: int64> at first, and struct<a: string> in "),
        ([2**53 + 1, 0.5], "Integer value 9007199254740993 not in range"),
        ([0.5, 2**53 + 1], "Integer value 9007199254740993 not in range"),
        ([2**64], "in Parquet: "),
        ([1, 2**63], "in Parquet: "),
        ([{}, {"a": 1}], "its objects have no fields"),
        ([{"a": {}}], "its objects have no fields"),
        (["\ud800"], "in Parquet: "),
    ],
)
def test_values_without_a_common_type_are_refused_by_name(
    values: list[Any], reason: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    source = tmp_path / "in.jsonl"
    write_rows(source, values[:1] * 2 + values[1:])  # the shards have two rows
    code, line = failure(capsys, source, "-o", tmp_path / "out.parquet", "--keep")
    assert (code, line.startswith("column 'x' cannot be kept")) == (1, True)
    assert reason in line
    assert line.endswith("; name other columns to --keep, or write .jsonl (not with --engine ray)")
    assert not (tmp_path / "out.parquet").exists()
    assert run(source, "-o", tmp_path / "out.jsonl", "--keep") == 0
    assert [row["x"] for row in read_jsonl(tmp_path / "out.jsonl")] == values[:1] * 2 + values[1:]


@pytest.mark.usefixtures("short_shards")
def test_a_key_may_come_late_and_be_rare(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"text": f"t{i}"} for i in range(6)]
    rows[4]["late"] = {"n": 1}
    rows[5]["n"] = 2
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert run(tmp_path / "in.jsonl", "-o", tmp_path / "out.parquet", "--keep") == 0
    table = pq.read_table(tmp_path / "out.parquet").drop(["embedding"])
    assert table.to_pylist() == [{"text": None, "late": None, "n": None} | row for row in rows]


@pytest.mark.parametrize("suffix", ["parquet", "jsonl", "npy"])
def test_a_shard_may_have_no_row_with_a_text(suffix: str, tmp_path: Path) -> None:
    source, output = tmp_path / "in.jsonl", tmp_path / f"out.{suffix}"
    source.write_text('{"text": null, "x": 1}\n')
    assert run(source, "-o", output, "--on-error", "skip", *["--keep"] * (suffix != "npy")) == 0
    if suffix == "parquet":
        assert pq.read_table(output).num_rows == 0


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"text": "a", "k\ud800": 1}, "column 'k\\ud800' cannot be kept in Parquet: "),
        ({"text": "a", "meta": {"k\ud800": 1}}, "column 'meta' cannot be kept in Parquet: "),
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


@pytest.mark.usefixtures("short_shards")
def test_a_job_that_was_interrupted_gives_the_same_bytes(model: MiniLM, tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    write_rows(source, [[1.5], [], None, [2.5]])
    assert run(source, "-o", tmp_path / "whole.parquet", "--keep") == 0
    begin(model, [source], tmp_path / "resumed.parquet", keep=True)
    assert run(source, "-o", tmp_path / "resumed.parquet", "--keep") == 0
    assert (tmp_path / "resumed.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()
