"""minilm/corpus/schema.py: types are settled before the first text is encoded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.corpus.running import failure, run

pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")


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
    assert line.startswith(f"column 'x' cannot be kept in Parquet: it is {str(first)[:4]}")
    assert f"and {str(second)[:4]}" in line
    assert f"in {tmp_path / 'b.parquet'}; name other columns to --keep" in line


def test_a_value_that_does_not_fit_the_common_type_is_found_before_a_text_is_encoded(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minilm.corpus.job.encode_texts", lambda *_, **__: pytest.fail("a text was encoded"))
    pq.write_table(pa.table({"text": ["t"] * 5000, "x": [0] * 4999 + [2**53 + 1]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"text": ["t"], "x": [0.5]}), tmp_path / "b.parquet")
    code, line = failure(capsys, tmp_path / "*.parquet", "-o", tmp_path / "out.parquet", "--keep")
    assert (code, "Integer value 9007199254740993" in line) == (1, True)


def test_the_columns_of_a_header_are_there_without_a_row(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("id,text,age\n")
    (tmp_path / "more.csv").write_text("id,text,city\n1,a\n")
    assert run(tmp_path / "*.csv", "-o", tmp_path / "out.parquet", "--keep") == 0
    rows = pq.read_table(tmp_path / "out.parquet").drop(["embedding"])
    assert rows.schema.types == [pa.string()] * 4
    assert rows.to_pylist() == [{"text": "a", "id": "1", "age": None, "city": None}]
