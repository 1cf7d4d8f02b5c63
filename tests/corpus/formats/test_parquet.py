"""minilm/corpus/formats/parquet.py: columns keep their types, and damaged pages are named."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from minilm import MiniLM
from minilm.corpus.rows import Corpus
from minilm.errors import CorpusError
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


def test_kept_columns_stay_arrow_from_end_to_end(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    import pyarrow.parquet as pq

    columns = {
        "text": pa.array(["a", None, "c"]),
        "time": pa.array([1, None, 86_399_999_999_999], pa.time64("ns")),
        "day": pa.array([4_000_000, None, -800_000], pa.date32()),  # beyond Python's dates
        "money": pa.array(["1.10", None, "12345678901234567890.12"]).cast(pa.decimal128(38, 2)),
        "category": pa.array(["x", "y", "x"]).dictionary_encode(),
        "raw": pa.array([b"\xff", b"", None]),
        "pairs": pa.array([[("k", 1)], [], None], pa.map_(pa.string(), pa.int64())),
        "nan": pa.array([float("nan"), float("inf"), -0.0]),
    }
    strict = pa.field("n", pa.int64(), nullable=False)
    table = pa.table(columns).append_column(strict, pa.array([1, 2, 2**63 - 1]))
    pq.write_table(table, tmp_path / "in.parquet")
    source, output = tmp_path / "in.parquet", tmp_path / "out.parquet"
    assert run(source, "-o", output, "--keep", "--on-error", "skip") == 0
    found = pq.read_table(output).drop(["embedding", "text"])
    expected = pq.read_table(source).drop(["text"]).take([0, 2])
    assert found.schema.equals(expected.schema)
    for name in found.schema.names:
        if name != "nan":  # which is unlike itself
            assert found.column(name).combine_chunks().equals(expected.column(name).combine_chunks())
    assert str(found.column("nan").to_pylist()) == "[nan, -0.0]"


def test_the_rows_are_those_of_the_row_groups(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    import pyarrow.parquet as pq

    source = tmp_path / "in.parquet"
    pq.write_table(pa.table({"text": [f"t{i}" for i in range(6)]}), source, store_schema=False)
    content = source.read_bytes()
    length = int.from_bytes(content[-8:-4], "little")
    footer = bytearray(content[-8 - length : -8])
    # Thrift's compact protocol: field 3 (num_rows) after the schema is an i64 in zigzag, here 6 -> 12
    place = footer.index(bytes([0x16, 12, 0x19]))
    footer[place + 1] = 0
    source.write_bytes(content[: -8 - length] + bytes(footer) + content[-8:])
    assert pq.read_metadata(source).num_rows == 0
    assert run(source, "-o", tmp_path / "out.parquet") == 0
    assert pq.read_table(tmp_path / "out.parquet").column("text").to_pylist() == [f"t{i}" for i in range(6)]


def test_a_file_that_is_cut_off_while_it_is_read_is_an_error(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    import pyarrow.parquet as pq

    source = tmp_path / "in.parquet"
    pq.write_table(
        pa.table({"text": [f"a text with the number {i}" for i in range(50_000)]}),
        source,
        row_group_size=10_000,
    )
    rows = iter(Corpus([str(source)]))
    assert next(rows).text == "a text with the number 0"
    os.truncate(source, 4096)
    with pytest.raises(CorpusError, match=f"^{source}: "):
        list(rows)


@pytest.mark.parametrize("kind", ["string", "large_string"])
def test_a_text_that_is_not_utf8_is_the_problem_of_its_row(kind: str, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    import pyarrow.parquet as pq

    texts = pa.array([b"good", b"\xff\xfe", None]).view(pa.string()).cast(kind)
    pq.write_table(pa.table({"text": texts}), tmp_path / "t.parquet")
    rows = [(row.text, row.problem) for row in Corpus([str(tmp_path / "t.parquet")])]
    assert rows == [("good", None), (None, "not UTF-8 (invalid start byte)"), (None, "null")]


@pytest.mark.parametrize("zone", [None, "UTC", "Mars/Phobos"])
def test_a_time_that_python_does_not_have_is_no_text(zone: str | None, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    import pyarrow.parquet as pq

    times = pa.array([2**62, None], pa.timestamp("ms", zone))
    pq.write_table(pa.table({"text": times}), tmp_path / "t.parquet")
    problems = [row.problem for row in Corpus([str(tmp_path / "t.parquet")])]
    assert problems == ["a TimestampType, not text", "null"]
