"""minilm/corpus/output.py: which columns an output has, and by which names."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minilm import MiniLM
from tests.corpus.running import failure, read_jsonl, run

ROWS = [
    {"id": 7, "text": "one", "title": "A"},
    {"id": 8, "text": "two", "title": None},
    {"id": 9, "text": "three"},
]


def write(path: Path) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def all_columns(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".jsonl":
        return read_jsonl(path)
    pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return rows


def without_vectors(path: Path) -> list[dict[str, Any]]:
    return [{name: row[name] for name in row if name != "embedding"} for row in all_columns(path)]


@pytest.mark.parametrize(
    ("keep", "names"),
    [
        (["--keep"], ["text", "id", "title"]),
        (["--keep", "id"], ["text", "id"]),
        (["--keep", "title,id,id"], ["text", "title", "id"]),
        ([], ["text"]),
    ],
)
def test_the_named_columns_are_kept(keep: list[str], names: list[str], tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl")
    assert run(source, *keep, "-o", tmp_path / "out.jsonl") == 0
    expected = [{name: row[name] for name in names if name in row} for row in ROWS]
    assert without_vectors(tmp_path / "out.jsonl") == expected


@pytest.mark.parametrize("keep", [["--keep"], ["--keep", "title,id"], ["--keep", "id"]])
def test_columns_of_parquet_are_null_where_a_row_has_none(keep: list[str], tmp_path: Path) -> None:
    source, output = write(tmp_path / "in.jsonl"), tmp_path / "out.parquet"
    assert run(source, *keep, "-o", output) == 0
    names = ["text", *(keep[1].split(",") if len(keep) > 1 else ["id", "title"])]
    rows = without_vectors(output)
    assert [list(row) for row in rows] == [names] * 3
    assert rows == [{name: row.get(name) for name in names} for row in ROWS]


def test_an_input_after_keep_is_an_input(tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl")
    assert run("--keep", source, "-o", tmp_path / "out.jsonl") == 0
    assert without_vectors(tmp_path / "out.jsonl") == ROWS


def test_a_column_to_keep_that_a_header_lacks_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "in.csv").write_text("id,text\n1,a\n")
    code, line = failure(capsys, tmp_path / "in.csv", "--keep", "id,titel", "-o", tmp_path / "out.jsonl")
    assert (code, "no row has a column 'titel' to keep; its columns are: id, text" in line) == (1, True)


def test_a_column_to_keep_may_be_in_some_files_only(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,text\n1,a\n")
    (tmp_path / "b.csv").write_text("title,text\nB,b\n")
    assert run(tmp_path / "*.csv", "--keep", "id,title", "-o", tmp_path / "out.parquet") == 0
    assert without_vectors(tmp_path / "out.parquet") == [
        {"text": "a", "id": "1", "title": None},
        {"text": "b", "id": None, "title": "B"},
    ]


@pytest.mark.usefixtures("short_shards")
@pytest.mark.parametrize("output", ["out.jsonl", "out.parquet", None])
def test_a_key_to_keep_that_no_row_has_is_refused_before_a_text_is_encoded(
    output: str | None, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    source = write(tmp_path / "in.jsonl")
    arguments = [str(source), *(["-o", str(tmp_path / output)] if output else [])]
    assert run(*arguments, "--keep", "late,id") == 1
    message = "minilm: no row has a column 'late' to keep (--keep NAME,NAME)\n"
    assert capsys.readouterr() == ("", message)
    with source.open("a") as file:
        file.write('{"text": "four", "late": true}\n')
    assert run(*arguments, "--keep", "late,id,text") == 0
    if output:
        rows = without_vectors(tmp_path / output)
        assert [(row["text"], row.get("late"), row.get("id")) for row in rows] == [
            *((row["text"], None, row["id"]) for row in ROWS),
            ("four", True, None),
        ]


def test_a_key_to_keep_that_stdin_lacks_is_named(tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl")
    command = [sys.executable, "-m", "minilm", "encode", "--format", "jsonl", "--keep", "titel,id"]
    result = subprocess.run(
        [*command, "-o", tmp_path / "out.jsonl"], input=source.read_bytes(), capture_output=True, check=True
    )
    assert b"minilm: no row has a column 'titel' to keep, so far\n" in result.stderr
    assert without_vectors(tmp_path / "out.jsonl") == [{"text": row["text"], "id": row["id"]} for row in ROWS]


@pytest.mark.parametrize("keep", ["id,text", "text, id", 'id,"text"', "id,id"])
def test_names_to_keep_are_those_of_a_line_of_csv(keep: str, tmp_path: Path) -> None:
    """The column of the texts is in the output anyway."""
    source, output = write(tmp_path / "in.jsonl"), tmp_path / "out.jsonl"
    assert run(source, "--keep", keep, "-o", output) == 0
    assert without_vectors(output) == [{"text": row["text"], "id": row["id"]} for row in ROWS]


def test_a_name_to_keep_may_hold_a_comma(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text('text,"x,y",z\na,1,2\n')
    assert run(tmp_path / "in.csv", "--keep", '"x,y"', "-o", tmp_path / "out.jsonl") == 0
    assert without_vectors(tmp_path / "out.jsonl") == [{"text": "a", "x,y": "1"}]


@pytest.mark.parametrize("keep", ["", "id,", ",id", '""'])
def test_an_empty_name_to_keep_is_wrong_usage(
    keep: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, line = failure(capsys, write(tmp_path / "in.jsonl"), "--keep", keep, "-o", tmp_path / "out.jsonl")
    assert (code, line) == (2, f"--keep has an empty name: {keep!r}")


def test_the_name_of_the_vectors_cannot_be_kept(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl")
    code, line = failure(capsys, source, "--keep", "embedding", "-o", tmp_path / "out.parquet")
    assert (code, "called 'embedding', like the column of the vectors" in line) == (1, True)


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_the_first_rows_only(limit: int, model: MiniLM, tmp_path: Path) -> None:
    write(tmp_path / "in.jsonl")
    (tmp_path / "more.txt").write_text("four\nfive\n")
    inputs, output = [tmp_path / "in.jsonl", tmp_path / "more.txt"], tmp_path / "out.npy"
    assert run(*inputs, "--limit", str(limit), "-o", output) == 0
    expected = model.encode(["one", "two", "three", "four", "five"][:limit])
    np.testing.assert_array_equal(np.load(output), expected)


def test_another_limit_is_another_job(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    source, output = write(tmp_path / "in.jsonl"), tmp_path / "out.npy"
    assert run(source, "--limit", "1", "-o", output) == 0
    capsys.readouterr()
    code, line = failure(capsys, source, "-o", output)
    assert (code, "limit was 1 and is None" in line) == (1, True)
    assert failure(capsys, source, "--limit", "0", "-o", output)[0] == 2


@pytest.mark.parametrize("output", ["out.jsonl", "out.parquet", None])
def test_the_vectors_get_another_name(
    output: str | None, model: MiniLM, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": "one", "embedding": [1, 2]}\n')
    arguments = [str(tmp_path / "in.jsonl"), "--keep", "--embedding-column", "vector"]
    if output is None:
        assert run(*arguments) == 0
        rows = [json.loads(capsys.readouterr().out)]
    else:
        assert run(*arguments, "-o", tmp_path / output) == 0
        rows = all_columns(tmp_path / output)
    assert list(rows[0]) == ["text", "embedding", "vector"]
    assert rows[0]["embedding"] == [1, 2]
    np.testing.assert_array_equal(np.array(rows[0]["vector"], np.float32), model.encode("one"))


@pytest.mark.parametrize(
    ("name", "output", "reason"),
    [
        ("v", "out.npy", "--embedding-column has no meaning for .npy, which has no columns"),
        ("\udcff", "out.parquet", "--embedding-column must be printable, not '\\udcff'"),
    ],
)
def test_a_name_of_the_vectors_that_no_output_can_have(
    name: str, output: str, reason: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    source = write(tmp_path / "in.jsonl")
    code, line = failure(capsys, source, "--embedding-column", name, "-o", tmp_path / output)
    assert (code, line) == (2, reason)
