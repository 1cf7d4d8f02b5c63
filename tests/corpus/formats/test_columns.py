"""minilm/corpus/formats/columns.py: types that all rows share, and not a value changed."""

from __future__ import annotations

from typing import Any

import pytest

from minilm.corpus.formats.columns import ArrowRow, OtherColumns, conformed, table_of, unified
from minilm.errors import CorpusError

pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")


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


def test_rows_of_arrow_and_of_json_stand_in_one_table() -> None:
    batch = pa.record_batch({"x": pa.array([1, 2, 3], pa.int8()), "y": ["a", "b", "c"]})
    rows: list[OtherColumns] = [*(ArrowRow(batch, i) for i in (0, 2)), {"x": 0.5}, ArrowRow(batch, 1)]
    table = table_of(rows, ["p", "q", "r", "s"], "text", "embedding")
    assert table.to_pydict() == {
        "text": ["p", "q", "r", "s"],
        "x": [1.0, 3.0, 0.5, 2.0],
        "y": ["a", "c", None, "b"],
    }
