"""minilm/corpus/formats/columns.py: types that all rows share, and not a value changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from minilm.corpus.formats.columns import ArrowRow, OtherColumns, conformed, table_of, unified
from minilm.errors import CorpusError
from tests.corpus.running import failure, read_jsonl, run

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
    assert line.endswith("; write .jsonl, or name the columns to --keep")
    assert not (tmp_path / "out.parquet").exists()
    assert run(source, "-o", tmp_path / "out.jsonl", "--keep") == 0
    assert [row["x"] for row in read_jsonl(tmp_path / "out.jsonl")] == values[:1] * 2 + values[1:]


@pytest.mark.parametrize(
    "values",
    [[1.5, True], [True, 1.5], [1, True], [1, "a"], [[1.5, True]], [{"a": 1.5}, {"a": True}], ["a", [1]]],
)
def test_values_of_two_kinds_in_one_shard_are_refused(values: list[Any]) -> None:
    with pytest.raises(CorpusError, match=r"^column 'x' cannot be kept in Parquet: it holds .* and "):
        table_of([{"x": value} for value in values], ["t"] * len(values), "text", "embedding")


def test_whole_numbers_that_no_double_holds_are_refused_beside_fractions() -> None:
    with pytest.raises(CorpusError, match="it holds 9007199254740993, which is not exact as a double"):
        table_of([{"x": 2**53 + 1}, {"x": 0.5}], ["a", "b"], "text", "embedding")


@pytest.mark.usefixtures("short_shards")
def test_a_key_may_come_late_and_be_rare(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"text": f"t{i}"} for i in range(6)]
    rows[4]["late"] = {"n": 1}
    rows[5]["n"] = 2
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert run(tmp_path / "in.jsonl", "-o", tmp_path / "out.parquet", "--keep") == 0
    table = pq.read_table(tmp_path / "out.parquet").drop(["embedding"])
    assert table.to_pylist() == [{"text": None, "late": None, "n": None} | row for row in rows]


@pytest.mark.parametrize(
    ("first", "second", "kind"),
    [
        (pa.array([1.5]), pa.array([1]), pa.float64()),
        (pa.array([0.1]), pa.array([0.1], pa.float32()), pa.float64()),
        (pa.array([1], pa.int8()), pa.array([255], pa.uint8()), pa.int16()),
        (pa.array(["a"]), pa.array(["b"], pa.large_string()), pa.large_string()),
        (pa.array(["a"]).dictionary_encode(), pa.array(["b"]), pa.string()),
        (pa.array([1], pa.timestamp("s")), pa.array([1], pa.timestamp("ns")), pa.timestamp("ns")),
        (pa.array([None]), pa.array(["a"]).dictionary_encode(), pa.dictionary(pa.int32(), pa.string())),
        (pa.array([None]), pa.array([7], pa.int16()), pa.int16()),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_two_files_get_the_type_that_holds_both(
    first: Any, second: Any, kind: Any, turned: bool, tmp_path: Path
) -> None:
    files = [first, second][:: -1 if turned else 1]
    for number, values in enumerate(files):
        pq.write_table(pa.table({"text": ["t"], "x": values}), tmp_path / f"{number}.parquet")
    assert run(tmp_path / "*.parquet", "-o", tmp_path / "out", "--keep") == 2  # no suffix
    assert run(tmp_path / "*.parquet", "-o", tmp_path / "out.pq", "--keep") == 0
    column = pq.read_table(tmp_path / "out.pq").column("x")
    assert column.type == kind
    # each value comes back by its own type (timestamps of seconds are stored as milliseconds in Parquet)
    for place, values in enumerate(files):
        value = column[place]
        assert value.cast(values.type) == values[0] if values[0].is_valid else not value.is_valid


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (pa.timestamp("us"), pa.date32()),
        (pa.timestamp("us", "UTC"), pa.timestamp("us")),
        (pa.decimal128(20, 10), pa.float64()),
        (pa.list_(pa.decimal128(20, 10)), pa.list_(pa.float64())),
        (pa.int64(), pa.string()),
        (pa.bool_(), pa.int8()),
    ],
)
def test_types_without_a_common_one_are_refused_before_a_text_is_encoded(
    first: Any,
    second: Any,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("minilm.corpus.job.encode_texts", lambda *_, **__: pytest.fail("a text was encoded"))
    for name, kind in (("a", first), ("b", second)):
        pq.write_table(pa.table({"text": ["t"], "x": pa.array([None], kind)}), tmp_path / f"{name}.parquet")
    code, line = failure(capsys, tmp_path / "*.parquet", "-o", tmp_path / "out.parquet", "--keep")
    assert code == 1
    assert line.startswith(f"column 'x' cannot be kept: it is {str(first)[:4]}")
    assert f"and {str(second)[:4]}" in line
    assert f"in {tmp_path / 'b.parquet'}; write .jsonl" in line


def test_a_value_that_does_not_fit_the_common_type_is_found_before_a_text_is_encoded(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minilm.corpus.job.encode_texts", lambda *_, **__: pytest.fail("a text was encoded"))
    pq.write_table(pa.table({"text": ["t"] * 5000, "x": [0] * 4999 + [2**53 + 1]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"text": ["t"], "x": [0.5]}), tmp_path / "b.parquet")
    code, line = failure(capsys, tmp_path / "*.parquet", "-o", tmp_path / "out.parquet", "--keep")
    assert (code, "Integer value 9007199254740993" in line) == (1, True)


def test_a_field_that_may_not_be_null_may_be_where_a_file_lacks_it() -> None:
    strict = pa.schema(
        [pa.field("x", pa.struct([pa.field("a", pa.int64(), nullable=False)]), nullable=False)]
    )
    other = pa.schema([("x", pa.struct([("b", pa.int64())]))])
    common = unified(strict, other, "b.parquet")
    assert common == pa.schema([("x", pa.struct([("a", pa.int64()), ("b", pa.int64())]))])
    assert unified(strict, strict, "b.parquet") is strict
    table = conformed(pa.table([pa.array([{"a": 1}], strict.field("x").type)], schema=strict), common)
    assert table.column("x").to_pylist() == [{"a": 1, "b": None}]


@pytest.mark.parametrize("suffix", ["parquet", "jsonl", "npy"])
def test_a_shard_may_have_no_row_with_a_text(suffix: str, tmp_path: Path) -> None:
    source, output = tmp_path / "in.jsonl", tmp_path / f"out.{suffix}"
    source.write_text('{"text": null, "x": 1}\n')
    assert run(source, "-o", output, "--on-error", "skip", *["--keep"] * (suffix != "npy")) == 0
    if suffix == "parquet":
        assert pq.read_table(output).num_rows == 0


def test_rows_of_arrow_and_of_json_stand_in_one_table() -> None:
    batch = pa.record_batch({"x": pa.array([1, 2, 3], pa.int8()), "y": ["a", "b", "c"]})
    rows: list[OtherColumns] = [*(ArrowRow(batch, i) for i in (0, 2)), {"x": 0.5}, ArrowRow(batch, 1)]
    table = table_of(rows, ["p", "q", "r", "s"], "text", "embedding")
    assert table.to_pydict() == {
        "text": ["p", "q", "r", "s"],
        "x": [1.0, 3.0, 0.5, 2.0],
        "y": ["a", "c", None, "b"],
    }
