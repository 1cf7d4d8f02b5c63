"""minilm/corpus/rows.py: every row of the input is a row of the output, or is said to have no text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from minilm.corpus.formats.json_values import json_rows
from minilm.corpus.rows import Corpus
from tests.corpus.running import (
    TEXTS,
    failure,
    run,
    write_input,
)


def test_the_column_is_the_same_wherever_it_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("plain\n")
    (tmp_path / "b.jsonl").write_text('"bare"\nnot JSON\n{"body": "x"}\n{"text": "y", "body": "z"}\n')
    sources = [str(tmp_path / name) for name in ("a.txt", "b.jsonl")]
    assert Corpus(sources).find_column() == "body"
    reader = Corpus(sources).read()
    assert [row.text for row in reader] == ["plain", "bare", None, "x", "z"]
    assert reader.column == "body"
    assert Corpus(sources[:1]).find_column() is None


@pytest.mark.parametrize("show", ["--progress", "--no-progress"])
@pytest.mark.parametrize("to", [[], ["-o", "out.npy"]])
def test_progress_goes_to_stderr_on_request(
    show: str,
    to: Sequence[str],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in.txt").write_text("one two\n" * 100)  # 800 bytes
    assert run("in.txt", *to, show) == 0
    told = capsys.readouterr().err
    assert ("Encoding: 100%" in told and "800/800" in told) == (show == "--progress")
    assert ("texts/s, " in told and "tokens/s" in told) == (show == "--progress")


def test_an_output_without_a_name_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("a\n")
    assert failure(capsys, tmp_path / "in.txt", "-o", "") == (2, "--output is empty: give the file to write")


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_reading_changes_nothing_in_the_corpus(kind: str, tmp_path: Path) -> None:
    write_input(tmp_path / f"in.{kind}", kind)
    corpus = Corpus([str(tmp_path / f"in.{kind}")], keep=True)
    description = vars(corpus).copy()
    first, second = corpus.read(), corpus.read()
    rows = list(first)
    assert [row.text for row in rows] == TEXTS
    others = json_rows([row.other_columns for row in rows])
    assert others == [{"id": str(i) if kind == "csv" else i} for i in range(5)]
    assert (first.column, first.position) == ("text", corpus.total_bytes)
    assert (second.column, second.position) == (None, 0)
    assert [row[:4] for row in second] == [row[:4] for row in rows]
    assert vars(corpus) == description
    assert corpus.find_column() == "text"
    with pytest.raises(FrozenInstanceError):
        corpus.column = "other"  # type: ignore[misc]


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="No such file or directory") as error:
        Corpus([str(tmp_path / "gone.txt")])
    assert error.value.filename == str(tmp_path / "gone.txt")


def test_a_limit_may_be_larger_than_any_corpus(tmp_path: Path) -> None:
    path = tmp_path / "texts.txt"
    path.write_text("a\nb\n")
    assert [row.text for row in Corpus([str(path)], limit=10**30)] == ["a", "b"]
