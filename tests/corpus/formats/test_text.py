"""minilm/corpus/formats/text.py: one text per line, and no columns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.corpus.running import (
    failure,
    read_jsonl,
    run,
)


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
