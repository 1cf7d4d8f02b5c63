"""minilm/corpus/formats/registry.py: a name tells the format, and every format is read and written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from minilm import MiniLM
from tests.corpus.running import (
    TEXTS,
    failure,
    read_jsonl,
    run,
    write_input,
)


@pytest.mark.parametrize("kind", ["txt", "jsonl", "csv", "tsv", "parquet"])
def test_every_format_is_read(kind: str, model: MiniLM, tmp_path: Path) -> None:
    source, output = tmp_path / f"in.{kind}", tmp_path / "out.npy"
    write_input(source, kind)
    assert run(source, "-o", output) == 0
    np.testing.assert_array_equal(np.load(output), model.encode(TEXTS))
    assert np.load(output, mmap_mode="r").dtype == np.float32
    assert not (tmp_path / "out.npy.incomplete").exists()


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_other_columns_come_along(kind: str, model: MiniLM, tmp_path: Path) -> None:
    write_input(tmp_path / "in.jsonl", "jsonl")
    output = tmp_path / f"out.{kind}"
    assert run(tmp_path / "in.jsonl", "-o", output, "--keep") == 0
    if kind == "jsonl":
        rows = read_jsonl(output)
    else:
        pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
        table = pq.read_table(output)
        assert str(table.schema.field("embedding").type) == "fixed_size_list<element: float>[384]"
        assert str(table.schema.field("id").type) == "int64"
        rows = table.to_pylist()
    assert [(row["id"], row["text"]) for row in rows] == list(enumerate(TEXTS))
    # float32 to decimal and back is exact
    np.testing.assert_array_equal(
        np.array([row["embedding"] for row in rows], np.float32), model.encode(TEXTS)
    )


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        ("in.csv", b"a,b\n1,2\n", [], "several columns and none called 'text'; its columns are: a, b"),
        (
            "in.csv",
            b"a,b\n1,2\n",
            ["--column", "c"],
            "has no column 'c'; its columns are: a, b (--column NAME)",
        ),
        (
            "in.jsonl",
            b'{"a": 1, "b": 2}\n',
            ["--column", "c"],
            "line 1: no column 'c'; its columns are: a, b",
        ),
        (
            "in.xlsx",
            b"PK",
            [],
            "the name does not tell the format; --format text|jsonl|json|csv|tsv|parquet does",
        ),
        ("in.parquet", b"PAR1 no", [], "in.parquet: "),
    ],
)
def test_inputs_that_cannot_be_read(
    name: str,
    content: bytes,
    options: Sequence[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    (tmp_path / name).write_bytes(content)
    code, line = failure(capsys, tmp_path / name, "-o", tmp_path / "out.npy", *options)
    assert code == 1
    assert message in line
    assert failure(capsys, tmp_path / "no*.txt", "-o", tmp_path / "o.npy")[1].startswith("no file matches")


@pytest.mark.parametrize("option", [["--column", "text"], ["--keep"]])
def test_plain_text_has_no_columns(
    option: Sequence[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Or else CSV that comes through stdin, or as .txt, would be encoded row by row, commas and all."""
    (tmp_path / "in.txt").write_text("id,text\n1,a b c\n")
    code, line = failure(capsys, tmp_path / "in.txt", "-o", tmp_path / "out.jsonl", *option)
    message = f"{option[0]} is for input that has columns, and this is read as plain text (see --format)"
    assert (code, line) == (2, message)
    assert not (tmp_path / "out.jsonl").exists()
    assert run(tmp_path / "in.txt", "-o", tmp_path / "out.jsonl", *option, "--format", "csv") == 0
    assert read_jsonl(tmp_path / "out.jsonl")[0]["text"] == "a b c"
