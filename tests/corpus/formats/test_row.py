"""minilm/corpus/formats/row.py: a row without text says why, in every format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minilm import CorpusError, MiniLM
from minilm.corpus.formats.row import TextColumn
from tests.corpus.running import failure, read_jsonl, run

BAD = {
    "txt": (b"good\n\xff\nfine\n", [(2, "not UTF-8")]),
    "jsonl": (
        b'{"text": "good"}\n{"text": null}\n{"text": 3}\n{"other": 1}\n{"text"\n{"text": "fine"}\n',
        [(2, "null"), (3, "a number, not text"), (4, "no column 'text'"), (5, "not JSON")],
    ),
    "csv": (
        b'id,text\n1,good\n2,\xff\n3\n4,"a" quote\n5,fine\n',
        [(3, "not UTF-8"), (4, "no 'text'"), (5, "not CSV")],
    ),
    "tsv": (
        b'id\ttext\n1\tgood\n2\t"a" quote\n3\tfine\n',
        [(3, "not CSV")],
    ),
}


@pytest.mark.parametrize("kind", list(BAD))
def test_rows_that_are_no_text(
    kind: str, model: MiniLM, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    content, problems = BAD[kind]
    source, output = tmp_path / f"in.{kind}", tmp_path / "out.npy"
    source.write_bytes(content)
    code, message = failure(capsys, source, "-o", output)
    assert code == 1
    assert message.startswith(f"{source}, line {problems[0][0]}: {problems[0][1]}")
    assert not output.exists()
    for on_error, texts in (
        ("skip", ["good", "fine"]),
        ("empty", ["good", *[""] * len(problems), "fine"]),
    ):
        code, message = failure(capsys, source, "-o", output, "--on-error", on_error, "--overwrite")
        assert code == 0
        said = "1 row" if len(problems) == 1 else f"{len(problems)} rows"
        assert f"{said} had no text" in message
        np.testing.assert_array_equal(np.load(output), model.encode(texts))
        listed = read_jsonl(tmp_path / "out.npy.errors.jsonl")
        assert [row["line"] for row in listed] == [line for line, _ in problems]
        for row, (_, problem) in zip(listed, problems, strict=True):
            assert row["problem"].startswith(problem)


def rows(column: str | None, *objects: dict[str, Any], keep: bool = True) -> list[Any]:
    """The texts and kept columns of objects; of one without text, the problem."""
    chosen = TextColumn(column, keep=keep)
    read = [chosen.row(fields, "in.jsonl", line) for line, fields in enumerate(objects, 1)]
    chosen.check_found()
    return [(row.text, row.other_columns) if row.problem is None else row.problem for row in read]


def test_a_name_with_a_dot_is_a_column_or_else_a_field() -> None:
    nested: dict[str, Any] = {"doc": {"text": "a", "n": 1}}
    exact: dict[str, Any] = {"doc.text": "b", **nested}
    assert rows("doc.text", nested, exact) == [("a", nested), ("b", nested)]
    assert rows("a.b.c", {"a": {"b": {"c": "x"}}}, {"a.b": {"c": "y"}}, {"a": {"b.c": "z"}}, keep=False) == [
        ("x", {}),
        ("y", {}),
        ("z", {}),
    ]
    missing = "no column 'doc.text'; its columns are: doc"
    assert rows("doc.text", nested, {"doc": None}, {"doc": {"body": "a"}}) == [
        ("a", nested),
        missing,
        missing,
    ]


def test_columns_are_joined_by_a_space() -> None:
    """As BEIR's corpora are encoded: the title, a space, the text."""
    objects: list[dict[str, Any]] = [
        {"title": "T", "text": "a"},
        {"title": "", "text": "b"},
        {"text": "c"},
        {"title": None, "text": "d"},
        {"title": "only"},
        {"title": "", "text": ""},
        {"title": None, "text": None},
        {"title": None},
        {"other": 1},
        {"title": 3, "text": "a"},
        {"title,text": "exact", "title": "T"},
    ]
    texts = ["T a", "b", "c", "d", "only", ""]
    assert rows("title,text", *objects) == [
        *zip(texts, objects, strict=False),
        "null",
        "null",
        "no column 'title,text'; its columns are: other",
        "a number, not text",
        ("exact", {"title": "T"}),
    ]
    assert rows("title, doc.text", {"title": "T", "doc": {"text": "a"}}, keep=False) == [("T a", {})]


@pytest.mark.parametrize("column", ["titel,text", "text,"])
def test_a_part_that_no_row_has_is_a_mistake(column: str) -> None:
    with pytest.raises(CorpusError, match=r"no row has a column '(titel|text,)'"):
        rows(column, {"text": "a"}, {"title": "b"})


def test_a_header_needs_every_part() -> None:
    column = TextColumn("title,text", keep=True)
    assert column.places(["id", "title", "text"], "in.csv") == [("title",), ("text",)]
    with pytest.raises(
        CorpusError, match=r"in\.csv has no column 'title' of 'title,text'; its columns are: text"
    ):
        column.places(["text"], "in.csv")


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_the_column_of_joined_texts_has_the_name_that_was_given(kind: str, tmp_path: Path) -> None:
    source, output = tmp_path / f"in.{kind}", tmp_path / "out.jsonl"
    table = [{"title": "T", "text": "a"}, {"title": "", "text": "b"}]
    if kind == "parquet":
        pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pylist(table), source)
    elif kind == "csv":
        source.write_text("title,text\nT,a\n,b\n")
    else:
        source.write_text("".join(json.dumps(row) + "\n" for row in table))
    assert run(source, "-o", output, "--column", "title,text", "--keep") == 0
    written = [{name: row[name] for name in row if name != "embedding"} for row in read_jsonl(output)]
    assert written == [{"title,text": "T a", **table[0]}, {"title,text": "b", **table[1]}]


def test_a_field_of_a_struct_is_the_text(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    import pyarrow.parquet as pq

    source, output = tmp_path / "in.parquet", tmp_path / "out.parquet"
    docs = [{"text": "a", "n": 1}, None, {"text": None, "n": 2}, {"text": "b", "n": None}]
    pq.write_table(pa.table({"doc": docs}), source)
    options = ["--column", "doc.text", "--on-error", "skip"]
    assert run(source, "-o", output, *options, "--keep") == 0
    read = pq.read_table(output)
    assert read.column("doc.text").to_pylist() == ["a", "b"]
    assert read.column("doc").to_pylist() == [docs[0], docs[3]]
    assert [row["line"] for row in read_jsonl(tmp_path / "out.parquet.errors.jsonl")] == [2, 3]
    assert run(source, "-o", tmp_path / "plain.npy", *options) == 0
    assert np.load(tmp_path / "plain.npy").shape == (2, 384)


@pytest.mark.parametrize(("asked", "header"), [(" b", ["a", " b", " c"]), ("b", ["a", "b", " c"])])
def test_a_header_is_trimmed_only_where_the_exact_name_is_not_there(asked: str, header: list[str]) -> None:
    assert TextColumn(asked, keep=True).trimmed(["a", " b", " c"]) == header
