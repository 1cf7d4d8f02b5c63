"""minilm/corpus/formats/json_lines.py: objects without the column, and files where no object has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.corpus.running import (
    failure,
    read_jsonl,
    run,
)


def test_a_file_whose_first_row_has_no_text_follows_on_error(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    sources = [tmp_path / name for name in ("a.jsonl", "b.jsonl")]
    sources[0].write_text('{"text": "one"}\n')
    sources[1].write_text('{"id": 1}\n{"text": "two"}\n')
    output = tmp_path / "out.jsonl"
    assert run(*sources, "-o", output, "--on-error", "skip") == 0
    assert [row["text"] for row in read_jsonl(output)] == ["one", "two"]
    [listed] = read_jsonl(tmp_path / "out.jsonl.errors.jsonl")
    assert listed["problem"] == "no column 'text'; its columns are: id"
    assert failure(capsys, *sources, "-o", tmp_path / "o.npy")[0] == 1


@pytest.mark.parametrize("on_error", ["skip", "empty"])
def test_a_column_that_no_row_has_is_a_mistake(
    on_error: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    source, output = tmp_path / "in.jsonl", tmp_path / "out.npy"
    source.write_text('{"id": 1}\n{"id": 2, "text": "a"}\n')
    code, line = failure(capsys, source, "-o", output, "--column", "txet", "--on-error", on_error)
    message = f"no row has a column 'txet': {source}, line 1: no column 'txet'; its columns are: id"
    assert (code, line) == (1, f"{message} (--column NAME)")
    assert not output.exists()
    assert run(source, "-o", output, "--on-error", on_error, "--column", "text", "--overwrite") == 0
